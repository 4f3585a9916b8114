"""`pacbayes select` as its users meet it: exit codes, streams, files, and every bad input."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.plans import hand_made_plan


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    records = [
        {"text": f"t{i}", "difficulty": 1 + i % 10, "level": "odd" if i % 2 else "even"}
        for i in range(300)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def select(pool, run_program):
    """Runs the command on the pool; gives its exit code, stdout and stderr."""
    from pacbayes.cli import main

    def run(*arguments, budget=20, out="out.jsonl"):
        given = ["--pool", pool, "--budget", budget, "--out", pool.with_name(out), *arguments]
        return run_program(main, "pacbayes", "select", *given)

    return run


def difficulties(path):
    return [json.loads(text)["difficulty"] for text in path.read_text().splitlines()]


def test_window(select, pool):
    code, out, err = select("--window", 3, 5, "--seed", 1)
    assert (code, err) == (0, "")
    assert set(difficulties(pool.with_name("out.jsonl"))) == {3, 4, 5}
    assert "Chosen: 20 of 300 units, 20 of 300 records; difficulty 3 to 5" in out
    report = json.loads(pool.with_name("out.jsonl.report.json").read_text())
    assert f"Seed 1; SHA-256 pool {report['pool']['sha256'][:16]}" in out


def test_edges_name_the_strata(select):
    code, out, _ = select("--weights", "easy=.25,medium=0,hard=.75", "--edges", "4,7")
    assert code == 0
    rows = [row.split() for row in out.splitlines()[1:3]]
    assert [row[:5] for row in rows] == [
        ["easy", "0.2500", "5", "5", "120"],
        ["hard", "0.7500", "15", "15", "90"],
    ]


def test_levels_without_difficulty(select, pool):
    pool.write_text(pool.read_text().replace('"difficulty"', '"other"'))
    code, out, _ = select("--weights", "odd=0.5,even=0.5", "--levels", "level")
    assert code == 0
    assert "difficulty -; in the pool -." in out


def test_plan(select, pool):
    made = hand_made_plan(budgets=(1000,))
    answer = replace(made.budgets[0], budget=100)
    plan = pool.with_name("plan.json")
    replace(made, budgets=(answer,)).write(plan)
    code, out, _ = select("--plan", plan, "--json", budget=100)
    assert code == 0
    report = json.loads(out)
    assert [s["supplied"] for s in report["strata"]] == [
        pytest.approx(100 * answer.mixture.weights[name], abs=1)
        for name in ("easy", "medium", "hard")
    ]
    assert report["plan"]["path"] == str(plan)
    code, _, _ = select("--plan", plan, "--by", "difficulty", "--overwrite", budget=60)
    assert code == 2
    code, _, _ = select("--plan", plan, "--by", "difficulty", "--overwrite", budget=100)
    assert code == 0
    best = answer.optimal_difficulty.value
    chosen = set(difficulties(pool.with_name("out.jsonl")))
    left = set(range(1, 11)) - chosen
    assert max(abs(d - best) for d in chosen) <= min(abs(d - best) for d in left)


def test_short_pools(select, pool):
    code, out, err = select("--window", 3, 3, budget=31)
    assert (code, out) == (2, "")
    assert "'3<=difficulty<=3' has 30 of 31 wanted. At most it can supply 30" in err
    code, out, err = select("--window", 3, 3, "--allow-short", budget=31)
    assert code == 0
    assert err == "note: 30 units of the 31 that were asked for.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give exactly one of --window, --difficulty, --weights, --plan; got none."),
        (["--difficulty", 3, "--window", 1, 2], "exactly one of"),
        (["--difficulty", "nan"], "--difficulty must be finite"),
        (["--window", 2, 1], "--window must be two finite numbers"),
        (["--difficulty", 3, "--edges", "4"], "--edges are those between the strata"),
        (["--difficulty", 3, "--levels", "level"], "--levels are the strata of a mixture"),
        (["--weights", "a=1", "--edges", "4", "--levels", "x"], "give one of them"),
        (["--weights", "a=.5,b=.5", "--edges", "4,x"], "--edges must be numbers"),
        (["--weights", "a=.5,a=.5"], "--weights must be NAME=SHARE"),
        (["--weights", ".5,.5"], "--weights must be NAME=SHARE"),
        (["--weights", "a=x"], "--weights: the share of 'a' must be a number, got 'x'"),
        (["--weights", "odd=1"], "there is no stratum 'odd'; there are none"),
        (["--difficulty", 3, "--by", "mixture"], "--by says what of a plan"),
        (["--difficulty", 3, "--by", "luck"], "--by must be mixture or difficulty, got 'luck'"),
        (["--difficulty", 3, "--seed", -1], "--seed must lie in [0, 2**64), got -1"),
        (["--plan", "no.json"], "no.json: cannot be read"),
    ],
)
def test_bad_input_is_one_line(select, pool, arguments, message):
    code, out, err = select(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert [p.name for p in pool.parent.iterdir()] == ["pool.jsonl"]


def test_budgets_of_zero(select):
    assert "--budget must be at least 1, got 0" in select("--difficulty", 3, budget=0)[2]


def test_a_pool_without_difficulty(select, pool):
    lines = pool.read_text().splitlines()
    lines[7] = '{"text": "t"}'
    pool.write_text("\n".join(lines))
    code, out, err = select("--difficulty", 3)
    assert (code, out) == (2, "")
    assert "pool.jsonl:8: record without `difficulty`, by which units are chosen; score the" in err
    assert [p.name for p in pool.parent.iterdir()] == ["pool.jsonl"]


def test_what_is_there_is_not_overwritten(select, pool):
    code, _, err = select("--difficulty", 3, out="pool.jsonl")
    assert code == 2
    assert "is the pool itself" in err
    pool.with_name("out.jsonl").write_text("mine")
    code, _, err = select("--difficulty", 3)
    assert code == 2
    assert "out.jsonl: exists; give another --out, or --overwrite." in err
    assert pool.with_name("out.jsonl").read_text() == "mine"
    assert select("--difficulty", 3, "--overwrite")[0] == 0


def test_imports_nothing_heavy(pool):
    arguments = ["select", "--pool", str(pool), "--budget", "9", "--difficulty", "4"]
    arguments += ["--out", str(pool.with_name("o.jsonl"))]
    code = (
        f"import sys; from pacbayes.cli import app; app({arguments!r}, standalone_mode=False); "
        "print(sorted({'torch', 'transformers', 'peft', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
