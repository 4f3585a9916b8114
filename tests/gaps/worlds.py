"""Finite worlds in which every risk is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacbayes.gaps import PairRisks, pair_risks


@dataclass(frozen=True)
class World:
    """Strata with shared conditionals, and a posterior over a few models."""

    train: np.ndarray
    target: np.ndarray
    of_train: PairRisks
    of_target: PairRisks
    risks: np.ndarray
    """R_k of each stratum."""

    @property
    def gap(self) -> float:
        return self.of_target.risk - self.of_train.risk


def world(seed: int, *, answers: int = 2, uncovered: bool = False) -> World:
    rng = np.random.default_rng(seed)
    strata, models, each = int(rng.integers(2, 6)), int(rng.integers(1, 5)), 3
    train, target = rng.dirichlet(np.ones(strata)), rng.dirichlet(np.ones(strata) / 2)
    if uncovered:
        train[0] = 0
        train /= train.sum()
    inside = rng.dirichlet(np.ones(each), size=strata)
    table = rng.integers(answers, size=(models, strata * each))
    labels = rng.integers(answers, size=strata * each)
    posterior = rng.dirichlet(np.ones(models))

    def risks(weights: np.ndarray) -> PairRisks:
        return pair_risks(
            answers=table,
            labels=labels,
            posterior=posterior,
            example_weights=(weights[:, None] * inside).ravel(),
        )

    return World(
        train=train,
        target=target,
        of_train=risks(train),
        of_target=risks(target),
        risks=np.array([risks(row).risk for row in np.eye(strata)]),
    )
