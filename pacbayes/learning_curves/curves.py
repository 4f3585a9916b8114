"""Learning curves of target risk against budget, one for each training difficulty."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator
from scipy.special import expit, logit

from pacbayes.errors import InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Curves:
    """R(d, n) = c_d + (r₀ − c_d)/(1 + (n/k_d)^g), a batch of fits.

    Attributes:
        difficulties: Increasing, shape (D,).
        asymptote: c_d in (0, 1), shape (fits, D).
        scale: k_d > 0, the budget at which half of r₀ − c_d is learnt, shape (fits, D).
        exponent: g > 0, shape (fits,).
        base_risk: r₀ in (0, 1), shape (fits,).
    """

    difficulties: Floats
    asymptote: Floats
    scale: Floats
    exponent: Floats
    base_risk: Floats

    def __len__(self) -> int:
        """Return the number of fits."""
        return len(self.exponent)

    def at(self, difficulties: ArrayLike) -> Curves:
        """Return the curves at other difficulties, between the present ones.

        logit c and ln k are interpolated by monotone cubics, so that what rises or falls with
        difficulty keeps doing so.

        Raises:
            InputError: A difficulty outside the range of the present ones.
        """
        wanted = np.asarray(difficulties, dtype=np.float64)
        low, high = self.difficulties[0], self.difficulties[-1]
        if not np.all((wanted >= low) & (wanted <= high)):
            raise InputError(
                f"`difficulties` must lie in [{low:g}, {high:g}], the range that was trained on, "
                f"got {_span(wanted)}; the curves are not extrapolated in difficulty."
            )

        def between(values: Floats) -> Floats:
            interpolated: Floats = PchipInterpolator(self.difficulties, values, axis=1)(wanted)
            return interpolated

        return replace(
            self,
            difficulties=wanted,
            asymptote=expit(between(logit(self.asymptote))),
            scale=np.exp(between(np.log(self.scale))),
        )

    def risk(self, budget: float | Floats) -> Floats:
        """Return R(d, budget), shape (fits, D); budgets that differ by fit have shape (fits, 1)."""
        return self.asymptote + (self.base_risk[:, None] - self.asymptote) * self.unlearnt(budget)

    def unlearnt(self, budget: float | Floats) -> Floats:
        """Return 1/(1 + (budget/k_d)^g), the part of r₀ − c_d still above c_d, (fits, D)."""
        part: Floats = expit(self.exponent[:, None] * np.log(self.scale / budget))
        return part

    def by_log_budget(self, budget: float | Floats) -> Floats:
        """Return the derivative of R(d, budget) by ln budget, shape (fits, D)."""
        unlearnt = self.unlearnt(budget)
        span = self.base_risk[:, None] - self.asymptote
        slope: Floats = -span * self.exponent[:, None] * unlearnt * (1 - unlearnt)
        return slope

    def with_base_risk(self, base_risk: float) -> Curves:
        """Return curves that start at another r₀ and keep c_d, k_d and g."""
        return replace(self, base_risk=np.full(len(self), float(base_risk)))


def _span(values: Floats) -> str:
    return f"{np.min(values):g} to {np.max(values):g}"
