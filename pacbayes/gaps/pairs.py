"""Two models drawn from a posterior side by side: how often they disagree, and err together."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds import test_set_binomial, test_set_binomial_lower
from pacbayes.bounds._domain import require_n
from pacbayes.confidence import kl_lower, kl_upper
from pacbayes.errors import InputError
from pacbayes.gaps._domain import input_errors, require_weights


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Independent examples, on each of which two fresh draws from the posterior answered.

    Attributes:
        n: Independent examples, none of which trained or selected the model.
        disagreements: Examples on which the two answers differ; needs no label.
        joint_errors: Examples on which both are wrong, None without labels.
        errors: Wrong answers among the 2 n, None without labels.

    Raises:
        InputError: Counts that no n pairs have.
    """

    n: int
    disagreements: int
    joint_errors: int | None = None
    errors: int | None = None

    def __post_init__(self) -> None:
        with input_errors():
            require_n(self.n)
            require_n(self.disagreements, "disagreements", least=0)
            for name in ("joint_errors", "errors"):
                if getattr(self, name) is not None:
                    require_n(getattr(self, name), name, least=0)
        if self.disagreements > self.n:
            raise InputError(
                f"`disagreements` must be at most `n`, got {self.disagreements} of {self.n}."
            )
        if (self.joint_errors is None) != (self.errors is None):
            raise InputError("`joint_errors` and `errors` need the same labels: give both or none.")
        if self.joint_errors is not None and self.errors is not None:
            # exactly one wrong answer is a disagreement
            single = self.errors - 2 * self.joint_errors
            different = self.disagreements - single
            room = self.n - self.joint_errors
            if not (0 <= single <= room and 0 <= different <= self.joint_errors):
                raise InputError(
                    "`errors` must be 2 `joint_errors` plus the disagreements with one right "
                    f"answer, got {self.errors} with {self.joint_errors} and "
                    f"{self.disagreements} of {self.n}. It counts both draws of each pair."
                )

    def disagreement(self, delta: float) -> tuple[float, float]:
        """Bounds on d, each with its own δ: an interval of both costs 2 δ."""
        return _rate(self.disagreements, self.n, delta)

    def joint_error(self, delta: float) -> tuple[float, float]:
        """Bounds on e, each with its own δ.

        Raises:
            InputError: The pairs have no labels.
        """
        return _rate(self._labelled(self.joint_errors), self.n, delta)

    def risk(self, delta: float) -> tuple[float, float]:
        """Bounds on R, each with its own δ; errors as `joint_error`."""
        mean = self._labelled(self.errors) / (2 * self.n)
        at = {"mean": mean, "n_draws": self.n, "delta": delta}
        return float(kl_lower(**at)), float(kl_upper(**at))

    def _labelled(self, count: int | None) -> int:
        if count is None:
            raise InputError("the pairs must have `joint_errors` and `errors`, which need labels.")
        return count


def _rate(count: int, n: int, delta: float) -> tuple[float, float]:
    at = {"n_errors": count, "n": n, "delta": delta}
    return float(test_set_binomial_lower(**at)), float(test_set_binomial(**at))


@dataclass(frozen=True, kw_only=True)
class PairRisks:
    """What two draws from a posterior do on a weighted set of examples, exactly.

    R = ½ d + e − ½ s, where s is 0 if there are two answers only (then R = ½ d + e).

    Attributes:
        risk: R, the probability that one draw is wrong.
        disagreement: d, that two draws answer differently.
        joint_error: e, that both are wrong.
        different_errors: s, that both are wrong, in different ways.
    """

    risk: float
    disagreement: float
    joint_error: float
    different_errors: float


@input_errors()
def pair_risks(
    *,
    answers: ArrayLike,
    labels: ArrayLike,
    posterior: ArrayLike,
    example_weights: ArrayLike,
) -> PairRisks:
    """R, d, e and s of a posterior over finitely many models on finitely many examples.

    Args:
        answers: Of each model on each example, any values, shape (models, examples).
        labels: The right answers, shape (examples,).
        posterior: Probabilities of the models, shape (models,).
        example_weights: Probabilities of the examples, shape (examples,).

    Raises:
        InputError: Shapes that do not fit, or weights that are no probabilities.

    Reference: Germain, Habrard, Laviolette & Morvant (2013; 2016, equation 7) for two answers.

    >>> risks = pair_risks(
    ...     answers=[[0, 1], [1, 1]],
    ...     labels=[0, 1],
    ...     posterior=[0.5, 0.5],
    ...     example_weights=[0.5, 0.5],
    ... )
    >>> risks.risk, risks.disagreement, risks.joint_error, risks.different_errors
    (0.25, 0.25, 0.125, 0.0)
    """
    table, right = np.asarray(answers), np.asarray(labels)
    rho = require_weights(posterior, "posterior")
    examples = require_weights(example_weights, "example_weights")
    if table.shape != (len(rho), len(examples)) or right.shape != examples.shape:
        raise InputError(
            "`answers` must have shape (models, examples) and `labels` (examples,), got "
            f"{table.shape} and {right.shape}."
        )
    wrong = table != right
    differ = table[:, None, :] != table[None, :, :]
    both = wrong[:, None, :] & wrong[None, :, :]
    pairs = rho[:, None] * rho[None, :]

    def mean(event: np.ndarray) -> float:
        return math.fsum((np.tensordot(pairs, event, axes=2) * examples).tolist())

    return PairRisks(
        risk=math.fsum(((rho @ wrong) * examples).tolist()),
        disagreement=mean(differ),
        joint_error=mean(both),
        different_errors=mean(both & differ),
    )
