"""Betting intervals from stored pairs of a unit and its loss under fresh noise.

A pair's variable is x = ((ℓ − c)/(N p) − a)/b for the loss ℓ of a unit drawn with probability p
whose loss without noise is c; a and b bring it into [0, 1], and r̂ is the mean of c plus a + b E x.
Bets λ_k of fixed weights w_k against a mean μ have made Σ_k w_k Π_j (1 − λ_k x_j)/(1 − λ_k μ) of
their stake, which exceeds 1/δ ever with probability at most δ where μ is the mean (Waudby-Smith &
Ramdas 2024). Sums are in float64, exactly rounded; what that leaves is far below the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes.verify.comparisons import Margin, Report
from pacbayes.verify.inputs.tensors import read_losses, read_row
from pacbayes.verify.reading import UnreadableError

_LOGITS = tuple(-9 + 14 * k / 56 for k in range(57))
_LAMS = tuple(1 / (1 + math.exp(-logit)) for logit in _LOGITS)

_RATIO = 1e9
"""Between probabilities of units; those of the package are within a few powers of ten."""

Look = list[list[float]]
"""Pairs between two looks at the interval, those of one draw together: losses, or shares."""


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Stored pairs of one stratum and one loss.

    Attributes:
        centre: Loss without noise of each unit.
        probabilities: With which each unit was drawn.
        aim: How strongly bets were expected to be needed.
        losses: At each look.
        units: At each look, which ones.
    """

    centre: Sequence[float]
    probabilities: Sequence[float]
    aim: float
    losses: list[Look]
    units: list[list[list[int]]]


def read_pairs(place: Path, stratum: int, row: int, block: int, n_draws: int) -> Pairs:
    """The pairs in a folder of draws, as many as a certificate says.

    Raises:
        UnreadableError: A file cannot be read, or does not fit the others.
    """
    stem, seen = f"stratum{stratum}", 0
    centre = read_losses(place / f"{stem}.margins.npy", row)
    losses: list[Look] = []
    units: list[list[list[int]]] = []
    while seen < n_draws:
        number = len(losses)
        found = sorted(place.glob(f"{stem}.pass{number}.*.npy"))
        if not found and losses:
            break  # fewer than it says
        path = found[0] if found else place / f"{stem}.pass{number}.npy"
        values = read_losses(path, row)
        drawn = _units(place / f"{stem}.units{number}.npy", len(values), len(centre))
        starts = range(0, len(values), block)
        losses.append([list(values[i : i + block]) for i in starts])
        units.append([drawn[i : i + block] for i in starts])
        seen += len(starts)
    aims = place / f"{stem}.aims.npy"
    aim = read_row(aims, 0)[row : row + 1]
    if not aim or aim[0] < 0:
        raise UnreadableError(f"{aims}: has no aim of this loss.")
    return Pairs(
        centre=centre,
        probabilities=_probabilities(place / f"{stem}.probabilities.npy", len(centre)),
        aim=aim[0],
        losses=losses,
        units=units,
    )


def _units(path: Path, number: int, n: int) -> list[int]:
    """As many units as there are losses."""
    drawn = read_row(path, 0)
    if len(drawn) != number or not all(0 <= i < n and i.is_integer() for i in drawn):
        raise UnreadableError(f"{path}: must hold {number} numbers of units, below {n}.")
    return [int(i) for i in drawn]


def _probabilities(path: Path, n: int) -> Sequence[float]:
    """One for each unit, up to their sum, and none out of proportion."""
    found = read_row(path, 0)
    if len(found) != n or not 0 < max(found) <= _RATIO * min(found):
        raise UnreadableError(f"{path}: must hold {n} probabilities of one order of magnitude.")
    return found


class _Bets:
    """What bets have made of the variables of pairs, on both sides."""

    def __init__(self, pairs: Pairs, lam: float | None = None, *, aimed: bool = True) -> None:
        loss = (lambda x: x) if lam is None else (lambda x: share_of(lam, x))
        total = math.fsum(pairs.probabilities)
        n = len(pairs.centre)
        weights = [total / (n * p) for p in pairs.probabilities]
        centre = [loss(c) for c in pairs.centre]
        self.middle = math.fsum(centre) / n
        slack = 1e-12 * max(weights)
        self.low = -max(c * w for c, w in zip(centre, weights, strict=True)) - slack
        top = max((1 - c) * w for c, w in zip(centre, weights, strict=True)) + slack
        self.width = top - self.low
        self.looks: list[list[float]] = []
        for losses, units in zip(pairs.losses, pairs.units, strict=True):
            rows = zip(losses, units, strict=True)
            self.looks.append([self._variable(r, u, loss, centre, weights) for r, u in rows])
        nothing = -self.low / self.width
        aim = pairs.aim * self.width if aimed else None
        self.weights = (_weights(aim, nothing), _weights(aim, 1 - nothing))

    def _variable(
        self, losses: list[float], units: list[int], loss: Any, centre: Any, weights: Any
    ) -> float:
        scaled = (
            ((loss(x) - centre[i]) * weights[i] - self.low) / self.width
            for x, i in zip(losses, units, strict=True)
        )
        return math.fsum(min(1.0, max(0.0, x)) for x in scaled) / len(losses)

    @property
    def n_draws(self) -> int:
        """Pairs, those of one draw counted once."""
        return sum(map(len, self.looks))

    @property
    def mean(self) -> float:
        """The estimate of the empirical risk."""
        mean = math.fsum(x for look in self.looks for x in look) / self.n_draws
        return self.middle + self.low + self.width * mean

    def margin(self, delta: float, *, above: bool, last: bool) -> Margin:
        """Means that the bets refute, at the last look or at any."""
        log_weights = self.weights[0 if above else 1]
        states = list(self._states(above))[-1 if last else 0 :]

        def margin(risk: Any) -> float:
            mu = (float(risk) - self.middle - self.low) / self.width
            mu = min(1.0, mu if above else 1 - mu)
            if mu < 0:
                return -1.0
            most = max(_log_wealth(sums, log_weights, n, mu) for n, sums in states)
            return most + math.log(delta)

        return margin

    def _states(self, above: bool) -> Iterator[tuple[int, list[float]]]:
        """Number of draws and Σ ln(1 − λ_k x) of each bet after each look."""
        sums, n = [0.0] * len(_LAMS), 0
        for look in self.looks:
            values = look if above else [1 - x for x in look]
            sums = [
                s + math.fsum(_log(lam, x) for x in values)
                for s, lam in zip(sums, _LAMS, strict=True)
            ]
            n += len(look)
            yield n, sums


def _log_wealth(sums: list[float], log_weights: list[float], n: int, mu: float) -> float:
    terms = [
        w + s - n * math.log1p(-lam * mu)
        for w, s, lam in zip(log_weights, sums, _LAMS, strict=True)
    ]
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms))


def _weights(aim: float | None, middle: float) -> list[float]:
    """Ln w_k: equal, or four fifths of them around the bet that is expected to be best."""
    if aim is None:
        return [-math.log(len(_LAMS))] * len(_LAMS)
    lam = min(max(aim / (1 + aim * middle), 1e-6), 1 - 1e-6)
    logit = math.log(lam / (1 - lam))
    near = [math.exp(-0.5 * ((place - logit) / 0.5) ** 2) + 1e-300 for place in _LOGITS]
    total = math.fsum(near)
    return [math.log(0.8 * x / total + 0.2 / len(near)) for x in near]


def _log(lam: float, loss: float) -> float:
    """Ln(1 − λ ℓ), to a few ulps also where λ ℓ is near 1."""
    product = lam * loss
    return math.log((1 - lam) + lam * (1 - loss)) if product > 0.5 else math.log1p(-product)


def share_of(lam: float, loss: float) -> float:
    """Ln(1 − λ ℓ)/ln(1 − λ): 0 for no loss, 1 for the worst."""
    return min(1.0, max(0.0, _log(lam, loss) / _log(lam, 1.0)))


def check_pairs(
    document: dict[str, Any], report: Report, i: int, place: Path, row: int, block: int
) -> None:
    """The interval of the empirical risk, its estimate, and the bounds of the bets."""
    stratum, at = document["strata"][i], f"strata[{i}]"
    pairs = read_pairs(place, i, row, block, stratum["n_draws"])
    bets = _Bets(pairs)
    report.equal(f"{at}.n_draws", stratum["n_draws"], bets.n_draws)
    report.equal(f"{at}.n", stratum["n"], len(pairs.centre))
    delta = document["delta"]["ledger"][2 * i + 1]["delta"]
    graded = bool(stratum["bets"])
    low, high = stratum["empirical_risk_bound"]
    for value, above in ((high, True), (low, False)):
        margin = bets.margin(delta / (4 if graded else 2), above=above, last=False)
        report.end(f"{at}.empirical_risk_bound[{int(above)}]", value, margin, above=above)
    mean, found = stratum["empirical_risk"], min(max(bets.mean, low), high)
    where = f"{at}.empirical_risk"
    report.holds(math.isclose(mean, found, abs_tol=1e-10), where, mean, repr(found))
    report.pinned.add(where)
    for j, bet in enumerate(stratum["bets"]):
        share = min(1.0, max(0.0, bet["mean_log"] / _log(bet["lam"], 1.0)))
        above = bet["lam"] > 0
        margin = _Bets(pairs, bet["lam"], aimed=False).margin(delta / 4, above=above, last=True)
        where, lam = f"{at}.bets[{j}].mean_log", f"{at}.bets[{j}].lam"
        report.end(where, share, margin, lam, above=above)
        report.pinned |= {where, lam}
