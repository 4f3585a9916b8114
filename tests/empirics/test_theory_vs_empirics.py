"""The comparison of theory and experience in invented studies whose truth is known."""

import json
import sys

import numpy as np
import pytest

from benchmarks import theory_vs_empirics
from benchmarks.empirics.as_json import as_json
from benchmarks.empirics.comparison import report_on
from benchmarks.empirics.goals import goals_of
from benchmarks.empirics.studies import read_studies
from benchmarks.empirics.tables import tables_of
from tests.empirics.invented import BUDGETS, STRATA, shifting, still, write_study

FITS = 40


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return report_on(read_studies(write_study(tmp_path_factory.mktemp("shifting"))), FITS)


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("still"), still, bases=("weak",))
    return report_on(read_studies(folder), FITS)


def verdicts(report):
    found = [o.verdict for each in report.comparisons for o in each.observations]
    return found + [o.verdict for o in report.stronger_base.values()]


def test_what_is_true_is_reproduced(report):
    """No statistics: the invented effects are several standard errors, and the seeds are fixed."""
    assert set(verdicts(report)) == {"reproduced"}


def test_what_is_false_is_not_reproduced(twin):
    assert set(verdicts(twin)) == {"not reproduced"}


@pytest.mark.parametrize("place", [0, 1])
def test_the_best_difficulty_is_found(report, place):
    each = report.comparisons[place]
    truth = shifting(stronger=each.study.base == "strong")
    risks = np.array([[truth.risk(w, n).mean() for n in BUDGETS] for w in np.eye(4)])
    assert each.best.place.tolist() == risks.argmin(axis=0).tolist()
    assert each.best.may_be_best[np.arange(5), each.best.place].all()
    assert each.by_way["easiest"].risk == pytest.approx(risks[0], abs=0.03)
    excess = (risks[0] / risks.min(axis=0) - 1).mean()
    found = each.by_way["easiest"].mean_relative
    assert found.value == pytest.approx(excess, rel=0.15)
    assert each.by_way["random"].risk == pytest.approx(
        np.mean(
            [
                each.by_way[way].risk
                for way in ("easiest", "lower middle", "upper middle", "hardest")
            ],
            axis=0,
        )
    )


def test_the_mechanism_is_told_from_its_reverse(report, twin):
    for each in report.comparisons:
        assert each.mechanism.kl.rises.value == 1
        assert each.mechanism.gap.rises.value == 0
        # ln KL rises by .3 a unit of difficulty, and by .4 of that of the budget
        assert each.mechanism.kl.change.value == pytest.approx(1.8, abs=0.1)
        assert each.mechanism.growth.exponent == pytest.approx(0.4, abs=0.02)
    assert all(each.mechanism.kl.rises.value == 0 for each in twin.comparisons)


def test_goals_are_met_where_the_plan_is_right(report):
    assert all(goal.met for goal in goals_of(report))


def test_movement_of_both(report, twin):
    for each in report.comparisons:
        assert each.movement.empirical.low > 0
        assert each.movement.predicted.value > 0
    for each in twin.comparisons:
        assert each.movement.empirical.value == 0


def test_tables_name_every_study_and_way(report):
    text = "\n".join(table.text() for table in tables_of(report))
    for word in ("invented.cpu weak", "invented.cpu strong", "mixture: practitioner", *STRATA):
        assert word in text
    assert "nan" not in text
    markdown = [table.markdown() for table in tables_of(report)]
    assert all(one.startswith("### ") for one in markdown)
    found = json.loads(json.dumps(as_json(report), allow_nan=False))
    first, each = found["comparisons"][0], report.comparisons[0]
    assert first["ranks"]["plan"][0] == each.ranks.plan.value
    assert first["observations"][0]["parts"][0]["name"] == "n = 125"


def test_the_command_of_one_seed_which_decides_nothing(tmp_path, monkeypatch, capsys):
    folder = write_study(tmp_path / "in", bases=("weak",), seeds=1, mixtures=False)
    out = tmp_path / "out.json"
    arguments = ["", "--results", str(folder), "--json", str(out), "--fits", str(FITS)]
    monkeypatch.setattr(sys, "argv", [*arguments, "--markdown"])
    assert theory_vs_empirics.main() == 0
    shown = capsys.readouterr().out
    assert "| plan | 2..3" in shown
    assert "nan" not in shown
    (found,) = json.loads(out.read_text())["comparisons"]
    assert found["study"]["base"] == "weak"
    assert {each["verdict"] for each in found["observations"]} == {"cannot be told"}


def test_a_folder_without_a_study_is_an_error(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["", "--results", str(tmp_path)])
    assert theory_vs_empirics.main() == 2
    assert "no study here" in capsys.readouterr().err
