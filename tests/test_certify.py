import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from pacbayes.certificate import Certificate, ScaleGrid
from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.ledger import DeltaLedger
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import Stream
from pacbayes.risk import Scorer
from pacbayes.settings import Settings, Shares
from pacbayes.weight_perturbation import Pilot, Search, choose_posterior
from tests import oracle


@pytest.fixture(scope="module")
def adapter(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "adapter", prior=checkpoints / "initial")
    )


@pytest.fixture(scope="module")
def sample(problem_file):
    return read_sample([problem_file], edges=[2.0])


SETTINGS = Settings(losses=("token",), passes=3, pilot=20, seed=11)


@pytest.fixture(scope="module")
def certificate(adapter, sample):
    (found,) = certify(adapter, sample, SETTINGS)
    return found


def test_kl_from_the_raw_files(certificate, checkpoints):
    after = load_file(checkpoints / "adapter" / "adapter_model.safetensors")
    before = load_file(checkpoints / "initial" / "adapter_model.safetensors")
    total = 0.0
    for group in certificate.posterior.groups:
        delta = after[group.name].astype(np.float64) - before[group.name].astype(np.float64)
        ratio = (group.sigma_posterior / group.sigma_prior) ** 2
        total += 0.5 * (
            delta.size * (ratio - 1 - math.log(ratio)) + (delta**2).sum() / group.sigma_prior**2
        )
    covered = {group.name for group in certificate.posterior.groups}
    assert all(np.array_equal(after[k], before[k]) for k in after.keys() - covered)
    assert certificate.kl == pytest.approx(total, rel=1e-9)


def complexity_of(certificate, stratum, constant):
    """T from the recorded numbers, in Arb."""
    event = f"PAC-Bayes bound of stratum {stratum.name}"
    delta = next(e.delta for e in certificate.delta.ledger if event in e.event)
    grid = certificate.prior.scale_grid
    log = constant.log() + oracle.ball(grid.size).log() - oracle.ball(delta).log()
    return (oracle.ball(certificate.kl) + log) / stratum.n


def test_kl_bound_from_the_recorded_numbers(adapter, sample):
    """Recomputed in Arb from the definitions: never on the wrong side, and at most 1e-9 off."""
    (certificate,) = certify(adapter, sample, replace(SETTINGS, losses=("exact",)))
    for stratum in certificate.strata:
        assert stratum.bets == ()
        complexity = complexity_of(certificate, stratum, oracle.xi(stratum.n))
        low, high = stratum.empirical_risk_bound
        inside, outside = oracle.kl_inverse(high, complexity, upper=True)
        assert oracle.ball(stratum.risk_bound[1]) >= inside
        assert stratum.risk_bound[1] <= min(1.0, float(outside) + 1e-9)
        inside, outside = oracle.kl_inverse(low, complexity, upper=False)
        assert oracle.ball(stratum.risk_bound[0]) <= inside
        assert stratum.risk_bound[0] >= float(outside) - 1e-9


def test_log_wealth_bound_from_the_recorded_numbers(certificate):
    for stratum in certificate.strata:
        n = stratum.n
        # √π Γ(n + 1)/Γ(n + 1/2) = 4ⁿ/C(2n, n)
        constant = oracle.ball(Fraction(4**n, math.comb(2 * n, n)))
        complexity = complexity_of(certificate, stratum, constant)
        above, below = stratum.bets
        ends = {}
        for bet in (above, below):
            value = (1 - (oracle.ball(bet.mean_log) - complexity).exp()) / oracle.ball(bet.lam)
            ends[bet.lam > 0] = value
        low, high = stratum.empirical_risk_bound
        inside, outside = oracle.kl_inverse(high, complexity, upper=True)
        assert stratum.risk_bound[1] == min(stratum.bounds.values())
        assert oracle.ball(stratum.risk_bound[1]) >= min(float(inside), float(ends[True])) - 1e-15
        assert stratum.risk_bound[1] <= min(1.0, float(outside), float(ends[True])) + 1e-9
        inside, outside = oracle.kl_inverse(low, complexity, upper=False)
        assert oracle.ball(stratum.risk_bound[0]) <= max(float(inside), float(ends[False])) + 1e-15
        assert stratum.risk_bound[0] >= max(0.0, float(outside), float(ends[False])) - 1e-9


def test_the_ledger_never_exceeds_delta(certificate):
    spent = sum(Fraction(entry.delta) for entry in certificate.delta.ledger)
    assert Fraction(0.05) * Fraction(999, 1000) < spent <= Fraction(0.05)
    for n_strata in range(1, 40):
        for delta in (0.05, 0.1, 1e-9, 0.999):
            ledger = DeltaLedger(delta)
            shares = Shares.spent(ledger, [f"{k}" for k in range(n_strata)])
            spent = sum(Fraction(s.kl_bound) + Fraction(s.monte_carlo) for s in shares)
            assert Fraction(delta) * Fraction(999, 1000) < spent <= Fraction(delta)
            assert spent == sum(Fraction(entry) for _, entry in ledger.entries)


def test_same_seed_same_certificate_other_seed_other_draws(certificate, adapter, sample):
    (again,) = certify(adapter, sample, SETTINGS)
    assert again.strata == certificate.strata
    (other,) = certify(adapter, sample, Settings(losses=("token",), passes=3, pilot=20, seed=12))
    assert other.strata != certificate.strata


def test_an_interrupted_run_goes_on(certificate, adapter, sample, tmp_path, monkeypatch):
    honest = Scorer.under_noise
    done = []

    def fails_in_the_fifth_pass(self, units, sigmas, *, key, draw):
        if key.stream is Stream.CERTIFICATE:
            if len(done) == 4:
                raise KeyboardInterrupt
            done.append((key.stratum, draw))
        return honest(self, units, sigmas, key=key, draw=draw)

    monkeypatch.setattr(Scorer, "under_noise", fails_in_the_fifth_pass)
    with pytest.raises(KeyboardInterrupt):
        certify(adapter, sample, SETTINGS, draws_folder=tmp_path)
    done.clear()
    (resumed,) = certify(adapter, sample, SETTINGS, draws_folder=tmp_path)
    assert done == [(1, 1), (1, 2)]  # two of six passes were left
    assert resumed.strata == certificate.strata


def test_draws_of_other_strata_of_the_same_names_and_sizes_are_not_taken(
    adapter, problem_file, tmp_path
):
    lines = [json.loads(line) for line in problem_file.read_text().splitlines()]
    n = len(lines) // 2 * 2
    by = {"first": lambda i: i < n // 2, "second": lambda i: i % 2 == 0}
    for i, line in enumerate(lines[:n]):
        line |= {field: "easy" if rule(i) else "hard" for field, rule in by.items()}
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[:n]))
    cuts = {field: read_sample([path], levels=field) for field in by}
    given = replace(
        adapter, suggested_noise=dict.fromkeys(adapter.sizes, 0.01), posterior_given=True
    )
    fresh = [certify(given, cut, SETTINGS)[0].strata for cut in cuts.values()]
    kept = [
        certify(given, cut, SETTINGS, draws_folder=tmp_path / "draws")[0].strata
        for cut in cuts.values()
    ]
    assert [(s.name, s.n) for s in fresh[0]] == [(s.name, s.n) for s in fresh[1]]
    assert kept == fresh


def test_the_posteriors_scales_are_those_that_are_drawn(certificate):
    for group in certificate.posterior.groups:
        assert group.sigma_posterior == float(np.float32(group.sigma_posterior))


def test_scales_are_never_chosen_with_the_certificates_noise(adapter, sample, monkeypatch):
    keys = []
    honest = Scorer.under_noise

    def note(self, units, sigmas, *, key, draw):
        keys.append(key)
        return honest(self, units, sigmas, key=key, draw=draw)

    monkeypatch.setattr(Scorer, "under_noise", note)
    certify(adapter, sample, SETTINGS)
    streams = [key.stream for key in keys]
    first = streams.index(Stream.CERTIFICATE)
    assert set(streams[:first]) == {Stream.PILOT}
    # scales are settled by then; the bets of a stratum are before its own draws
    for stratum in range(2):
        streams = [key.stream for key in keys if key.stratum == stratum]
        first = streams.index(Stream.CERTIFICATE)
        assert set(streams[:first]) == {Stream.PILOT}
        assert set(streams[first:]) == {Stream.CERTIFICATE}


def test_full_checkpoint_in_blocks(checkpoints, sample):
    model = open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "full", prior=checkpoints / "base", draw_mode="block")
    )
    settings = Settings(losses=("token", "nll"), passes=2, pilot=16, block=8)
    for certificate in certify(model, sample, settings):
        for stratum in certificate.strata:
            assert stratum.n_draws == 2 * -(-stratum.n // 8)
            low, high = stratum.empirical_risk_bound
            assert low <= stratum.empirical_risk <= high
            assert stratum.risk_bound[0] <= stratum.empirical_risk <= stratum.risk_bound[1]


def test_a_gauge_is_kept_only_where_the_score_improves(checkpoints, sample):
    model = open_fine_tuned(OpenOptions(checkpoint=checkpoints / "free"))
    strata = [part.encode(model.tokenizer, max_length=model.context) for part in sample.strata]
    pilots = [Pilot(units=units, n=5000, delta=0.02, stratum=i) for i, units in enumerate(strata)]
    search = Search(scorer=SETTINGS.scorer(model), pilots=pilots, seed=0)
    trained, distances = search.best(), dict(model.distances_squared)
    chosen, scales = choose_posterior(search)
    moved = chosen.distances_squared != distances
    assert moved == ("factors" in scales.rule)
    again = replace(search, scorer=SETTINGS.scorer(chosen))
    assert again.score(scales) <= trained.score
    assert {g.name: g.distance_squared for g in scales.groups} == chosen.distances_squared


def test_a_prior_scale_fixed_in_advance_costs_nothing(adapter, sample):
    (found,) = certify(adapter, sample, replace(SETTINGS, prior_scale=0.5))
    assert found.prior.scale_grid == ScaleGrid(size=1, index=0, log_cost=0.0)
    for group in found.posterior.groups:
        assert group.sigma_prior == 0.5 * adapter.relative_scales[group.name]


@pytest.fixture
def first_half(problem_file, tmp_path):
    """Other problems, as if the prior had been trained on them."""
    path = tmp_path / "first.jsonl"
    lines = problem_file.read_text().splitlines()
    path.write_text("\n".join(line.replace('"prompt": "', '"prompt": "a') for line in lines[:9]))
    return path


def test_a_prior_from_a_split_is_shown_with_its_own_risk(
    adapter, sample, problem_file, first_half, checkpoints
):
    split = read_sample([problem_file], prior_data=[first_half], edges=[2.0])
    centre = {k: t.detach().clone() for k, t in adapter.noise.tensors.items()}
    (found,) = certify(adapter, split, SETTINGS)
    assert [file.path for file in found.prior.data] == [str(first_half)]
    # what the prior's own model gets wrong, measured on a model opened from its folder
    alone = open_fine_tuned(OpenOptions(checkpoint=checkpoints / "free"))
    alone.recentred(
        {k: adapter.prior_centre.get(k, v) for k, v in raw_tensors(checkpoints).items()}
    )
    for stratum, part in zip(found.strata, split.strata, strict=True):
        units = part.encode(alone.tokenizer, max_length=alone.context)
        expected = SETTINGS.scorer(alone).at_centre(units)[0].mean()
        assert stratum.prior_held_out.mean == pytest.approx(expected, abs=1e-12)
        low, high = stratum.prior_held_out.interval
        assert low <= expected <= high
    assert all(torch.equal(t, centre[k]) for k, t in adapter.noise.tensors.items())
    assert all(s.prior_held_out is None for s in certify(adapter, sample, SETTINGS)[0].strata)


def raw_tensors(checkpoints):
    return {
        k: torch.from_numpy(v)
        for k, v in load_file(checkpoints / "initial" / "adapter_model.safetensors").items()
    }


def test_a_killed_run_ends_in_the_same_certificate(checkpoints, problem_file, tmp_path):
    program = [sys.executable, "-c", "from pacbayes.cli import bound_main; bound_main()"]
    arguments = [
        *("--checkpoint", checkpoints / "adapter", "--prior", checkpoints / "initial"),
        *("--data", problem_file, "--loss", "token", "--passes", 120),
    ]

    def command(out):
        return [*program, *map(str, arguments), "--out", str(tmp_path / out)]

    running = subprocess.Popen(command("killed"), stderr=subprocess.DEVNULL)
    draws = tmp_path / "killed" / "draws"
    while running.poll() is None and len(list(draws.glob("*/*.npy"))) < 3:
        time.sleep(0.02)
    running.kill()
    running.wait()
    kept = len(list(draws.glob("*/*.npy")))
    assert 3 <= kept < 120, "killed before it was done"
    strata = []
    for out in ("killed", "whole"):
        subprocess.run(command(out), check=True, capture_output=True)
        strata.append(Certificate.read(tmp_path / out / "certificate.json").strata)
    assert strata[0] == strata[1]
