"""Optimising a posterior: it helps, goes on to the same bits, and never sees certifying noise."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

import pacbayes.optimize
from pacbayes.certificate import Certificate
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.losses import LOSSES
from pacbayes.mini_batches import MiniBatch, chosen
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.models.posterior_file import with_posterior, write_posterior
from pacbayes.optimize import Plan, improve, optimize
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.noise import Draw, Stream
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.prior_scale import GRID, Grid
from pacbayes.posteriors.saved import save
from pacbayes.risk import Scorer
from pacbayes.scale_gradients import ScaleGradients
from pacbayes.settings import Settings
from pacbayes.weight_perturbation import Pilot, Search, choose_posterior, with_best_prior

PRIORS = {"adapter": "initial", "free": "initial", "full": "base"}


def opened(checkpoints, kind, **options):
    prior = checkpoints / PRIORS[kind]
    return open_fine_tuned(OpenOptions(checkpoint=checkpoints / kind, prior=prior, **options))


def start(
    checkpoints,
    problem_file,
    kind,
    *,
    n=1000,
    losses=("nll",),
    grid=GRID,
    family="per-tensor",
    **options,
):
    """A search, its strata and flat scales to start from; n is larger than the sample, so that
    bounds are not vacuous."""
    model = opened(checkpoints, kind, **options)
    (part,) = read_sample([problem_file]).strata
    units = part.encode(model.tokenizer, max_length=model.context)
    scorer = Scorer(model=model, losses=tuple(LOSSES[name] for name in losses), block=8)
    strata = [Pilot(units=units, n=n, delta=0.05, stratum=0)]
    scales = with_best_prior(model, dict.fromkeys(model.sizes, 0.02), "flat", grid)
    search = Search(scorer=scorer, pilots=strata, seed=0, grid=grid, family=family)
    return search, strata, scales


def plan(folder, **changes):
    return Plan(
        **({"steps": 12, "seed": 0, "folder": folder, "save_every": 5, "rate": 0.1} | changes)
    )


FAMILIES = ["per-tensor", "diagonal"]


@pytest.mark.parametrize(
    ("kind", "family"), [*itertools.product(["adapter", "full"], FAMILIES), ("free", FAMILIES[0])]
)
def test_the_bound_falls(checkpoints, problem_file, tmp_path, kind, family):
    search, strata, scales = start(checkpoints, problem_file, kind, family=family)
    before = search.score(scales)
    model, better = improve(search, strata, scales, plan(tmp_path, steps=25))
    assert model.posterior.path == str(tmp_path / "posterior.safetensors")
    assert better.rule == "optimised, 25 steps"
    after = search.score(better)
    assert after[0] < before[0] - 0.02
    # the scales' distances are those of the model as it is now
    again = with_best_prior(model, better.noise, "")
    assert again.kl == better.kl
    anisotropy = sum(group.anisotropy for group in better.groups)
    assert (anisotropy > 0) == (family == "diagonal")


def test_a_worse_posterior_is_thrown_away(checkpoints, problem_file, tmp_path):
    search, strata, _ = start(checkpoints, problem_file, "adapter")
    start_model, scales = choose_posterior(search)
    before = {name: t.detach().clone() for name, t in start_model.noise.tensors.items()}
    reckless = plan(tmp_path, rate=30.0)
    model, kept = improve(search, strata, scales, reckless)
    assert kept == scales
    assert model.posterior == start_model.posterior
    assert not (tmp_path / "posterior.safetensors").exists()
    for name, tensor in model.noise.tensors.items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize(
    ("kind", "family"), [("free", "per-tensor"), ("free", "diagonal"), ("full", "per-tensor")]
)
def test_a_killed_run_goes_on_to_the_same_bits(checkpoints, problem_file, tmp_path, kind, family):
    search, strata, scales = start(checkpoints, problem_file, kind, family=family)
    means, sigmas = optimize(search, strata, scales, plan(tmp_path / "whole"))

    def killed(after):
        seen = []

        def tick(_examples, _note):
            seen.append(1)
            if len(seen) == after:
                raise KeyboardInterrupt

        return tick

    for after in (7, 4):  # stops in steps 7 and 9, with states of steps 5 and 5
        with pytest.raises(KeyboardInterrupt):
            optimize(search, strata, scales, plan(tmp_path / "parts"), killed(after))
    seen = []
    resumed, scales_again = optimize(
        search, strata, scales, plan(tmp_path / "parts"), lambda *_: seen.append(1)
    )
    assert len(seen) == 7
    assert scales_again.keys() == sigmas.keys()
    assert all(torch.equal(*map(torch.as_tensor, (scales_again[k], sigmas[k]))) for k in sigmas)
    assert all(torch.equal(resumed[name], means[name]) for name in means)
    # another seed is another run, not a continuation
    other, _ = optimize(search, strata, scales, plan(tmp_path / "parts", seed=1))
    assert not all(torch.equal(other[name], means[name]) for name in means)


@pytest.mark.parametrize(
    ("kind", "mode", "family"),
    [
        ("free", "auto", "per-tensor"),
        ("free", "auto", "diagonal"),
        ("full", "auto", "per-tensor"),
        ("full", "block", "per-tensor"),
        ("full", "block", "diagonal"),
    ],
)
def test_the_gradient_is_that_of_the_bound(checkpoints, problem_file, tmp_path, kind, mode, family):
    """Central differences in float64 along a random direction of means and log-scales."""
    options = {"dtype": "float64", "draw_mode": mode, "family": family}
    search, strata, scales = start(checkpoints, problem_file, kind, **options)
    run = pacbayes.optimize._Run(search, strata, scales, plan(tmp_path))
    batch = MiniBatch.drawn(strata, 6, 0, 0)
    leaves = [*run.means.values(), run._log_sigmas]
    run._risks.fill_(float("nan"))
    run._bound(run._surrogate_risks(batch), run._posterior.kl()).backward(inputs=leaves)
    generator = torch.Generator().manual_seed(0)
    ways = [torch.randn(x.shape, generator=generator, dtype=x.dtype) for x in leaves]
    expected = sum(float((x.grad * way).sum()) for x, way in zip(leaves, ways, strict=True))

    def moved(step):
        with torch.no_grad():
            for leaf, way in zip(leaves, ways, strict=True):
                leaf += step * way
            run._risks.fill_(float("nan"))
            value = run._bound(run._surrogate_risks(batch), run._posterior.kl()).item()
            for leaf, way in zip(leaves, ways, strict=True):
                leaf -= step * way
        return value

    # adapters are kept in float32, where a loss is off by about 1e-7
    step = 1e-3 if kind == "free" else 1e-5
    slope = (moved(step) - moved(-step)) / (2 * step)
    assert slope == pytest.approx(expected, rel=2e-3)


def test_the_closed_form_kl_is_least_over_prior_scales(checkpoints, problem_file, tmp_path):
    search, strata, scales = start(checkpoints, problem_file, "free")
    run = pacbayes.optimize._Run(search, strata, scales, plan(tmp_path))
    kl = run._posterior.kl().item()
    total = {}
    for factor in (0.999, 1.0, 1.001):
        model = search.scorer.model
        energy = sum(
            (model.sizes[k] * s**2 + model.distances_squared[k]) / model.relative_scales[k] ** 2
            for k, s in scales.sigmas.items()
        )
        prior = factor * np.sqrt(energy / sum(model.sizes.values()))
        total[factor] = 0.0
        for name, sigma in scales.sigmas.items():
            scale = prior * model.relative_scales[name]
            ratio = (sigma / scale) ** 2
            total[factor] += 0.5 * model.sizes[name] * (ratio - 1 - np.log(ratio))
            total[factor] += 0.5 * model.distances_squared[name] / scale**2
    assert kl == pytest.approx(total[1.0], rel=1e-6)
    assert kl < min(total[0.999], total[1.001])
    assert kl <= scales.kl  # the grid's scale is at best this one


def test_the_kl_of_scales_for_weights_is_the_certified_one(checkpoints, problem_file, tmp_path):
    search, strata, scales = start(checkpoints, problem_file, "free", family="diagonal")
    model = search.scorer.model
    generator = torch.Generator().manual_seed(0)
    noise = {
        name: 0.02 * torch.randn(tensor.shape, generator=generator).exp()
        for name, tensor in model.noise.tensors.items()
    }
    found = with_best_prior(model, noise, "")
    run = pacbayes.optimize._Run(search, strata, found, plan(tmp_path))
    kl = run._posterior.kl().item()
    assert kl <= found.kl * (1 + 1e-6)
    assert kl == pytest.approx(found.kl, rel=1e-3)
    assert found.kl > scales.kl + 500  # a spread of e is dear
    assert all(torch.allclose(run.noise[name], noise[name], rtol=1e-6) for name in noise)


def test_the_gradient_of_scales_is_spread_by_curvature():
    """Its sum over each tensor is that of plain backward; in a quadratic loss it has less noise."""
    means = {"a": torch.zeros(3, requires_grad=True), "b": torch.zeros(2, requires_grad=True)}
    logs = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    curvature = torch.tensor([4.0, 1.0, 0.0, 9.0, 0.0])
    gradients = ScaleGradients(means, logs)
    found, plain = [], []
    generator = torch.Generator().manual_seed(0)
    for _ in range(400):
        noise = torch.randn(5, generator=generator)
        weights = torch.cat([*means.values()]) + logs.exp() * noise
        risks = 0.5 * (curvature * weights.square()).sum(0, keepdim=True)
        kl = 0.5 * (sum(mean.square().sum() for mean in means.values()) - logs.sum())
        bound = 2 * risks.sum() + 3 * kl
        (expected,) = torch.autograd.grad(bound, [logs], retain_graph=True)
        gradients.backward(bound, risks, kl)
        for part in (slice(0, 3), slice(3, 5)):
            assert logs.grad[part].sum().item() == pytest.approx(expected[part].sum().item())
        assert torch.equal(means["b"].grad[1:], torch.zeros(1))
        found.append(logs.grad + 1.5)
        plain.append(expected + 1.5)
    found, plain = torch.stack(found[100:]), torch.stack(plain[100:])
    assert bool((found[:, [2, 4]] == 0).all())
    # squared gradients know the largest curvatures as such; 300 draws of a chi-squared
    assert found[:, 0].mean().item() == pytest.approx(8.0, rel=0.3)
    assert found[:, 3].mean().item() == pytest.approx(18.0, rel=0.3)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_fixed_prior_scale_is_that_of_the_kl(checkpoints, problem_file, tmp_path, factor):
    free = start(checkpoints, problem_file, "free")[2]
    grid = Grid((factor * GRID.scales[free.prior_index],))
    search, strata, scales = start(checkpoints, problem_file, "free", grid=grid)
    run = pacbayes.optimize._Run(search, strata, scales, plan(tmp_path))
    assert run._posterior.kl().item() == pytest.approx(scales.kl, rel=1e-6)
    assert scales.kl > free.kl


def test_training_and_certifying_noise_are_apart(checkpoints, problem_file, tmp_path, monkeypatch):
    streams = []
    honest = Draw.bits

    def note(draw, part):
        streams.append(draw.key.stream)
        return honest(draw, part)

    monkeypatch.setattr(Draw, "bits", note)
    model = opened(checkpoints, "adapter")
    sample = read_sample([problem_file])
    settings = Settings(losses=("nll",), passes=1, pilot=20, optimize=3)
    certify(model, sample, settings, posterior_folder=tmp_path)
    training = [place for place, stream in enumerate(streams) if stream is Stream.TRAINING]
    first = streams.index(Stream.CERTIFICATE)
    assert training
    assert training[-1] < first
    assert set(streams[first:]) == {Stream.CERTIFICATE}


def test_every_unit_is_seen_once_in_a_pass(checkpoints, problem_file):
    strata = start(checkpoints, problem_file, "adapter")[1]
    seen = [u for step in range(6) for u in chosen(strata[0], 10, step, 0)]
    assert sorted(seen) == list(range(60))
    later = [u for step in range(6, 12) for u in chosen(strata[0], 10, step, 0)]
    assert sorted(later) == sorted(seen)
    assert later != seen


def flat(arguments):
    return [str(part) for pair in arguments.items() for part in pair]


@pytest.fixture
def good(checkpoints, problem_file, tmp_path):
    return {
        "--checkpoint": checkpoints / "adapter",
        "--prior": checkpoints / "initial",
        "--data": problem_file,
        "--out": tmp_path / "out",
        "--passes": 1,
        "--loss": "nll",
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_optimise_then_certify_the_file(run_bound, good, tmp_path, family):
    """The file alone gives the same posterior: same centre, scales, KL and losses."""
    code, _, err = run_bound(*flat(good), "--optimize", 10, "--family", family)
    assert code == 0, err
    file = tmp_path / "out" / "posterior.safetensors"
    first = Certificate.read(tmp_path / "out" / "certificate.json")
    assert first.posterior.centre.path == str(file)
    again = flat(good | {"--out": tmp_path / "again", "--posterior": file, "--also": "drawn"})
    code, _, err = run_bound(*again)
    assert code == 0, err
    second = Certificate.read(tmp_path / "again" / "certificate.json")
    assert first.posterior.choice == "optimised, 10 steps"
    assert second.posterior == replace(first.posterior, choice="given")
    assert second.kl == first.kl
    assert second.strata == first.strata
    assert first.posterior.family == {"per-tensor": "gaussian"}.get(family, family)
    code, _, err = run_bound(*flat(good), "--posterior", file, "--optimize", 1)
    assert code == 2
    assert "would be overwritten by --optimize" in err
    code, _, err = run_bound(*flat(good), "--posterior", file, "--family", "isotropic")
    assert code == 2
    assert "--posterior has noise scales of its own" in err
    # and a rerun of the whole thing changes nothing
    run_bound(*flat(good), "--optimize", 10, "--family", family)
    assert Certificate.read(tmp_path / "out" / "certificate.json").posterior == first.posterior


def saved(path, model, scales, **changes):
    means = {name: tensor.detach() + 0.01 for name, tensor in model.noise.tensors.items()}
    means |= changes.pop("means", {})
    save(PerGroup(means=means, groups={"all": tuple(means)}, scales={"all": scales}), path)
    return means


def test_any_posterior_with_one_scale_a_tensor_is_read(checkpoints, tmp_path):
    model = opened(checkpoints, "free")
    means = saved(tmp_path / "per-group", model, torch.tensor(0.25))
    save(Isotropic(means=means, scale=torch.tensor(0.25)), tmp_path / "isotropic")
    for family in ("per-group", "isotropic"):
        moved = with_posterior(opened(checkpoints, "free"), tmp_path / family)
        assert moved.suggested_noise == dict.fromkeys(model.sizes, 0.25)
        assert moved.folder == model.posterior
        assert all(torch.equal(t, means[name]) for name, t in moved.noise.tensors.items())
    factors = {name: torch.ones(1, *mean.shape) for name, mean in means.items()}
    scales = {name: torch.tensor(0.1) for name in means}
    tied = LowRank(means=means, groups={"all": tuple(means)}, scales=scales, factors=factors)
    save(tied, tmp_path / "low-rank")
    with pytest.raises(InputError, match=r"low-rank: ties the tensors .* together in 'all'"):
        with_posterior(model, tmp_path / "low-rank")


def test_a_written_posterior_comes_back(checkpoints, tmp_path):
    model = opened(checkpoints, "adapter")
    sigmas = {name: 0.1 / 3 + place for place, name in enumerate(model.sizes)}
    source = write_posterior(tmp_path / "posterior", model, sigmas)
    again = with_posterior(opened(checkpoints, "adapter"), tmp_path / "posterior")
    assert again.suggested_noise == sigmas
    assert again.posterior == source
    assert again.distances_squared == model.distances_squared


def test_posterior_files_that_do_not_fit(checkpoints, tmp_path):
    model = opened(checkpoints, "adapter")
    path, name = tmp_path / "posterior", next(iter(model.sizes))
    with pytest.raises(InputError, match="cannot be read as a saved posterior"):
        with_posterior(model, path)
    saved(path, model, torch.tensor(0.1), means={"unknown": torch.zeros(1)})
    with pytest.raises(InputError, match="has the tensor 'unknown', unlike the checkpoint"):
        with_posterior(model, path)
    saved(path, model, torch.tensor(0.1), means={name: torch.zeros(1, 2)})
    with pytest.raises(InputError, match=r"has shape \[1, 2\], the checkpoint's"):
        with_posterior(model, path)
    saved(path, model, torch.tensor(0.1))
    with pytest.raises(InputError, match="lacks the tensor"):  # A moved there too
        with_posterior(opened(checkpoints, "free"), path)


def test_bad_optimise_input(run_bound, good, tmp_path, checkpoints, problem_file):
    code, _, err = run_bound(*flat(good), "--optimize", -1)
    assert code == 2
    assert "--optimize must be at least 0" in err
    code, _, err = run_bound(*flat(good), "--optimize", 1, "--optimize-rate", 0)
    assert code == 2
    assert "--optimize-rate must be positive" in err
    code, _, err = run_bound(*flat(good), "--optimize", 1, "--family", "isotropic")
    assert code == 2
    assert "does not go with --family isotropic" in err
    code, _, err = run_bound(*flat(good), "--family", "diagonal")
    assert code == 2
    assert "a scale for each weight, which --optimize STEPS learns" in err
    model, sample = opened(checkpoints, "adapter"), read_sample([problem_file])
    with pytest.raises(InputError, match="which --optimize learns: give it steps"):
        certify(model, sample, Settings(family="diagonal", pilot=5))
    with pytest.raises(InputError, match="needs a folder"):
        certify(model, sample, Settings(optimize=1, pilot=5))
    search, strata, scales = start(checkpoints, problem_file, "adapter")
    optimize(search, strata, scales, plan(tmp_path))
    (state,) = (tmp_path / "optimize").iterdir()
    state.write_bytes(b"half a state")
    with pytest.raises(InputError, match="is damaged; delete it"):
        optimize(search, strata, scales, plan(tmp_path))
    with pytest.raises(InputError, match="diverged"):
        optimize(search, strata, scales, plan(tmp_path, rate=float("inf")))
