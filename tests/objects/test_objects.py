"""Certificates of one network: what is written is what is certified, at the price that is said."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import norm

from pacbayes.bounds import certified
from pacbayes.certificate import Certificate
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.losses import LOSSES, SMOOTHING, nll_width
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.objects import OBJECTS, Run
from pacbayes.objects import compressed as compressed_module
from pacbayes.objects.compressed import CODE_FILE
from pacbayes.objects.drawn import draw, log_density_ratio
from pacbayes.objects.shift_code import Layout, decode
from pacbayes.objects.tokens import GRID, TokenLosses, token_bound, token_losses
from pacbayes.risk import Scorer
from pacbayes.settings import Settings

PRIORS = {"adapter": "initial", "free": "initial", "full": "base"}


@pytest.fixture(scope="module", params=PRIORS)
def run(request, checkpoints, problem_file, tmp_path_factory):
    """A finished run on each kind of checkpoint, two strata, three losses."""
    model = open_fine_tuned(
        OpenOptions(
            checkpoint=checkpoints / request.param, prior=checkpoints / PRIORS[request.param]
        )
    )
    sample = read_sample([problem_file], edges=[2.0])
    run_settings = Settings(losses=("exact", "token", "nll"), passes=1, pilot=8, seed=3)
    return Run(
        model=model,
        sample=sample,
        settings=run_settings,
        certificates=certify(model, sample, run_settings),
        folder=tmp_path_factory.mktemp(request.param),
    )


@pytest.fixture(scope="module")
def found(run):
    """All certificates of the run's other objects."""
    before = weights_of(run)
    made = {name: OBJECTS[name](run) for name in OBJECTS}
    after = weights_of(run)
    assert all(torch.equal(before[name], after[name]) for name in before)
    return made


def weights_of(run):
    return {name: tensor.detach().clone() for name, tensor in run.model.noise.tensors.items()}


def reopened(run, certificate):
    folder = certificate.object.path
    prior = run.certificates[0].prior.centre.path
    return open_fine_tuned(OpenOptions(checkpoint=run.folder / folder, prior=run.folder / prior))


@pytest.mark.parametrize("name", ["drawn", "compressed"])
def test_the_written_network_is_the_certified_one(run, found, name):
    """Opened anew, the folder has the losses on record, and its hash."""
    certificates = found[name]
    model = reopened(run, certificates[0])
    assert model.posterior.sha256 == certificates[0].object.sha256
    losses = tuple(LOSSES[c.loss.name] for c in certificates)
    scorer = Scorer(model=model, losses=losses, batch_size=64)
    for index, units in enumerate(run.strata):
        means = scorer.at_centre(units).mean(axis=1)
        for mean, certificate in zip(means, certificates, strict=True):
            stratum = certificate.strata[index]
            assert stratum.empirical_risk == pytest.approx(mean, rel=1e-12)
            low, high = stratum.empirical_risk_bound
            assert low <= stratum.empirical_risk <= high <= low * (1 + 1e-11)
            assert stratum.n_draws == 1


def test_the_folder_loads_without_this_package(run, found):
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    folder = run.folder / "drawn"
    loader = AutoModelForCausalLM if run.model.base is None else AutoPeftModelForCausalLM
    network = loader.from_pretrained(str(folder)).eval()
    ids = torch.randint(5, 40, (2, 9))
    with torch.no_grad():
        expected = reopened(run, found["drawn"][0]).model(input_ids=ids).logits
        assert torch.equal(network(input_ids=ids).logits, expected)


def test_weights_of_the_draw_are_rounded_not_changed(run, found):
    drawn = draw(run.model, run.certificates[0].posterior, seed=3)
    stem = "model" if run.model.base is None else "adapter_model"
    written = load_file(run.folder / "drawn" / f"{stem}.safetensors")
    assert found["drawn"][0].object.path == str(run.folder / "drawn")
    for name, tensor in drawn.weights.items():
        assert torch.equal(written[name], tensor.to(written[name].dtype))
        assert not torch.equal(written[name], run.model.noise.tensors[name])


def test_density_ratio_by_scipy(run, found):
    """From the unrounded draw and the recorded scales alone."""
    certificate = found["drawn"][0]
    drawn = draw(run.model, certificate.posterior, seed=3)
    total = 0.0
    for group in certificate.posterior.groups:
        h = drawn.weights[group.name].numpy()
        w = run.model.noise.tensors[group.name].detach().double().numpy()
        w0 = run.model.prior_centre[group.name].double().numpy()
        ratio = float(
            (norm.logpdf(h, w, group.sigma_posterior) - norm.logpdf(h, w0, group.sigma_prior)).sum()
        )
        assert certificate.kl_by_group[group.name] == pytest.approx(ratio, rel=1e-9, abs=1e-7)
        total += ratio
    assert certificate.kl == pytest.approx(max(0.0, total), rel=1e-9, abs=1e-6)
    assert certificate.kl >= total


def test_mean_density_ratio_is_the_kl(run):
    """200 draws; 5 standard errors are exceeded less than once in a million."""
    certificate = run.certificates[0]
    group = certificate.posterior.groups[0]
    shift = run.model.noise.tensors[group.name].detach().double().cpu()
    shift = shift - run.model.prior_centre[group.name].double()
    generator = torch.Generator().manual_seed(0)
    ratios = [
        log_density_ratio(
            group, torch.randn(shift.shape, generator=generator, dtype=torch.float64), shift
        )
        for _ in range(200)
    ]
    error = np.std(ratios) / math.sqrt(200)
    assert abs(np.mean(ratios) - certificate.kl_by_group[group.name]) < 5 * error


def test_another_seed_draws_another_network(run):
    posterior = run.certificates[0].posterior
    one, again, other = (draw(run.model, posterior, seed=seed) for seed in (3, 3, 4))
    name = posterior.groups[0].name
    assert torch.equal(one.weights[name], again.weights[name])
    assert not torch.equal(one.weights[name], other.weights[name])


def test_bounds_from_the_recorded_numbers(found):
    for certificate in found["drawn"]:
        cost = certificate.prior.scale_grid.log_cost
        for stratum, entry in zip(certificate.strata, certificate.delta.ledger, strict=True):
            assert entry.delta == 0.025
            terms = {"kl": certificate.kl + cost, "n": stratum.n, "delta": entry.delta}
            low, high = stratum.empirical_risk_bound
            expected = (
                certified("seeger_maurer_lower", empirical_risk=low, **terms),
                certified("seeger_maurer", empirical_risk=high, **terms),
            )
            assert stratum.risk_bound == pytest.approx(expected, rel=1e-9)
    for certificate in found["compressed"]:
        price = certificate.object.code_bits * math.log(2)
        assert certificate.kl == pytest.approx(price, rel=1e-15)
        assert certificate.kl >= price
        assert certificate.posterior.groups == ()
        for stratum, entry in zip(certificate.strata, certificate.delta.ledger, strict=True):
            terms = {"log_prior": -price, "n": stratum.n, "delta": entry.delta}
            upper = certified("occam_kl", empirical_risk=stratum.empirical_risk, **terms)
            if certificate.loss.name == "exact":
                errors = round(stratum.n * stratum.empirical_risk)
                assert "occam_binomial" in stratum.bounds
                upper = min(upper, certified("occam_binomial", n_errors=errors, **terms))
            assert stratum.risk_bound == (0.0, pytest.approx(upper, rel=1e-9))


def test_round_trip_and_words(found):
    for certificates in found.values():
        for certificate in certificates:
            assert Certificate.from_json(certificate.to_json()) == certificate
            assert any("statement of its own" in text for text in certificate.assumptions)
    drawn, small = found["drawn"][0], found["compressed"][0]
    assert any("drawn from the posterior once" in text for text in drawn.assumptions)
    with pytest.raises(InputError, match="`kl` must be `code_bits` times ln 2"):
        replace(small, kl=small.kl - 1)
    with pytest.raises(InputError, match="must add up to `kl`"):
        replace(drawn, kl=drawn.kl + 1)
    with pytest.raises(InputError, match="`path` must be null for the posterior"):
        replace(drawn.object, path=None)
    with pytest.raises(InputError, match="`code_bits` must be given for a compressed network only"):
        replace(small.object, code_bits=None)


def test_the_code_on_disk_is_the_network(run, found):
    (path,) = {c.object.path for c in found["compressed"]}
    data = (run.folder / path / CODE_FILE).read_bytes()
    bits = found["compressed"][0].object.code_bits
    assert len(data) == -(-bits // 8)
    layout = Layout(centre=run.model.prior_centre, relative_scales=run.model.relative_scales)
    stem = "model" if run.model.base is None else "adapter_model"
    written = load_file(run.folder / path / f"{stem}.safetensors")
    for name, tensor in decode(data, layout).weights(layout).items():
        assert torch.equal(written[name], tensor.to(written[name].dtype))


def test_uneven_scales_are_coded(run, monkeypatch):
    """A posterior that is narrow in one tensor gives a code that says so."""
    base = run.certificates[0]
    groups = list(base.posterior.groups)
    groups[0] = replace(groups[0], sigma_posterior=groups[0].sigma_posterior / 8)
    uneven = replace(
        run, certificates=(NoCheck(posterior=replace(base.posterior, groups=tuple(groups))),)
    )
    plain, shaped = compressed_module.shape_of(run), compressed_module.shape_of(uneven)
    # tensors come in the order of their names
    i = sorted(run.model.prior_centre).index(groups[0].name)
    assert shaped[i] - shaped[i - 1] == pytest.approx(plain[i] - plain[i - 1] - 6, abs=1)


class NoCheck:
    """Stands for a certificate of which only the posterior is looked at."""

    def __init__(self, posterior):
        self.posterior = posterior


@pytest.mark.parametrize("name", ["token", "nll"])
def test_token_losses_by_hand(run, name):
    """From a forward pass of each document alone and plain numpy."""
    scorer = run.scorer("tokens", ())
    units = run.strata[0][:4]
    found = token_losses(scorer, units, [name])[name]
    losses, guesses = [], []
    for (example,) in units:
        with torch.no_grad():
            logits = run.model.model(input_ids=torch.tensor([example.input_ids])).logits[0]
        for place in np.nonzero(example.scored)[0]:
            scores = logits[place - 1].double().numpy()
            p = np.exp(scores - scores.max())
            p /= p.sum()
            target = example.input_ids[place]
            if name == "token":
                losses.append(float(p.argmax() != target))
                guesses.append(1 - p.max())
            else:
                smooth = (1 - SMOOTHING) * p + SMOOTHING / p.size
                values = (math.log(1 - SMOOTHING + SMOOTHING / p.size) - np.log(smooth)) / (
                    nll_width(p.size)
                )
                losses.append(values[target])
                guesses.append(float(smooth @ values))
    np.testing.assert_allclose(found.losses, losses, atol=1e-6)
    np.testing.assert_allclose(found.predictable, guesses, atol=1e-6)
    document = run.scorer("t", ()).at_centre(units[:1])[("exact", "token", "nll").index(name)][0]
    assert found.losses[: units[0][0].n_scored].mean() == pytest.approx(document, abs=1e-6)


def test_tokens_without_scores_count_as_loss_one_known_before(run):
    from pacbayes.data.encode import Example

    hopeless = (Example(input_ids=(), scored=(), unscorable="too long"),)
    found = token_losses(run.scorer("tokens", ()), [hopeless, run.strata[0][0]], ["token"])["token"]
    assert (found.losses[0], found.predictable[0]) == (1.0, 1.0)
    assert found.losses.size == 1 + run.strata[0][0][0].n_scored


def test_token_certificates(run, found):
    assert [c.loss.name for c in found["tokens"]] == ["token", "nll"]
    for certificate in found["tokens"]:
        assert certificate.object.target == "tokens"
        assert certificate.object.sha256 == found["drawn"][0].object.sha256
        assert any("not of fresh ones" in text for text in certificate.assumptions)
        assert not any("independent draws" in text for text in certificate.assumptions)
        for stratum, units in zip(certificate.strata, run.strata, strict=True):
            assert stratum.n == sum(example.n_scored for unit in units for example in unit)
            assert stratum.risk_bound[1] >= stratum.empirical_risk
    with pytest.raises(InputError, match="--also tokens needs --loss token or --loss nll"):
        OBJECTS["tokens"](replace(run, certificates=run.certificates[:1]))


def test_token_bound_pays_for_its_grid():
    rng = np.random.default_rng(0)
    guess = rng.uniform(0, 0.1, 3000)
    tokens = TokenLosses(losses=(rng.random(3000) < guess).astype(float), predictable=guess)
    whole = certified(
        "token_freedman",
        losses=tokens.losses,
        predictable=guess,
        kl=20.0,
        delta=0.05,
        grid=GRID,
    )
    assert whole <= token_bound(tokens, kl=20.0, delta=0.05)[0] <= whole * (1 + 1e-9)


def test_token_bound_covers_where_forgetting_the_martingale_does_not():
    """A chain whose tokens are sticky: the bound holds for its predictable mean.

    400 runs at a miss rate of .1 exceed 64 misses with probability below 1e-4.
    """
    rng = np.random.default_rng(0)
    missed = mutant = 0
    for _ in range(400):
        state, losses, means = 0.0, [], []
        for _ in range(60):
            means.append(0.6 if state else 0.05)
            state = float(rng.random() < means[-1])
            losses.append(state)
        tokens = TokenLosses(losses=np.array(losses), predictable=np.full(60, 0.1))
        missed += token_bound(tokens, kl=0.0, delta=0.1)[0] < np.mean(means)
        mutant += np.mean(losses) < np.mean(means)
    assert missed <= 64
    assert mutant > 64
