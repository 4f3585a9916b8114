"""The self-test passes here, and each check notices what it is for."""

import json
from functools import partial

import numpy as np
import pytest

from pacbayes import bounds, stratum
from pacbayes.bounds import binary_kl_inverse_upper
from pacbayes.cli import main
from pacbayes.models import noise as in_models
from pacbayes.risk import Scorer
from pacbayes.selftest import (
    CHECKS,
    Bench,
    Finding,
    adversary,
    agreement,
    coverage,
    noise,
    shuffled,
)
from pacbayes.selftest.registry import run_checks


@pytest.fixture
def run(run_program):
    return partial(run_program, main, "pacbayes", "selftest")


def failing(name):
    return [f.what for _, f in run_checks(Bench(), [name]) if f.result == "fail"]


def small(monkeypatch):
    monkeypatch.setattr(coverage, "N_PROBLEMS", 24)
    monkeypatch.setattr(coverage, "CERTIFICATES", 100)
    monkeypatch.setattr(agreement, "N", 8)
    monkeypatch.setattr(noise, "N_DRAWS", 2)
    monkeypatch.setattr(adversary, "SAMPLES", adversary.SAMPLES[:6])


@pytest.mark.parametrize("name", ["identities", "adversary", "noise", "agreement", "coverage"])
def test_passes_here(monkeypatch, name):
    small(monkeypatch)
    assert failing(name) == []


def test_table_and_exit_code(monkeypatch, run):
    small(monkeypatch)
    code, out, err = run("--check", "identities", "--check", "adversary")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["check", "figure", "limit", "result"]
    assert "passed on cpu with seed 0: 9 figures, 0 skipped" in lines[-1]
    assert all(" pass " in line for line in lines[1:-1])


def test_a_bound_without_kl_is_noticed_and_named(monkeypatch, run):
    small(monkeypatch)

    def without_kl(errors, kl, n):
        return binary_kl_inverse_upper(errors / n, np.log(10 * n) / n)

    tried = adversary._upper_bounds()
    tried["new"] = (tried["pinsker"][0], without_kl)
    monkeypatch.setattr(adversary, "_upper_bounds", lambda: tried)
    code, out, _ = run("--check", "adversary", "--json")
    facts = json.loads(out)
    assert (code, facts["passed"], facts["failed"]) == (4, False, ["adversary"])
    (wrong,) = [row for row in facts["figures"] if row["result"] == "fail"]
    assert wrong["what"].endswith("theorems at δ = 0.1: new")
    assert wrong["figure"] > 0.5


def test_a_mutant_that_holds_is_noticed(monkeypatch):
    small(monkeypatch)
    harmless = {"KL dropped": lambda errors, kl, n: np.ones_like(errors)}
    monkeypatch.setattr(adversary, "MUTANTS", harmless)
    assert failing("adversary") == ["P(bound fails), KL dropped"]


def test_a_constant_that_is_too_small_is_noticed(monkeypatch):
    monkeypatch.setattr(bounds, "xi", lambda n: 0.5 * n**0.5 + 0.5)
    assert failing("identities") == ["|E exp(n kl)/ξ(n) − 1|, largest of all n and risks"]


def test_noise_of_another_scale_is_noticed(monkeypatch):
    small(monkeypatch)
    made = noise.standard_normals
    monkeypatch.setattr(noise, "standard_normals", lambda *a, **k: 1.01 * made(*a, **k))
    found = failing("noise")
    assert found[0].startswith("CPU noise of a known key")
    assert "noise: variance, standard errors off" in found


def test_weights_with_another_scale_are_noticed(monkeypatch):
    small(monkeypatch)
    right = in_models.drawn
    monkeypatch.setattr(in_models, "drawn", lambda c, sigma, z: right(c, 1.05 * sigma, z))
    assert "noise found in weights, in σ: variance, standard errors off" in failing("noise")
    # the layers have theirs from elsewhere, so both ways no longer agree
    assert any("draws inside layers" in what for what in failing("agreement"))


def test_another_unperturbed_loss_is_noticed(monkeypatch):
    small(monkeypatch)
    right = Scorer.at_centre
    monkeypatch.setattr(Scorer, "at_centre", lambda self, units: 0.99 * right(self, units))
    assert any(what.startswith("unperturbed") for what in failing("agreement"))


def test_certificates_that_do_not_pay_are_noticed(monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(stratum, "certified", lambda name, **k: k.get("empirical_risk", 0.0))
    found = failing("coverage")
    assert any("miss the true risk, loss exact" in what for what in found)


def test_a_certificate_of_wrong_labels_is_noticed(monkeypatch):
    class Stratum:
        risk_bound = (0.0, 0.7)
        held_out = None

    class Certificate:
        strata = (Stratum,)

    monkeypatch.setattr(shuffled, "certified", lambda *_: Certificate)
    assert failing("shuffled")[0] == "certified risk with shuffled labels (1: vacuous)"


def test_completions_are_shuffled():
    records = shuffled.problems("easy.jsonl", 30)
    other = shuffled.shuffled(records, 0)
    assert sorted(r.completion for r in other) == sorted(r.completion for r in records)
    assert sum(a.completion != b.completion for a, b in zip(records, other, strict=True)) > 20


def test_an_error_fails_its_check_alone(monkeypatch):
    def broken(_bench):
        raise RuntimeError("no kernel image\nfor this device")

    checks = {"noise": broken, "identities": CHECKS["identities"]}
    monkeypatch.setattr("pacbayes.selftest.registry.CHECKS", checks)
    found = list(run_checks(Bench()))
    assert found[0][1].result == "fail"
    assert found[0][1].reason == "RuntimeError: no kernel image for this device"
    assert all(finding.result == "pass" for _, finding in found[1:])


def test_no_number_is_a_failure():
    assert Finding(what="", figure=float("nan"), limit=1.0).result == "fail"
    assert Finding(what="", figure=float("nan"), limit=1.0, at_least=True).result == "fail"


def test_sign_test():
    here, there = np.array([1.0] * 30 + [0.0] * 10), np.array([0.0] * 30 + [0.0] * 10)
    assert agreement.sign_test(here, there) == pytest.approx(2 * 0.5**30)
    assert agreement.sign_test(here, here) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--check", "coverige"], "--check must be one of identities, adversary,"),
        (["--seed", "-1"], "--seed must lie in"),
        (["--device", "auto"], "--device auto spreads a model"),
        (["--device", "nonsense"], "--device 'nonsense' cannot be used here"),
    ],
)
def test_bad_input_is_one_line(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
