"""Each family through the suite of `conformance`, and what is its own."""

import math

import numpy as np
import pytest
import torch

from pacbayes.certificate import TensorGroup
from pacbayes.errors import InputError
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.divergence import kl, kl_by_block
from pacbayes.posteriors.families import lookup
from pacbayes.posteriors.gaussian import kl_divergence
from pacbayes.posteriors.groups import match_groups
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.prior import GaussianPrior
from tests.posteriors.conformance import SHAPES, FamilyCase, normals, numbers, positive, tensors
from tests.posteriors.dense import exact

GROUPS = {"matrices": ("w", "v"), "vectors": ("b",)}


def spread(scales):
    """Diagonal covariance of scales by tensor."""
    parts = [np.broadcast_to(exact(scales[k]), shape).reshape(-1) for k, shape in SHAPES.items()]
    return np.diag(np.concatenate(parts) ** 2)


class TestIsotropic(FamilyCase):
    def make(self):
        return Isotropic(means=tensors(1), scale=torch.tensor(0.3, dtype=torch.float64))

    def dense(self, posterior):
        return spread(dict.fromkeys(SHAPES, posterior.scale))


class TestPerGroup(FamilyCase):
    def make(self):
        scales = {"matrices": torch.tensor(0.2), "vectors": torch.tensor(0.5, dtype=torch.float64)}
        return PerGroup(means=tensors(1), groups=GROUPS, scales=scales)

    def dense(self, posterior):
        of = {"w": "matrices", "v": "matrices", "b": "vectors"}
        return spread({name: posterior.scales[group] for name, group in of.items()})


class TestDiagonal(FamilyCase):
    def make(self):
        return Diagonal(means=tensors(1), scales=positive(2, 0.3))

    def dense(self, posterior):
        return spread(posterior.scales)


class TestLowRank(FamilyCase):
    correlated = True

    def make(self):
        ranks = {"w": 2, "v": 2, "b": 1}
        shapes = {name: (ranks[name], *shape) for name, shape in SHAPES.items()}
        scales = positive(2, 0.3) | {"v": torch.tensor(0.2, dtype=torch.float64)}
        factors = tensors(3, 0.3, shapes)
        return LowRank(means=tensors(1), groups=GROUPS, scales=scales, factors=factors)

    def blocks(self):
        return set(GROUPS)

    def dense(self, posterior):
        w, b, v = (exact(posterior.factors[n]).reshape(-1, np.prod(SHAPES[n])) for n in SHAPES)
        zero = np.zeros((2, 2), dtype=object)
        first = np.concatenate([w, zero, v], axis=1)
        zero = np.zeros((1, 6), dtype=object)
        second = np.concatenate([zero, b, zero], axis=1)
        return spread(posterior.scales) + first.T @ first + second.T @ second


class TestFaintLowRank(TestLowRank):
    """Directions so faint that ln(1 + t) and ln(1 + λ) cancel."""

    def make(self):
        made = super().make()
        return LowRank(
            means=made.means,
            groups=GROUPS,
            scales=made.scales,
            factors={k: 1e-2 * f for k, f in made.factors.items()},
        )

    def test_marginals_alone_are_less(self):
        """Not here."""

    def test_moments_of_the_noise(self):
        """Correlations too small to be seen."""


class TestStrongLowRank(TestLowRank):
    """Directions a thousand times the diagonal, as λ − ln(1 + λ) would lose."""

    def make(self):
        made = super().make()
        scales = {k: 1e-3 * s for k, s in made.scales.items()}
        return LowRank(means=made.means, groups=GROUPS, scales=scales, factors=made.factors)

    def test_noise_is_the_root_of_the_covariance(self, posterior):
        unit = torch.eye(posterior.n_normals, dtype=torch.float64)
        rows = torch.cat([p.reshape(len(p), -1) for p in posterior.noise(unit).values()], dim=1)
        found = (rows.T @ rows).numpy()
        np.testing.assert_allclose(found, self.covariance(posterior), rtol=1e-12, atol=1e-14)


class TestKronecker(FamilyCase):
    correlated = True

    def make(self):
        rows = {"w": (3, 3), "v": (2, 2)}
        columns = {"w": (2, 2), "v": (3, 3)}
        return Kronecker(
            means=tensors(1),
            rows=tensors(4, 0.5, rows),
            columns=tensors(5, 0.5, columns),
            scales={"b": torch.tensor(0.4, dtype=torch.float64)},
        )

    def dense(self, posterior):
        def block(name):
            if name in posterior.scales:
                return spread(numbers(1.0) | {name: posterior.scales[name]})[6:8, 6:8]
            a, b = exact(posterior.rows[name]), exact(posterior.columns[name])
            return np.kron(a @ a.T, b @ b.T)

        whole = np.zeros((14, 14), dtype=object)
        start = 0
        for name, shape in SHAPES.items():
            end = start + math.prod(shape)
            whole[start:end, start:end] = block(name)
            start = end
        return whole


class TestTriangularKronecker(TestKronecker):
    """Cholesky factors, and a matrix with a scale for each weight."""

    def make(self):
        made = super().make()
        scales = {"b": torch.tensor([0.4, 0.6]), "w": positive(6, 0.3)["w"]}
        rows = {"v": made.rows["v"].tril()}
        columns = {"v": made.columns["v"].tril()}
        return Kronecker(means=made.means, rows=rows, columns=columns, scales=scales)

    def dense(self, posterior):
        whole = spread(numbers(1.0) | posterior.scales)
        a, b = exact(posterior.rows["v"]), exact(posterior.columns["v"])
        whole[8:, 8:] = np.kron(a @ a.T, b @ b.T)
        return whole


@pytest.mark.parametrize(
    "made",
    [
        lambda means, s: Isotropic(means=means, scale=s["w"]),
        lambda means, s: PerGroup(means=means, groups={k: (k,) for k in s}, scales=s),
        lambda means, s: Diagonal(means=means, scales={k: s[k].expand(SHAPES[k]) for k in s}),
        lambda means, s: LowRank(
            means=means,
            groups=GROUPS,
            scales=s,
            factors={k: torch.zeros(2, *shape) for k, shape in SHAPES.items()},
        ),
        lambda means, s: Kronecker(means=means, rows={}, columns={}, scales=s),
    ],
)
def test_kl_of_the_prior_itself_is_zero(made):
    means, scales = tensors(1), numbers(0.3)
    posterior = made(means, scales)
    if isinstance(posterior, Isotropic):
        scales = dict.fromkeys(SHAPES, scales["w"])
    assert kl(posterior, GaussianPrior(centre=means, scales=scales)) == 0.0


def test_kl_of_a_kronecker_prior_itself_is_zero_up_to_rounding():
    means, half = tensors(1), torch.tensor(0.5)
    eye = {"w": torch.eye(3), "v": torch.eye(2)}, {"w": torch.eye(2), "v": torch.eye(3)}
    made = Kronecker(means=means, rows=eye[0], columns=eye[1], scales={"b": half}).scaled(0.5)
    prior = GaussianPrior(centre=means, scales={"w": half, "v": half, "b": half / 2})
    assert 0 <= kl(made, prior) < 1e-24


def test_a_group_for_each_tensor_is_the_gaussian_of_the_certificate():
    """The summary that certificates hold, to the last bit, and the same noise."""
    means, prior = tensors(1), GaussianPrior(centre=tensors(11), scales=numbers(0.3))
    made = PerGroup(means=means, groups={k: (k,) for k in means}, scales=numbers(0.2))
    groups = [
        TensorGroup(
            name=name,
            size=mean.numel(),
            sigma_prior=float(prior.scales[name]),
            sigma_posterior=float(made.scales[name]),
            distance_squared=float((mean - prior.centre[name]).square().sum()),
        )
        for name, mean in means.items()
    ]
    assert kl(made, prior) == pytest.approx(kl_divergence(groups), rel=1e-14)
    assert list(kl_by_block(made, prior)) == [group.name for group in groups]

    sigma = torch.tensor(0.37, dtype=torch.float64)
    drawn = Isotropic(means={"w": means["w"]}, scale=sigma).noise(normals(4, 6))
    assert torch.equal(drawn["w"], 0.37 * normals(4, 6).reshape(4, *means["w"].shape))


def test_groups_by_patterns():
    names = ["0.q.lora_A", "0.q.lora_B", "1.q.lora_A", "1.q.lora_B"]
    found = match_groups(names, {"out": "*.lora_B", "in": ("0.*_A", "1.*_A")})
    assert found == {"out": tuple(names[1::2]), "in": tuple(names[0::2])}
    with pytest.raises(InputError, match=r"the tensor '1\.q.lora_A' is in no group"):
        match_groups(names, {"out": "*.lora_B", "in": "0.*_A"})
    with pytest.raises(InputError, match=r"'0\.q\.lora_B' is in several groups: out, first"):
        match_groups(names, {"out": "*.lora_B", "first": "0.*", "in": "1.*_A"})
    with pytest.raises(InputError, match="the group 'up' matches no tensor"):
        match_groups(names, {"all": "*", "up": "*.up_proj.*"})


def test_an_unknown_family_lists_the_others():
    assert lookup("low-rank") is LowRank
    with pytest.raises(InputError, match=r"Did you mean kronecker\? There are: isotropic, per-"):
        lookup("kroneker")
    with pytest.raises(InputError, match=r"named `swag`\. There are: isotropic"):
        lookup("swag")


SCALE = torch.tensor(0.1)
MEANS = tensors(1)
ZEROS = {name: torch.zeros(2, *shape) for name, shape in SHAPES.items()}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Isotropic(means={}, scale=SCALE), "`means` must name at least one tensor"),
        (
            lambda: Isotropic(means={"w": torch.ones(2, dtype=torch.long)}, scale=SCALE),
            "'w' must be of floating point",
        ),
        (lambda: Isotropic(means={"w": torch.ones(0)}, scale=SCALE), "'w' must not be empty"),
        (lambda: Isotropic(means=MEANS, scale=-SCALE), "`scale` must be positive, got -0.1"),
        (lambda: Isotropic(means=MEANS, scale=0 * SCALE), "a scale of 0 makes the KL infinite"),
        (lambda: Isotropic(means=MEANS, scale=SCALE / 0), "`scale` must be finite"),
        (
            lambda: Isotropic(means=MEANS, scale=SCALE.expand(2)),
            r"`scale` must have the shape \[\], got \[2\]",
        ),
        (
            lambda: PerGroup(means=MEANS, groups={"g": ("w", "b")}, scales={"g": SCALE}),
            "the tensor 'v' is in no group",
        ),
        (
            lambda: PerGroup(means=MEANS, groups={"g": ("w", "b", "v", "x")}, scales={"g": SCALE}),
            "a group names 'x'",
        ),
        (
            lambda: PerGroup(
                means=MEANS, groups=GROUPS | {"h": ("v",)}, scales=dict.fromkeys("gh", SCALE)
            ),
            "'v' is in several groups: matrices, h",
        ),
        (
            lambda: PerGroup(means=MEANS, groups=GROUPS | {"none": ()}, scales={"g": SCALE}),
            "the group 'none' is empty",
        ),
        (
            lambda: PerGroup(means=MEANS, groups=GROUPS, scales={"matrices": SCALE}),
            "`scales`: 'vectors' is missing",
        ),
        (lambda: Diagonal(means=MEANS, scales={}), "`scales`: 'b' is missing"),
        (
            lambda: Diagonal(means=MEANS, scales=numbers(1.0)),
            r"`scales`: 'w' must have the shape \[3, 2\], got \[\]",
        ),
        (
            lambda: LowRank(
                means=MEANS,
                groups=GROUPS,
                scales=numbers(1.0),
                factors=ZEROS | {"v": torch.zeros(1, 2, 3)},
            ),
            r"`factors`: 'v' must have the shape \[2, 2, 3\]",
        ),
        (
            lambda: LowRank(
                means=MEANS,
                groups=GROUPS,
                scales=numbers(1.0),
                factors=ZEROS | {"b": torch.zeros(0, 2)},
            ),
            "the group 'vectors' has factors of rank 0",
        ),
        (
            lambda: LowRank(
                means=MEANS,
                groups=GROUPS,
                scales=numbers(1.0),
                factors=ZEROS | {"b": torch.full((1, 2), math.nan)},
            ),
            "`factors`: 'b' must be finite",
        ),
        (
            lambda: Kronecker(
                means=MEANS, rows={"b": SCALE}, columns={"b": SCALE}, scales=numbers(1.0)
            ),
            "`scales`: 'b' is unknown",
        ),
        (
            lambda: Kronecker(
                means={"b": MEANS["b"]}, rows={"b": SCALE}, columns={"b": SCALE}, scales={}
            ),
            r"`rows`: 'b' is no matrix, its shape is \[2\]; give it a scale",
        ),
        (
            lambda: Kronecker(
                means={"w": MEANS["w"]},
                rows={"w": torch.eye(2)},
                columns={"w": torch.eye(3)},
                scales={},
            ),
            r"`rows`: 'w' must have the shape \[3, 3\], got \[2, 2\]",
        ),
        (
            lambda: GaussianPrior(centre=MEANS, scales=numbers(-1.0)),
            "`scales`: 'w' must be positive, got -0.5",
        ),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_singular_factor_is_refused():
    """Its density does not exist, and its KL is infinite."""
    rows = torch.ones(3, 3, dtype=torch.float64)
    made = Kronecker(
        means={"w": MEANS["w"]}, rows={"w": rows}, columns={"w": torch.eye(2)}, scales={}
    )
    prior = GaussianPrior(centre=made.means, scales={"w": SCALE})
    with pytest.raises(InputError, match="`rows`: 'w' is singular to working precision"):
        kl(made, prior)
