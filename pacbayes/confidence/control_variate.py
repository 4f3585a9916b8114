"""Few draws where the unperturbed model's losses are known on every example."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pacbayes.bounds._domain import Array, require
from pacbayes.confidence.betting import Betting


class ControlVariate:
    """The posterior's empirical risk as that of its centre plus a difference that is drawn.

    With example i drawn with probability p_i and hypothesis θ from the posterior, the mean of
    (ℓ(θ, i) − ℓ(w, i))/(N p_i) is r̂(Q) − r̂(w), and r̂(w) is known exactly. The difference is bounded
    on both sides by the losses of the centre, known before drawing, and scaled to [0, 1] for
    betting.

    Args:
        centre_losses: ℓ(w, i) in [0, 1] of all N examples, shape (N,).
        probabilities: p_i > 0, shape (N,), summing to 1; fixed before the draws (they may depend
            on the centre's losses or margins). Uniform by default.

    Raises:
        ValueError: Losses outside [0, 1], or probabilities that are none.

    >>> rng = np.random.default_rng(0)
    >>> centre = (rng.random(1000) < 0.02).astype(float)
    >>> variate = ControlVariate(centre)
    >>> examples = variate.sample(5000, rng)
    >>> noisy = np.where(rng.random(5000) < 0.01, 1 - centre[examples], centre[examples])
    >>> variate.update(noisy, examples)
    >>> truth = float(centre.mean() * 0.99 + (1 - centre.mean()) * 0.01)
    >>> variate.lower(0.05) <= truth <= variate.upper(0.05) <= truth + 0.005
    True
    """

    def __init__(
        self,
        centre_losses: ArrayLike,
        probabilities: ArrayLike | None = None,
        *,
        aim: float | None = None,
    ) -> None:
        centre = np.asarray(centre_losses, dtype=np.float64)
        if centre.ndim != 1 or centre.size == 0:
            raise ValueError(f"`centre_losses` must have shape (N,), N ≥ 1, got {centre.shape}.")
        require((centre >= 0) & (centre <= 1), centre, "centre_losses", "lie in [0, 1]")
        n = len(centre)
        p = (
            np.full(n, 1 / n)
            if probabilities is None
            else np.asarray(probabilities, dtype=np.float64)
        )
        if p.shape != centre.shape:
            raise ValueError(
                f"`probabilities` must have the shape of `centre_losses`, got {p.shape}."
            )
        require((p > 0) & (p <= 1), p, "probabilities", "lie in (0, 1]")
        if abs(float(p.sum()) - 1) > 1e-9:
            raise ValueError(f"`probabilities` must sum to 1, got {float(p.sum())}.")
        # numpy draws with the normalised weights
        self.probabilities: Array = p / p.sum()
        self._weights: Array = 1 / (n * self.probabilities)
        self._centre = centre
        slack = 1e-12 * float(self._weights.max())
        self._low = -float((centre * self._weights).max()) - slack
        self._width = float(((1 - centre) * self._weights).max()) + slack - self._low
        # a difference of 0 lies here among the scaled ones
        nothing = -self._low / self._width
        self._betting = Betting(aim=None if aim is None else aim * self._width, mean=nothing)

    @property
    def n_draws(self) -> int:
        """Draws seen so far."""
        return self._betting.n_draws

    @property
    def mean(self) -> float:
        """The estimate of the posterior's empirical risk so far."""
        return self._unscaled(self._betting.mean)

    def sample(self, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Which examples to draw a hypothesis for, shape (size,)."""
        return rng.choice(len(self._centre), size=size, p=self.probabilities)

    def update(self, losses: ArrayLike, examples: ArrayLike) -> None:
        """Takes losses of fresh hypotheses, one on each of the sampled examples.

        Args:
            losses: ℓ(θ_j, i_j) in [0, 1], shape (draws,), or (draws, block) where a hypothesis is
                tried on several examples: their mean is one draw.
            examples: i_j from `sample`, of the same shape.

        Raises:
            ValueError: A loss outside [0, 1], an example that is none, or shapes that differ; none
                is taken then.
        """
        values, indices = np.asarray(losses, dtype=np.float64), np.asarray(examples)
        require((values >= 0) & (values <= 1), values, "losses", "lie in [0, 1]")
        if indices.dtype.kind not in "iu" or values.shape != indices.shape or values.ndim < 1:
            raise ValueError(
                "`examples` must be indices, one for each of `losses`, got "
                f"{indices.shape} of {indices.dtype} for {values.shape}."
            )
        inside = (indices >= 0) & (indices < len(self._centre))
        require(inside, indices, "examples", f"lie in [0, {len(self._centre)})")
        difference = (values - self._centre[indices]) * self._weights[indices]
        scaled = np.clip((difference - self._low) / self._width, 0.0, 1.0)
        self._betting.update(scaled if scaled.ndim < 2 else scaled.mean(axis=1))

    def upper(self, delta: float) -> float:
        """The empirical risk is above this, at whatever time it is asked, with probability ≤ δ."""
        return min(1.0, self._unscaled(self._betting.upper(delta)) + self._slack)

    def lower(self, delta: float) -> float:
        """The empirical risk is below this with probability ≤ δ; on an event of its own."""
        return max(0.0, self._unscaled(self._betting.lower(delta)) - self._slack)

    @property
    def _slack(self) -> float:
        # float64 of the sums, and of the cumulative probabilities that examples are drawn by
        return (1e-13 + len(self._centre) * 2.0**-50) * (1 + self._width)

    def _unscaled(self, scaled: float) -> float:
        return float(self._centre.mean()) + self._low + self._width * scaled
