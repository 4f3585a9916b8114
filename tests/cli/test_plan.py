"""`pacbayes plan`: a plan in a folder, and bad input that leaves nothing."""

import json

import pytest

from pacbayes.cli import main
from pacbayes.plan import Plan
from tests.pilots import make_runs

WEIGHTS = ("--target-weights", "easy=.2,medium=.3,hard=.5")
QUICK = ("--bootstrap", "50", "--budgets", "1000,8000")


@pytest.fixture
def run(monkeypatch, run_program, tmp_path):
    """Runs the verb in an empty folder; returns exit code, stdout and stderr."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        return run_program(main, "pacbayes", "plan", *arguments)

    return call


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    path = tmp_path_factory.mktemp("pilots") / "runs.jsonl"
    path.write_text("".join(json.dumps(r.to_dict()) + "\n" for r in make_runs(seeds=1)))
    return path


def test_writes_plan_and_figures_and_shows_them(run, runs, tmp_path):
    code, shown, _ = run(runs, *WEIGHTS, *QUICK, "--out", "out")
    assert code == 0
    found = Plan.read(tmp_path / "out" / "plan.json")
    assert [answer.budget for answer in found.budgets] == [1000, 8000]
    assert found.runs.path == str(runs)
    names = {path.name for path in (tmp_path / "out" / "figures").iterdir()}
    assert {"optimal_difficulty.png", "optimal_difficulty.svg"} <= names
    assert "Recommended difficulty" in (tmp_path / "out" / "report.html").read_text()
    for part in ("Train at the predicted difficulty", "KL growth", "Written:"):
        assert part in shown


def test_json_is_the_plan_and_nothing_else(run, runs, tmp_path):
    target = tmp_path / "target.jsonl"
    target.write_text("".join(json.dumps({"difficulty": d}) + "\n" for d in [3, 4, 6, 9, 9, 10]))
    code, shown, noise = run(runs, "--target", target, *QUICK, "--json")
    assert (code, noise) == (0, "")
    assert Plan.from_json(shown) == Plan.read(tmp_path / "runs" / "plan" / "plan.json")
    assert json.loads(shown)["target"]["n"] == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budgets", "1000,0"), "`budgets` must be at least 1, got 0"),
        (("--budgets", "many"), "--budgets must be whole numbers"),
        (("--strata-edges", "nan,2"), "--strata-edges must be finite"),
        (("--target-weights", "easy=1", "--target", "t.jsonl"), "give one of them"),
        (("--target-weights", "easy=.5,none=.5"), "target stratum 'none' without data"),
        (("--target", "nowhere.jsonl"), "nowhere.jsonl: no such file."),
        ((), "has no measured `target`"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, runs, tmp_path, arguments, message):
    code, shown, error = run(runs, *arguments, "--out", "out")
    assert (code, shown) == (2, "")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_bad_runs_are_named(run, runs, tmp_path):
    lines = runs.read_text().splitlines()
    bad = tmp_path / "runs.jsonl"
    bad.write_text("\n".join([*lines, lines[0]]))
    code, _, error = run(bad, *WEIGHTS)
    assert code == 2
    assert f"runs.jsonl:{len(lines) + 1}: the same difficulty, budget, seed" in error
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_written_is_named(run, runs, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "figures").write_text("a file where the folder should be")
    code, _, error = run(runs, *WEIGHTS, *QUICK, "--out", "out")
    assert code == 2
    assert error.startswith("error: out/figures: cannot be written: File exists")
    assert not (tmp_path / "out" / "plan.json").exists()
