"""Reading studies: runs are placed, and what cannot be understood is an error that says where."""

import json
import shutil
from importlib.resources import files

import numpy as np
import pytest

from benchmarks.empirics.bounds import lower_bound, violations_of
from benchmarks.empirics.grid import grid_of
from benchmarks.empirics.mixes import PRACTITIONER, mixture_name, practitioner_shares
from benchmarks.empirics.noise import intervals_of_means, spread_of_risk
from benchmarks.empirics.notebook import NOTEBOOK, with_answer
from benchmarks.empirics.ranks import spearman
from benchmarks.empirics.studies import read_studies
from pacbayes.errors import InputError
from tests.empirics.invented import BUDGETS, STRATA, write_study


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return read_studies(write_study(tmp_path_factory.mktemp("study")))


@pytest.mark.parametrize(
    ("budget", "size"),
    [(1, "small"), (1999, "small"), (2000, "medium"), (10000, "medium"), (10001, "large")],
)
def test_practitioners_mix_by_budget(budget, size):
    assert practitioner_shares(budget) == PRACTITIONER[size]
    assert sum(PRACTITIONER[size]) == pytest.approx(1)


def test_mixtures_are_known_by_their_weights():
    thirds = dict.fromkeys(STRATA[:3], 1 / 3)
    assert mixture_name(thirds, STRATA, 1000) == "without_hardest"
    small = dict(zip(STRATA, PRACTITIONER["small"], strict=True))
    assert mixture_name(small, STRATA, 1000) == "practitioner"
    # three of eight units each for two strata, and two for the third
    eighths = dict(zip(STRATA, (0.375, 0.375, 0.25, 0.0), strict=True))
    assert mixture_name(eighths, STRATA, 8) == "without_hardest"
    # the mix of small budgets is no practitioner's at a large one
    assert mixture_name(small, STRATA, 20000) is None


def test_runs_are_placed(studies):
    study = studies[0]
    grid = grid_of(study)
    assert (grid.strata, grid.budgets, grid.seeds) == (STRATA, BUDGETS, (0, 1, 2))
    assert grid.mixtures == ("all", "practitioner", "without_easiest", "without_hardest")
    for run in study.found.runs:
        if run.train_weights == {"6..7": 1.0} and (run.budget, run.seed) == (375, 1):
            assert grid.target[2, 1, 1] == run.target.mean
            assert grid.log_kl[2, 1, 1] == pytest.approx(np.log(run.kl))
            mean = np.mean([run.tests[name].mean for name in STRATA])
            assert grid.tested[2, 1, 1] == pytest.approx(mean)


def test_a_budget_without_every_stratum_is_left_out(tmp_path):
    folder = write_study(tmp_path, bases=("weak",), mixtures=False, seeds=1)
    path = folder / "invented.cpu.weak.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    kept = [s for s in lines if not ('"8..9": 1.0' in s and '"budget": 3375' in s)]
    path.write_text("".join(kept))
    grid = grid_of(*read_studies(folder))
    assert grid.left_out == (3375,)
    assert grid.budgets == (125, 375, 1125, 10125)


def test_the_shipped_pilots_are_in_format(tmp_path):
    shipped = files("pacbayes.sample") / "pilots" / "runs.jsonl"
    shutil.copy(str(shipped), tmp_path / "sample.one.jsonl")
    note = {
        "strata": [{"name": name} for name in ("easy", "medium", "hard")],
        "target": {"weights": {"easy": 0.2, "medium": 0.3, "hard": 0.5}},
        "bases": {"one": {}},
    }
    (tmp_path / "sample.json").write_text(json.dumps(note))
    (study,) = read_studies(tmp_path)
    grid = grid_of(study)
    assert grid.target.shape == (3, 3, 1)
    found = violations_of([study])
    assert (found.certificates, found.clearly_below) == (9, 0)


def test_certificates_that_are_wrong_are_told(tmp_path, studies):
    broken = read_studies(write_study(tmp_path, broken=True, bases=("weak",)))
    found = violations_of(broken)
    assert found.below > 0.9
    assert found.clearly_below > 0.5
    assert violations_of(studies).clearly_below == 0


def test_lower_bounds_of_a_risk():
    # closed form: with no error 0, with n of n failure^(1/n)
    assert lower_bound(0.0, 50, 0.01, "exact") == 0
    assert lower_bound(1.0, 50, 0.01, "exact") == pytest.approx(0.01 ** (1 / 50))
    assert lower_bound(0.4, 50, 0.01, "token") < lower_bound(0.4, 50, 0.01, "exact") < 0.4


def test_spearman():
    assert spearman([[1, 2, 3], [3, 2, 1]], [1, 2, 3]).tolist() == [1, -1]
    assert spearman([1, 1, 1], [1, 2, 3]) == 0
    from scipy.stats import spearmanr

    x, y = np.random.default_rng(0).integers(0, 4, (2, 30))
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)


def test_intervals_of_means_cover():
    """The 90 % interval of a mean of three seeds covers in 80 to 97 % of 200 cells.

    Standard error of the share 2.1 %; a spread that half the cells lend one another is a little
    off for a normal interval, hence the room below.
    """
    rng = np.random.default_rng(3)
    values = 0.4 + 0.03 * rng.standard_normal((200, 3))
    low, high = intervals_of_means(values, spread_of_risk(values, 1000))
    assert 0.8 < np.mean((low < 0.4) & (high > 0.4)) < 0.97


def test_the_answer_of_the_notebook_is_replaced_and_nothing_else():
    text = NOTEBOOK.read_text(encoding="utf-8")
    new = with_answer(text, ["One line.", "Another " + "long " * 30 + "line."])
    assert "# - One line.\n# - Another" in new
    assert max(map(len, new.splitlines())) <= 100
    assert with_answer(new, ["One line.", "Another " + "long " * 30 + "line."]) == new
    tail = text[text.index("import os") :]
    assert new.endswith(tail)
    with pytest.raises(InputError, match="not a notebook"):
        with_answer("no cells", [])


NOTE = "invented.cpu.json"


def change(folder, **keys):
    note = json.loads((folder / NOTE).read_text())
    (folder / NOTE).write_text(json.dumps(note | keys))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"strata": None}, "a study needs `strata`"),
        ({"strata": [{"name": "2..3"}]}, "was trained on"),
        ({"target": {"weights": {"2..3": 0.5}}}, "must sum to 1"),
        ({"bases": {}}, "`bases` is empty"),
        ({"bases": {"other": {}}}, "invented.cpu.other.jsonl"),
        ({"bases": {"weak": {"tests": {"2..3": {"mean": 0.5}}}}}, "must have `mean` and `n`"),
    ],
)
def test_bad_notes_are_errors(tmp_path, keys, message):
    folder = write_study(tmp_path, bases=("weak",), mixtures=False, seeds=1)
    change(folder, **keys)
    with pytest.raises(InputError, match=message):
        read_studies(folder)


def test_strata_in_another_order_are_an_error(tmp_path):
    folder = write_study(tmp_path, bases=("weak",), mixtures=False, seeds=1)
    change(folder, strata=[{"name": name} for name in STRATA[::-1]])
    (study,) = read_studies(folder)
    with pytest.raises(InputError, match="must come from easy to hard"):
        grid_of(study)


@pytest.mark.parametrize(("text", "message"), [("{", "not JSON"), ("[]", "not a JSON object")])
def test_broken_files_are_errors(tmp_path, text, message):
    (tmp_path / NOTE).write_text(text)
    with pytest.raises(InputError, match=message):
        read_studies(tmp_path)
    with pytest.raises(InputError, match="no study here"):
        read_studies(tmp_path / "empty")
