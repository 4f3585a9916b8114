"""Plans as they should be verify; every field, changed alone, is found out or listed."""

import copy
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.plan import Plan, Target
from pacbayes.planning.pilots import strata_of
from pacbayes.planning.planner import PlanSettings, plan
from pacbayes.planning.target import read_target
from pacbayes.runs import Measured, RunSet, read_runs
from pacbayes.schemas import leaves
from pacbayes.verify import UnreadableError
from pacbayes.verify.plans import verify_plan
from pacbayes.verify.plans.runs import check_runs
from tests.pilots import TARGET, make_run, make_runs
from tests.verify.making import HASH, made_plan
from tests.verify.test_hostile import ODD
from tests.verify.test_tampering import at, dotted, edits, kin, kind_of, names, others, tampered

HALF = {"easy": 0.5, "hard": 0.5}

ALWAYS_FREE = {
    "created",
    "version",
    "seed",
    "loss",
    "delta",
    "level",
    "bases[]",
    "runs.number",
    "runs.path",
    "runs.sha256",
    "target.weights",
    "target.weights.easy",
    "target.weights.medium",
    "target.weights.hard",
    "target.path",
    "target.sha256",
    "strata[].name",
    "strata[].difficulty",
    "kl_growth.statement",
    "comparative_statics.statement",
    "misspecification.statistic",
    "misspecification.p_value",
    "misspecification.warning",
    "gap.model",
    "gap.reason",
    "gap.status",
    "gap.assumption",
    "break_even[].budget",
    "break_even[].interval",
    "break_even[].interval[]",
    "break_even[].statement",
    "phase_diagram",
    "phase_diagram.base_strengths[]",
    "phase_diagram.optimal_difficulty[][]",
    "unknown[]",
    "unknown",
    "assumptions[]",
    *(f"budgets[].by_difficulty.{key}[]" for key in ("lower", "upper", "predicted_risk")),
    *(f"budgets[].by_difficulty.{key}_gap[]" for key in ("generalization", "extrapolation")),
    "budgets[].by_difficulty.empirical_risk[]",
    "budgets[].optimal_difficulty.interval[]",
    "budgets[].optimal_difficulty.indistinguishable[]",
    "budgets[].certificate_optimal_difficulty.interval[]",
    "budgets[].certificate_optimal_difficulty.indistinguishable[]",
    "budgets[].predicted_risk.interval[]",
    *(f"budgets[].objective.{key}_gap.interval[]" for key in ("generalization", "extrapolation")),
    "budgets[].objective.empirical_risk.interval[]",
    "budgets[].mixture",
    *(f"budgets[].mixture.weights.{name}" for name in ("easy", "medium", "hard")),
    *(f"budgets[].mixture.marginal_value.{name}" for name in ("easy", "medium", "hard")),
    "budgets[].mixture.predicted_risk.value",
    "budgets[].mixture.predicted_risk.interval[]",
    "budgets[].mixture.joint_certificate.value",
    "budgets[].mixture.joint_certificate.interval",
    "budgets[].mixture.joint_certificate.interval[]",
    "budgets[].mixture.statement",
    "budgets[].observed",
    "budgets[].observed[].seed",
    *(f"budgets[].observed[].train_weights.{name}" for name in ("easy", "medium", "hard")),
    "budgets[].observed[].risk_bound[]",
    "budgets[].observed[].bound.status",
    "budgets[].observed[].bound.interval[]",
    "budgets[].observed[].target_risk.value",
    "budgets[].observed[].target_risk.interval[]",
}
"""What bootstrap fits and runs that the file does not hold decide, and words."""


def mixed_runs():
    """Runs on single strata, and on a mixture that does better than they do."""
    rng = np.random.default_rng(3)
    for budget in (1000, 2000, 4000):
        for seed in range(3):
            run = make_run("medium", budget, seed, rng=rng)
            tests = {name: Measured(mean=0.02, n=1000) for name in run.tests}
            yield replace(run, train_weights=HALF, difficulty=6.25, tests=tests)


def counted(tmp_path):
    runs = make_runs(seeds=1)
    path = tmp_path / "target.jsonl"
    path.write_text("".join(json.dumps({"difficulty": d}) + "\n" for d in [3, 4, 6, 9, 9, 10, 4]))
    target = read_target(path, strata_of(runs))
    return plan(
        RunSet(runs=runs, path="runs.jsonl", sha256=HASH), target, PlanSettings(n_fits=60, grid=4)
    )


def measured_runs():
    """Runs whose risk on the target was measured, of two bases."""
    for i, run in enumerate(make_runs(seeds=1)):
        yield replace(run, target=Measured(mean=0.1 + 0.03 * i, n=500), base=f"b{i % 7 == 6}")


@pytest.fixture(scope="module")
def plans(tmp_path_factory):
    made = {
        "as run": made_plan(),
        "far": made_plan(budgets=(500, 2000, 300_000)),
        "one budget": made_plan(make_runs(budgets=(1000,), seeds=1), budgets=(1000, 2000)),
        "mixed": made_plan([*make_runs(seeds=1), *mixed_runs()], budgets=(1000, 8000)),
        "counted": counted(tmp_path_factory.mktemp("target")),
        "measured": made_plan([*measured_runs()], target={}),
        "two difficulties": made_plan(
            [r for r in make_runs(seeds=1) if "easy" not in r.train_weights], grid=2
        ),
    }
    assert all(isinstance(each, Plan) for each in made.values())
    return {name: json.loads(each.to_json()) for name, each in made.items()}


NAMES = ["as run", "far", "one budget", "mixed", "counted", "measured", "two difficulties"]


@pytest.mark.parametrize("name", NAMES)
def test_real_plans_verify(plans, name):
    report = verify_plan(plans[name])
    assert report.findings == []
    assert report.checks > 200
    assert {kind_of(path) for path in report.unchecked} <= ALWAYS_FREE


@pytest.mark.parametrize("name", NAMES)
def test_every_other_field_is_found_out(plans, name):
    document = plans[name]
    unchecked, tried = set(verify_plan(document).unchecked), 0
    for keys in edits(document):
        value = at(document, keys)
        if (isinstance(value, (dict, list)) and value) or dotted(keys) in unchecked:
            continue
        for other in others(value):
            report = verify_plan(tampered(document, keys, other))
            assert any(kin(dotted(keys), field) for field in names(report)), (keys, value, other)
            tried += 1
    assert tried > 100


def test_the_numbers_that_are_read_are_checked(plans):
    """Of each budget the two optima, the risk and the parts of the bound; the sums of shares."""
    checked = {path for path, _ in leaves(plans["as run"])}
    checked -= set(verify_plan(plans["as run"]).unchecked)
    for i in range(3):
        at_budget = f"budgets[{i}]."
        for field in (
            "budget",
            "extrapolation",
            "optimal_difficulty.value",
            "predicted_risk.value",
            "certificate_optimal_difficulty.value",
            "certificate_optimal_difficulty.status",
            "certificate_optimal_difficulty.interval[0]",
            *(f"objective.{part}_gap.value" for part in ("generalization", "extrapolation")),
            *(f"objective.{part}_gap.interval[1]" for part in ("generalization", "extrapolation")),
            "objective.empirical_risk.value",
            "observed[0].bound.value",
            "mixture.best_single_stratum",
        ):
            assert at_budget + field in checked, field


def test_what_is_wrong_only_together_is_named(plans):
    def fields(name, change):
        changed = copy.deepcopy(plans[name])
        change(changed)
        return names(verify_plan(changed))

    def no_warning(p):
        p["unknown"] = [text for text in p["unknown"] if "How good the forecast" not in text]

    assert "unknown" in fields("far", no_warning)
    assert "assumptions" in fields("far", lambda p: p["assumptions"].clear())

    def shares(p):
        p["budgets"][0]["mixture"]["weights"]["easy"] += 0.01

    assert "budgets[0].mixture.weights" in fields("mixed", shares)

    def swapped(p):
        p["budgets"] = p["budgets"][::-1]

    assert "budgets" in fields("as run", swapped)

    def better(p):
        best = p["difficulties"].index(p["budgets"][0]["optimal_difficulty"]["value"])
        p["budgets"][0]["by_difficulty"]["predicted_risk"][best - 1] = 0.0

    assert {"budgets[0].optimal_difficulty.value"} <= fields("as run", better)

    def certified(p):
        p["budgets"][1]["certificate_optimal_difficulty"]["status"] = "certificate"

    at_optimum = "certificate_optimal_difficulty.status"
    assert f"budgets[1].{at_optimum}" in fields("far", certified)
    assert "gap.status" in fields("as run", lambda p: p["gap"].update(status="certificate"))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mangled_plans_are_judged(data, plans):
    document = copy.deepcopy(plans[data.draw(st.sampled_from(NAMES))])
    for _ in range(data.draw(st.integers(1, 3))):
        keys = data.draw(st.sampled_from(list(edits(document))))
        value = data.draw(st.sampled_from(ODD) | st.floats(0, 1) | st.integers(0, 100))
        at(document, keys[:-1])[keys[-1]] = value
    report = verify_plan(document)
    assert set(report.unchecked) <= {path for path, _ in leaves(document)}
    json.dumps([finding.recomputed for finding in report.findings])


@pytest.mark.parametrize("document", [{}, {"schema": "pacbayes.plan/1", "budgets": [math.pi]}])
def test_what_is_hardly_a_plan_has_findings(document):
    assert verify_plan(document).findings


@pytest.fixture(scope="module")
def from_files(tmp_path_factory):
    """Plans of runs in a file: of single strata, with mixtures, of two bases."""
    made = {}
    for name, runs, target in (
        ("single", make_runs(seeds=2), TARGET),
        ("mixed", [*make_runs(seeds=1), *mixed_runs()], TARGET),
        ("measured", measured_runs(), {}),
    ):
        path = tmp_path_factory.mktemp(name) / "runs.jsonl"
        path.write_text("".join(json.dumps(run.to_dict()) + "\n" for run in runs))
        found = read_runs(path)
        shares = Target(weights=target, path=None, sha256=None, n=None)
        settings = PlanSettings(budgets=(1000, 2000, 9000), n_fits=60, grid=4)
        made[name] = (json.loads(plan(found, shares, settings).to_json()), path)
    return made


def checked(document, path):
    report = verify_plan(document)
    if not report.findings:
        check_runs(document, report, path)
    return report


@pytest.mark.parametrize("name", ["single", "mixed", "measured"])
def test_what_only_the_runs_can_tell_is_found_out(from_files, name):
    document, path = from_files[name]
    report = checked(document, path)
    assert report.findings == []
    told, tried = set(verify_plan(document).unchecked) - set(report.unchecked), set()
    for keys in edits(document):
        value = at(document, keys)
        if dotted(keys) not in told or (isinstance(value, (dict, list)) and value):
            continue
        for other in others(value):
            found = checked(tampered(document, keys, other), path)
            assert any(kin(dotted(keys), field) for field in names(found)), (keys, other)
        tried.add(kind_of(dotted(keys)))
    wanted = {"runs.sha256", "runs.number", "loss", "delta", "budgets[].observed[].seed"}
    assert tried >= wanted


def test_other_runs_than_the_plan_was_made_from_are_found_out(from_files, tmp_path):
    document, path = from_files["single"]
    lines = path.read_text().splitlines(keepends=True)
    for change, field in (
        (lines[1:], "runs.number"),
        ([lines[0].replace('"seed": 0', '"seed": 7'), *lines[1:]], "budgets[0].observed[0].seed"),
        ([line.replace("exact", "nll") for line in lines], "loss"),
    ):
        (tmp_path / "runs.jsonl").write_text("".join(change))
        found = {f.field for f in checked(document, tmp_path).findings}
        assert {field, "runs.sha256"} <= found
    for damaged in ("{", "[]", "{}", '{"loss": 1}', "\xff"):
        (tmp_path / "runs.jsonl").write_bytes(damaged.encode("latin-1"))
        with pytest.raises(UnreadableError, match="holds what is no run"):
            checked(document, tmp_path)
    with pytest.raises(UnreadableError, match="cannot be read"):
        checked(document, tmp_path / "nowhere")
