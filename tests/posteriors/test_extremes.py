"""Dependent families at scales and condition numbers far from any training: never below the truth.

Without the error that a factor's condition number makes, a third of a percent of the density
ratios of Kronecker posteriors were too small.
"""

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.errors import InputError
from pacbayes.posteriors.density import log_density_ratio
from pacbayes.posteriors.divergence import kl
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.prior import GaussianPrior
from tests.posteriors import dense
from tests.posteriors.dense import exact

SHAPE = (2, 3)
powers = st.floats(-6, 3)
seeds = st.integers(0, 2**31)


def check(posterior, covariance, closeness, generator):
    """Against a prior near the marginals, and one far from them."""
    mean = posterior.means["w"]
    spread = torch.from_numpy(np.sqrt(np.diag(covariance).astype(float))).reshape(SHAPE)
    noise = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    normals = torch.randn(1, posterior.n_normals, generator=generator, dtype=torch.float64)
    weights = {"w": mean + posterior.noise(normals)["w"][0]}
    for scale in (spread * (1 + closeness * noise.abs()), spread.mean()):
        prior = GaussianPrior(centre={"w": mean + noise * closeness}, scales={"w": scale})
        with mpmath.workdps(120):
            truth = dense.kl(posterior.means, covariance, prior)
            assert 0 <= truth <= kl(posterior, prior)
            ratio = dense.log_ratio(weights, posterior.means, covariance, prior)
            assert ratio <= log_density_ratio(posterior, prior, weights)


@settings(max_examples=40, deadline=None)
@given(seeds, powers, powers, st.floats(-13, 0), st.booleans())
def test_low_rank(seed, scale, factor, closeness, parallel):
    generator = torch.Generator().manual_seed(seed)
    w, spread, one, two = torch.randn(4, *SHAPE, generator=generator, dtype=torch.float64)
    if parallel:
        two = one * (1 + 1e-9 * two)
    posterior = LowRank(
        means={"w": w},
        groups={"g": ("w",)},
        scales={"w": 10**scale * spread.exp()},
        factors={"w": 10**factor * torch.stack([one, two])},
    )
    with mpmath.workdps(120):
        u = exact(posterior.factors["w"]).reshape(2, -1)
        covariance = np.diag(exact(posterior.scales["w"]).reshape(-1) ** 2) + u.T @ u
    check(posterior, covariance, 10**closeness, generator)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0, 12), powers, st.floats(-13, 0))
def test_kronecker(seed, condition, scale, closeness):
    generator = torch.Generator().manual_seed(seed)

    def factor(size):
        left, roots, right = torch.linalg.svd(
            torch.randn(size, size, generator=generator, dtype=torch.float64)
        )
        roots = torch.logspace(0, -condition, size, dtype=torch.float64)
        return 10 ** (scale / 2) * left @ torch.diag(roots) @ right

    posterior = Kronecker(
        means={"w": torch.randn(SHAPE, generator=generator, dtype=torch.float64)},
        rows={"w": factor(2)},
        columns={"w": factor(3)},
        scales={},
    )
    with mpmath.workdps(120):
        a, b = exact(posterior.rows["w"]), exact(posterior.columns["w"])
        covariance = np.kron(a @ a.T, b @ b.T)
    check(posterior, covariance, 10**closeness, generator)


def test_a_density_of_a_singular_factor_is_refused():
    nearly = torch.tensor([[1.0, 1.0], [1.0, 1.0 + 2**-52]], dtype=torch.float64)
    mean = {"w": torch.zeros(2, 2)}
    posterior = Kronecker(means=mean, rows={"w": nearly}, columns={"w": torch.eye(2)}, scales={})
    with pytest.raises(InputError, match="`rows`: 'w' is singular to working precision"):
        posterior.mahalanobis({"w": torch.ones(2, 2)}, "w")
