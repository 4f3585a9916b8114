"""How noisy strata of pass rates are: k of m samples passed is not the rate at which they pass.

A record passed k of m independent samples with its own true rate p, so k/m has standard deviation
√(p(1 − p)/m), at most 1/(2√m): .18 at m = 8. True rates are taken to have a Beta distribution over
the records, fitted by maximum likelihood of the Beta-binomial counts; given k and m the true rate
is then Beta(a + k, b + m − k), and the chance that it lies outside the stratum of k/m follows. That
is an estimate: a fitted distribution, no certificate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import betainc, betaln

from pacbayes.data.strata_by_difficulty import check_edges
from pacbayes.errors import InputError

_FLAT = (1e-3, 1e4)
"""Range of the fitted a and b; where all rates are 0, or all alike, the likelihood has no peak."""


@dataclass(frozen=True, kw_only=True)
class PassRateNoise:
    """What sampling makes of strata of difficulty = 1 − pass rate. Estimates, all of them.

    Attributes:
        n: Number of records.
        samples: Least and largest number of samples of a record, m.
        largest_sd: Standard deviation of a pass rate at p = 1/2 and the least m.
        sd: Root mean square over the records of a pass rate's standard deviation.
        misplaced: Expected share of the records whose true pass rate belongs to another stratum.
        misplaced_by_stratum: The same within each stratum, from the easiest; NaN without records.
        prior: a and b of the fitted Beta distribution of true pass rates.
    """

    n: int
    samples: tuple[int, int]
    largest_sd: float
    sd: float
    misplaced: float
    misplaced_by_stratum: tuple[float, ...]
    prior: tuple[float, float]

    @property
    def summary(self) -> str:
        """One sentence for people."""
        least, most = self.samples
        of = f"{least}" if least == most else f"{least} to {most}"
        return (
            f"difficulties are pass rates of {of} samples, with a standard deviation of "
            f"{self.sd:.2f} (at most {self.largest_sd:.2f}); an estimated "
            f"{100 * self.misplaced:.0f} % of the records are in another stratum than their true "
            "pass rate's, so the strata are those of the measured rates."
        )


def pass_rate_sd(rate: float, m: int) -> float:
    """Return the standard deviation of the share of `m` samples that pass at this true rate.

    >>> round(pass_rate_sd(0.5, 8), 2)
    0.18
    """
    return float(np.sqrt(rate * (1 - rate) / m))


def pass_rate_noise(
    passed: Sequence[int], samples: Sequence[int], edges: Sequence[float]
) -> PassRateNoise:
    """Estimate the noise of strata cut at `edges` of difficulty = 1 − pass rate.

    Args:
        passed: How many samples of each record passed.
        samples: How many it had.
        edges: Edges between the strata; each belongs to the easier one.

    Raises:
        InputError: A count is out of range, there are none, or the edges do not increase.

    >>> noise = pass_rate_noise([0, 2, 4, 6, 8], [8] * 5, [0.5])
    >>> noise.samples, round(noise.largest_sd, 3)
    ((8, 8), 0.177)
    """
    check_edges(edges)
    k, m = np.asarray(passed), np.asarray(samples)
    if not len(k) or k.shape != m.shape or (m < 1).any() or (k < 0).any() or (k > m).any():
        raise InputError("pass counts must satisfy 0 <= k <= m and m >= 1, and there must be some.")
    (k, m), counts = np.unique(np.stack([k, m]), axis=1, return_counts=True)
    a, b = fit_beta_binomial(k, m, counts)
    bounds = np.array([-np.inf, *edges, np.inf])
    place = np.searchsorted(bounds, 1 - k / m) - 1
    inside = _below(bounds[place + 1], k, m, a, b) - _below(bounds[place], k, m, a, b)
    outside = np.clip(1 - inside, 0.0, 1.0)
    total = np.bincount(place, counts, minlength=len(edges) + 1)
    with np.errstate(invalid="ignore"):
        by_stratum = np.bincount(place, outside * counts, minlength=len(edges) + 1) / total
    # E p(1 − p) under Beta(α, β) is αβ/((α + β)(α + β + 1))
    alpha, beta = a + k, b + m - k
    variance = alpha * beta / ((alpha + beta) * (alpha + beta + 1)) / m
    return PassRateNoise(
        n=int(counts.sum()),
        samples=(int(m.min()), int(m.max())),
        largest_sd=pass_rate_sd(0.5, int(m.min())),
        sd=float(np.sqrt(np.average(variance, weights=counts))),
        misplaced=float(np.average(outside, weights=counts)),
        misplaced_by_stratum=tuple(by_stratum.tolist()),
        prior=(a, b),
    )


_Array = npt.NDArray[np.float64] | npt.NDArray[np.int64]


def fit_beta_binomial(k: _Array, m: _Array, counts: _Array) -> tuple[float, float]:
    """Return a and b of the Beta distribution of rates that makes the counts most likely.

    Args:
        k: Successes, one entry for each kind of record.
        m: Trials.
        counts: How many records are of this kind.
    """

    def misfit(logs: npt.NDArray[np.float64]) -> float:
        a, b = np.exp(logs)
        return -float(np.average(betaln(k + a, m - k + b) - betaln(a, b), weights=counts))

    limits = [tuple(np.log(_FLAT))] * 2
    found = minimize(misfit, np.zeros(2), bounds=limits, method="L-BFGS-B")
    a, b = np.exp(found.x)
    return float(a), float(b)


def _below(difficulty: _Array, k: _Array, m: _Array, a: float, b: float) -> _Array:
    """Probability that 1 − p is at most this, p being Beta(a + k, b + m − k)."""
    shares = np.clip(difficulty, 0.0, 1.0)
    below: _Array = betainc(b + m - k, a + k, shares)
    return below
