"""Grids made by hand: exact risks of arms, and runs that scatter around them."""

from types import SimpleNamespace

import numpy as np

from benchmarks.empirics.grid import Grid


def hand_made_grid(risk, *, seeds=3, scatter=0.0, rng=None, mixtures=(), n_target=1000.0):
    """A grid of risks of shape (arms, budgets): single strata, then mixtures.

    The two files give two independent measurements of the same runs.
    """
    rng = rng or np.random.default_rng(0)
    risk = np.asarray(risk, dtype=np.float64)
    shape = (*risk.shape, seeds)
    d = len(risk) - len(mixtures)
    runs = risk[..., None] + scatter * rng.standard_normal(shape)
    target, tested = (runs + scatter * rng.standard_normal(shape) for _ in range(2))
    return Grid(
        strata=tuple(f"s{k}" for k in range(d)),
        difficulties=np.arange(d, dtype=np.float64),
        mixtures=tuple(mixtures),
        budgets=tuple(100 * 2**i for i in range(risk.shape[1])),
        left_out=(),
        seeds=tuple(range(seeds)),
        target=target,
        tested=tested,
        n_target=n_target,
        slices=np.repeat(target[..., None], d, axis=-1),
        n_slices=np.full(d, n_target),
        log_kl=np.log(10 + 0 * target),
    )


def choices(**places):
    """Choices of `excesses`, which looks at nothing else."""
    return SimpleNamespace(places={way: np.asarray(place) for way, place in places.items()})
