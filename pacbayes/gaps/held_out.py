"""Held-out mean losses of one model on several strata, and intervals that hold together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacbayes.bounds import (
    test_set_binomial,
    test_set_binomial_lower,
    test_set_kl,
    test_set_kl_lower,
)
from pacbayes.bounds._domain import Array, require_n, require_risk
from pacbayes.errors import InputError
from pacbayes.gaps._domain import equal_share, input_errors


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """What held-out data say of one model, a number for each stratum.

    Attributes:
        mean: Mean losses in [0, 1] over the units of each stratum.
        n: Independent units of each stratum, none of which trained or selected the model.
        zero_one: Whether every unit's loss is 0 or 1: then Clopper–Pearson applies, else the kl
            bound, which knows only the mean.

    Raises:
        InputError: A mean outside [0, 1], a stratum without units, or a mean of 0-1 losses that
            no whole number of errors has.
    """

    mean: tuple[float, ...]
    n: tuple[int, ...]
    zero_one: bool = False

    def __post_init__(self) -> None:
        with input_errors():
            mean, n = require_risk(self.mean, "mean"), require_n(self.n)
        if mean.ndim != 1 or mean.shape != n.shape or mean.size == 0:
            raise InputError(
                f"`mean` and `n` must have one shape (strata,), got {mean.shape} and {n.shape}."
            )
        errors = mean * n
        if self.zero_one and np.any(np.abs(errors - np.round(errors)) > 1e-6):
            raise InputError(
                "`mean` times `n` must be whole for losses of 0 or 1. Units of several records "
                "have graded losses: leave `zero_one` out."
            )
        object.__setattr__(self, "mean", tuple(mean.tolist()))
        object.__setattr__(self, "n", tuple(int(size) for size in n.tolist()))

    def __len__(self) -> int:
        return len(self.n)

    def only(self, chosen: Array) -> HeldOut:
        """The strata marked true, in order."""
        places = np.flatnonzero(chosen).tolist()
        return HeldOut(
            mean=tuple(self.mean[i] for i in places),
            n=tuple(self.n[i] for i in places),
            zero_one=self.zero_one,
        )

    def intervals(self, delta: float) -> tuple[Array, Array]:
        """Lower and upper bounds on every stratum's risk, all at once with probability ≥ 1 − δ.

        A union over strata and sides, δ/(2 strata) each.

        >>> low, high = HeldOut(mean=(0.3, 0.05), n=(1000, 1000), zero_one=True).intervals(0.05)
        >>> low.round(3).tolist(), high.round(3).tolist()
        ([0.268, 0.036], [0.334, 0.068])
        """
        share = equal_share(delta, 2 * len(self))
        mean, n = np.array(self.mean), np.array(self.n)
        if self.zero_one:
            errors = np.round(mean * n)
            return (
                test_set_binomial_lower(n_errors=errors, n=n, delta=share),
                test_set_binomial(n_errors=errors, n=n, delta=share),
            )
        return (
            test_set_kl_lower(empirical_risk=mean, n=n, delta=share),
            test_set_kl(empirical_risk=mean, n=n, delta=share),
        )
