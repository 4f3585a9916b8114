"""Losses under posterior draws: what they say of the mean, and where they are kept meanwhile."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pacbayes.bets import bet_from, log_shares, shares_of
from pacbayes.bounds import certified
from pacbayes.certificate import Bet
from pacbayes.files import open_file, replace_file, write_atomically
from pacbayes.team import ALONE, Team

FloatArray = npt.NDArray[np.float64]

_SLACK = 1e-12


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The posterior's mean of a loss over a sample, by sampling.

    Attributes:
        mean: The estimate.
        interval: Contains the true mean with the probability that was asked for.
        n_draws: Independent draws behind it.
        method: How, in words.
        bets: Bounds on the means of the bets' logarithms, on the event of the interval.
    """

    mean: float
    interval: tuple[float, float]
    n_draws: int
    method: str
    bets: tuple[Bet, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Losses of units under fresh posterior draws.

    Units that share a draw form a block. A block's variable is the sum of its units' losses over
    the block size: it lies in [0, 1] and is independent of all other variables. A short last block
    only makes its variable smaller, and `stretch` undoes that in the mean.

    Attributes:
        losses: Shape (passes, units).
        block: Units that share a draw.
    """

    losses: FloatArray
    block: int

    @property
    def n_draws(self) -> int:
        """Posterior draws in all passes: the number of independent variables."""
        passes, n = self.losses.shape
        return int(passes * -(-n // self.block))

    @property
    def mean(self) -> float:
        """Mean loss over passes and units: an estimate of the posterior's empirical risk."""
        return min(1.0, float(self.losses.mean()))

    @property
    def stretch(self) -> float:
        """Ratio of the empirical risk to the mean of the variables, at least 1."""
        n = self.losses.shape[1]
        return float(-(-n // self.block) * self.block / n)

    def estimate(self, delta: float, lams: Sequence[float] = ()) -> Estimate:
        """The mean with its interval, and a bound for each bet λ, all of them right w.p. ≥ 1 − δ.

        Args:
            delta: Failure probability; half of it is for the interval if there are bets.
            lams: Bets, fixed before the draws.
        """
        interval, each = shares_of(delta, len(lams))
        return Estimate(
            mean=self.mean,
            interval=self.interval(interval),
            n_draws=self.n_draws,
            method=self.method,
            bets=tuple(self._bet(lam, each) for lam in lams),
        )

    @property
    def method(self) -> str:
        """How, in the words of a certificate, from which `stretch` can be told."""
        shared = f", each for {self.block} units" if self.block > 1 else ""
        return f"kl interval over {len(self.losses)} passes with fresh draws{shared}"

    def _bet(self, lam: float, delta: float) -> Bet:
        drawn = replace(self, losses=log_shares(lam, self.losses))
        return bet_from(lam, drawn.upper(delta) if lam > 0 else drawn.lower(delta))

    def interval(self, delta: float) -> tuple[float, float]:
        """Two-sided interval for the mean over units of the expected loss, wrong w.p. ≤ delta."""
        return self.lower(delta / 2), self.upper(delta / 2)

    def upper(self, delta: float) -> float:
        """The expected loss, averaged over the units, is above this with probability ≤ delta.

        The kl bound for independent variables in [0, 1]. The factor 1 ± 1e-12 covers the float64
        rounding of the losses' mean and of the stretch.
        """
        mean = min(1.0, self.mean / self.stretch * (1 + _SLACK))
        high = certified("test_set_kl", empirical_risk=mean, n=self.n_draws, delta=delta)
        return min(1.0, high * self.stretch * (1 + _SLACK))

    def lower(self, delta: float) -> float:
        """As `upper`, from below."""
        mean = self.mean / self.stretch * (1 - _SLACK)
        low = certified("test_set_kl_lower", empirical_risk=mean, n=self.n_draws, delta=delta)
        return low * self.stretch * (1 - _SLACK)


class DrawStore:
    """A folder of arrays, one for each stratum and pass, so that a run goes on where it ended.

    Its name is made from everything that the arrays depend on.

    Args:
        folder: The run's ``draws`` folder, or None to keep nothing.
        dependencies: Everything that the draws are a function of; another value, another folder.
        team: The processes that draw together; the first of them reads and writes.
    """

    def __init__(
        self, folder: Path | None, dependencies: Mapping[str, Any], team: Team = ALONE
    ) -> None:
        text = json.dumps(dependencies, sort_keys=True)
        self._folder = None
        self._team = team
        if folder is not None and team.leads:
            self._folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
            write_atomically(self._folder / "key.json", text.encode())

    def get(
        self,
        stratum: int,
        draw: int | str,
        make: Callable[[], FloatArray],
        *,
        shape: tuple[int, ...],
        of: str = "",
    ) -> FloatArray:
        """The stored losses of one pass, or those that `make` gives, which are then stored.

        Args:
            stratum: Number of the stratum.
            draw: Number of the pass, or the name of what is stored otherwise.
            make: Gives its losses.
            shape: Numbers of losses and of units.
            of: Hash of what the losses are a function of beyond the store's dependencies.
        """
        part = draw if isinstance(draw, str) else f"pass{draw}"
        name = f"stratum{stratum}.{part}{of and '.'}{of}.npy"
        stored = self._team.led(lambda: self._read(name, shape))
        if stored is not None:
            return stored
        losses = make()
        self._write(name, losses)
        return losses

    def keep(self, stratum: int, name: str, values: FloatArray) -> None:
        """Keeps what a reader needs to make sense of the draws, shape (rows, columns)."""
        self._write(f"stratum{stratum}.{name}.npy", values)

    def _write(self, name: str, values: FloatArray) -> None:
        if self._folder is not None:
            content = io.BytesIO()
            np.save(content, values, allow_pickle=False)
            replace_file(self._folder / name, content.getvalue())

    def _read(self, name: str, shape: tuple[int, ...]) -> FloatArray | None:
        """What is stored, None if nothing is or it is damaged: then it is made once more."""
        return None if self._folder is None else _stored(self._folder / name, shape)


def _stored(path: Path, shape: tuple[int, ...]) -> FloatArray | None:
    """The numbers in an npy file that was written here; nothing else is looked into."""
    header = io.BytesIO()
    told = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, told)
    start, size = header.getvalue(), 8 * math.prod(shape)
    try:
        with open_file(path) as file:
            content = file.read(len(start) + size + 1)
    except OSError:
        return None
    if not content.startswith(start) or len(content) != len(start) + size:
        return None
    losses = np.frombuffer(content, "<f8", offset=len(start)).reshape(shape).astype(np.float64)
    return losses if bool(np.isfinite(losses).all()) else None
