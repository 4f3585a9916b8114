"""What every family must do. A test class inherits this, and says how to make one and its dense
covariance."""

import math
from dataclasses import fields, replace

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from pacbayes.errors import InputError
from pacbayes.posteriors.density import log_density_ratio
from pacbayes.posteriors.divergence import best_factor, differentiable_kl, kl, kl_by_block
from pacbayes.posteriors.families import FAMILIES, name_of
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream, standard_normals
from pacbayes.posteriors.prior import GaussianPrior
from pacbayes.posteriors.saved import load, save
from tests.posteriors import dense

SHAPES = {"w": (3, 2), "b": (2,), "v": (2, 3)}
SIZE = 14


def normals(rows, columns, unit=0):
    """Fixed standard normals in float64, shape (rows, columns)."""
    one = Draw(key=NoiseKey(seed=7, stream=Stream.PILOT, stratum=0), number=0, unit=unit)
    return standard_normals([one], rows * columns, part=0).double().reshape(rows, columns)


def tensors(unit, scale=1.0, shapes=None):
    """Fixed tensors of the given shapes."""
    shapes = SHAPES if shapes is None else shapes
    drawn = normals(1, sum(map(math.prod, shapes.values())), unit)[0]
    parts = drawn.split([math.prod(shape) for shape in shapes.values()])
    return {k: scale * part.reshape(shapes[k]) for k, part in zip(shapes, parts, strict=True)}


def positive(unit, scale, shapes=None):
    """Fixed tensors of numbers between a half and twice `scale`."""
    return {k: scale * (t.sigmoid() + 0.5) for k, t in tensors(unit, 1.0, shapes).items()}


def numbers(scale):
    return {name: torch.tensor(scale * (i + 1) / 2) for i, name in enumerate(SHAPES)}


def rows_of(noise):
    """Noise by name as one array of shape (rows, weights)."""
    return torch.cat([part.reshape(len(part), -1) for part in noise.values()], dim=1)


def least_p_value(noise, covariance):
    """Bonferroni's p-value of `noise` being draws of N(0, covariance).

    Whitened, mean, variance of each coordinate and correlation of each pair have exact laws:
    normal, chi-squared, and normal for Σ u v / |u|.
    """
    root = np.linalg.cholesky(covariance)
    u = np.linalg.solve(root, noise.numpy().T)
    n = u.shape[1]
    means = 2 * stats.norm.sf(abs(u.sum(1)) / math.sqrt(n))
    squares = (u**2).sum(1)
    variances = 2 * np.minimum(stats.chi2.sf(squares, n), stats.chi2.cdf(squares, n))
    i, j = np.tril_indices(len(u), -1)
    pairs = 2 * stats.norm.sf(abs((u @ u.T)[i, j]) / np.sqrt(squares[i]))
    p = np.concatenate([means, variances, pairs])
    return len(p) * p.min()


class FamilyCase:
    """The suite; `make` gives a posterior over `SHAPES` in float64, `dense` its covariance."""

    correlated = False

    def make(self):
        raise NotImplementedError

    def dense(self, posterior):
        """Covariance of all weights in order, from the definition, as mpmath numbers."""
        raise NotImplementedError

    def blocks(self):
        """Names of the independent blocks."""
        return set(SHAPES)

    @pytest.fixture(params=["a scale a tensor", "a scale a weight"])
    def prior(self, request):
        scales = numbers(0.3) if request.param == "a scale a tensor" else positive(12, 0.4)
        return GaussianPrior(centre=tensors(11), scales=scales)

    @pytest.fixture
    def posterior(self):
        return self.make()

    def covariance(self, posterior):
        return self.dense(posterior).astype(float)

    def test_the_registry_has_it(self, posterior):
        assert FAMILIES[name_of(posterior)] is type(posterior)
        assert set(posterior.blocks) == self.blocks()
        assert {n for members in posterior.blocks.values() for n in members} == set(SHAPES)

    def test_noise_is_the_root_of_the_covariance(self, posterior):
        """On unit vectors the linear map shows its matrix M, and M Mᵀ is the covariance."""
        unit = torch.eye(posterior.n_normals, dtype=torch.float64)
        matrix = rows_of(posterior.noise(unit))
        found = (matrix.T @ matrix).numpy()
        np.testing.assert_allclose(found, self.covariance(posterior), rtol=1e-12, atol=1e-13)
        z = normals(5, posterior.n_normals)
        torch.testing.assert_close(rows_of(posterior.noise(z)), z @ matrix, rtol=1e-12, atol=1e-12)
        shapes = {name: tuple(part.shape) for name, part in posterior.noise(z).items()}
        assert shapes == {name: (5, *shape) for name, shape in SHAPES.items()}

    def test_moments_of_the_noise(self, posterior):
        """False alarm below 1e-6, exactly, at 3000 draws; a tenth more noise is seen."""
        noise = rows_of(posterior.noise(normals(3000, posterior.n_normals)))
        covariance = self.covariance(posterior)
        assert least_p_value(noise, covariance) > 1e-6
        assert least_p_value(1.1 * noise, covariance) < 1e-6
        if self.correlated:
            alone = normals(3000, SIZE) * torch.from_numpy(np.sqrt(np.diag(covariance)))
            assert least_p_value(alone, covariance) < 1e-6

    def test_noise_takes_the_type_of_the_normals(self, posterior):
        single = posterior.noise(normals(2, posterior.n_normals).float())
        assert {part.dtype for part in single.values()} == {torch.float32}
        with pytest.raises(InputError, match=rf"\[rows, {posterior.n_normals}\], got \[2"):
            posterior.noise(torch.zeros(2, posterior.n_normals + 1))

    def test_kl_is_that_of_the_dense_gaussian_rounded_up(self, posterior, prior):
        with mpmath.workdps(dense.DIGITS):
            exact = dense.kl(posterior.means, self.dense(posterior), prior)
            found = kl(posterior, prior)
            assert exact <= found <= exact * (1 + mpmath.mpf("1e-11"))
        parts = kl_by_block(posterior, prior)
        assert set(parts) == self.blocks()
        assert min(parts.values()) >= 0
        assert math.fsum(parts.values()) == pytest.approx(found, rel=1e-15)
        assert differentiable_kl(posterior, prior).item() == pytest.approx(found, rel=1e-11)

    @pytest.mark.parametrize("closeness", [1e-2, 1e-5, 1e-8])
    def test_kl_near_zero(self, posterior, closeness):
        """P has Q's marginals up to a hair; only the correlation keeps the KL from vanishing."""
        with mpmath.workdps(dense.DIGITS):
            covariance = self.dense(posterior)
            spread = np.sqrt(np.diag(covariance).astype(float)) * (1 + closeness)
            parts = torch.from_numpy(spread).split(list(posterior.sizes.values()))
            scales = {k: p.reshape(SHAPES[k]) for k, p in zip(SHAPES, parts, strict=True)}
            prior = GaussianPrior(centre=posterior.means, scales=scales)
            exact = dense.kl(posterior.means, covariance, prior)
            found = kl(posterior, prior)
            # in a correlated family the variances are sums, good to 1e-14
            slack = mpmath.mpf("1e-11") + (mpmath.mpf("1e-12") / closeness) * self.correlated
            assert 0 <= exact <= found <= exact * (1 + slack)

    def test_marginals_alone_are_less(self, posterior, prior):
        """The twin that leaves the correlation out falls below the truth."""
        if not self.correlated:
            assert all(posterior.correlation_upper(b) == 0 for b in posterior.blocks)
            return
        truth = dense.kl(posterior.means, self.dense(posterior), prior)
        without = truth - sum(posterior.correlation_upper(b) for b in posterior.blocks) / 2
        assert without < 0.999 * truth

    def test_the_best_prior_scale(self, posterior, prior):
        best = best_factor(posterior, prior)
        at_best = kl(posterior, prior.scaled(best))
        assert at_best < min(kl(posterior, prior.scaled(best * f)) for f in (0.999, 1.001))
        with mpmath.workdps(dense.DIGITS):
            shift = dense.flat(posterior.means) - dense.flat(prior.centre)
            moments = np.diag(self.dense(posterior)) + shift**2
            exact = mpmath.sqrt(sum(moments / dense.prior_scales(prior) ** 2) / SIZE)
        assert best == pytest.approx(float(exact), rel=1e-12)

    def test_scaled(self, posterior):
        doubled = posterior.scaled(2.0)
        assert type(doubled) is type(posterior)
        np.testing.assert_allclose(
            self.covariance(doubled), 4 * self.covariance(posterior), rtol=1e-14
        )
        z = normals(3, posterior.n_normals)
        assert torch.equal(rows_of(doubled.noise(z)), 2 * rows_of(posterior.noise(z)))
        for factor in (0.0, -1.0, math.inf, math.nan):
            with pytest.raises(InputError, match="`factor` must be positive and finite"):
                posterior.scaled(factor)

    def test_gradients(self, posterior, prior):
        """To means, logarithms of scales and factors: of the KL and of the noise."""
        leaves, rebuild = _leaves(posterior)
        z = normals(2, posterior.n_normals)
        weights = normals(2, SIZE, unit=3)

        def both(*values):
            made = rebuild(values)
            return differentiable_kl(made, prior), (rows_of(made.noise(z)) * weights).sum()

        assert torch.autograd.gradcheck(both, leaves)

    def test_log_density_ratio_is_the_dense_one_rounded_up(self, posterior, prior):
        for row in range(3):
            noise = posterior.noise(normals(3, posterior.n_normals))
            weights = {k: posterior.means[k] + part[row] for k, part in noise.items()}
            with mpmath.workdps(dense.DIGITS):
                exact = dense.log_ratio(weights, posterior.means, self.dense(posterior), prior)
                found = log_density_ratio(posterior, prior, weights)
                assert exact <= found <= exact + mpmath.mpf("1e-9")

    def test_mean_log_density_ratio_is_the_kl(self, posterior, prior):
        """100 draws; the mean is within 5 standard errors, false alarm 1e-6 by normal limits."""
        n = 100
        noise = posterior.noise(normals(n, posterior.n_normals))
        values = [
            log_density_ratio(
                posterior, prior, {k: posterior.means[k] + part[i] for k, part in noise.items()}
            )
            for i in range(n)
        ]
        scales = dense.prior_scales(prior).astype(float)
        shift = (dense.flat(posterior.means) - dense.flat(prior.centre)).astype(float) / scales
        relative = self.covariance(posterior) / np.outer(scales, scales)
        # the logarithm is a quadratic form in a Gaussian: its variance is known
        variance = 0.5 * np.sum((relative - np.eye(SIZE)) ** 2) + shift @ relative @ shift
        error = 5 * math.sqrt(variance / n)
        truth = kl(posterior, prior)
        assert abs(np.mean(values) - truth) < error < truth  # less than the KL: it tells them apart

    def test_single_precision_weights(self, posterior, prior):
        """Weights in float32 are those numbers exactly: sums are in float64."""
        leaves, rebuild = _stored(posterior)
        single = rebuild([leaf.float() for leaf in leaves])
        with mpmath.workdps(dense.DIGITS):
            exact = dense.kl(single.means, self.dense(single), prior)
            assert exact <= kl(single, prior) <= exact * (1 + mpmath.mpf("1e-11"))

    def test_saved_and_loaded_bit_for_bit(self, posterior, prior, tmp_path):
        leaves, rebuild = _stored(posterior)
        types = [torch.float64, torch.float32, torch.bfloat16]
        mixed = rebuild([leaf.to(types[i % 3]) for i, leaf in enumerate(leaves)])
        for made in (posterior, mixed):
            save(made, tmp_path / "q.safetensors")
            back = load(tmp_path / "q.safetensors")
            assert type(back) is type(made)
            for ours, theirs in zip(_stored(made)[0], _stored(back)[0], strict=True):
                assert ours.dtype == theirs.dtype
                assert torch.equal(ours, theirs)
            assert list(back.means) == list(made.means)
            assert back.blocks == made.blocks
            assert kl(back, prior) == kl(made, prior)
        assert [p.name for p in tmp_path.iterdir()] == ["q.safetensors"]

    def test_a_prior_over_other_tensors_is_refused(self, posterior):
        centre = tensors(11)
        other = GaussianPrior(centre={"w": centre["w"]}, scales={"w": torch.tensor(1.0)})
        with pytest.raises(InputError, match="`prior`: 'b' is missing"):
            kl(posterior, other)
        turned = centre | {"w": centre["w"].T}
        with pytest.raises(InputError, match=r"`prior`: 'w' must have the shape \[3, 2\]"):
            kl(posterior, GaussianPrior(centre=turned, scales=numbers(1.0)))

    def test_weights_that_are_not_numbers_are_refused(self, posterior, prior):
        broken = replace(posterior, means=posterior.means | {"b": torch.tensor([1.0, math.nan])})
        with pytest.raises(InputError, match=r"the KL of '\w+' is nan"):
            kl(broken, prior)
        with pytest.raises(InputError, match="ln dQ/dP is nan"):
            log_density_ratio(posterior, prior, broken.means)


def _stored(posterior):
    """All tensors of a posterior, and how to make one like it of others."""
    places = []
    for field in fields(posterior):
        value = getattr(posterior, field.name)
        if isinstance(value, torch.Tensor):
            places.append((field.name, None))
        elif field.name != "groups":
            places += [(field.name, name) for name in value]

    def take(field, name):
        value = getattr(posterior, field)
        return value if name is None else value[name]

    def rebuild(values):
        changes = {}
        for (field, name), value in zip(places, values, strict=True):
            if name is None:
                changes[field] = value
            else:
                changes.setdefault(field, {})[name] = value
        return replace(posterior, **changes)

    return [take(*place) for place in places], rebuild


def _leaves(posterior):
    """As `_stored`, with scales on a logarithmic scale, as training has them."""
    values, rebuild = _stored(posterior)
    names = [f.name for f in fields(posterior) for _ in range(_count(getattr(posterior, f.name)))]
    is_scale = [name in ("scale", "scales") for name in names if name != "groups"]
    leaves = [
        (v.double().log() if scale else v.double()).clone().requires_grad_()
        for v, scale in zip(values, is_scale, strict=True)
    ]

    def from_logarithms(given):
        return rebuild([v.exp() if s else v for v, s in zip(given, is_scale, strict=True)])

    return leaves, from_logarithms


def _count(value):
    return 1 if isinstance(value, torch.Tensor) else len(value)
