"""`pacbayes bounds`: the list, the ranking, bad input, and that it is light."""

import json
import subprocess
import sys

import pytest

from pacbayes import bounds
from pacbayes.bounds import BOUNDS

AT = ["--risk", ".02", "--kl", "300", "--n", "30000"]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from pacbayes.cli import main; main()", "bounds", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_lists_every_theorem_with_its_statement():
    shown = run()
    assert shown.returncode == 0
    listed = json.loads(run("--json").stdout)
    assert list(listed) == list(BOUNDS)
    for name, bound in BOUNDS.items():
        assert f"\n{name}\n" in f"\n{shown.stdout}"
        for fact in (bound.statement, bound.assumptions, bound.event, bound.reference):
            assert fact in shown.stdout
        assert listed[name]["statement"] == bound.statement


def test_shows_one_theorem_as_its_docstring_has_it():
    shown = run("catoni").stdout
    assert shown.startswith("catoni(empirical_risk, kl, n, c, delta)\n")
    assert "For fixed C > 0, with probability ≥ 1 − δ, for all Q" in shown


def test_ranks_all_that_apply():
    found = json.loads(run(*AT, "--json").stdout)
    rows = {row["name"]: row for row in found["bounds"]}
    at = {"empirical_risk": 0.02, "kl": 300.0, "n": 30000, "delta": 0.05}
    assert rows["seeger_maurer"]["upper"] == bounds.seeger_maurer(**at)
    assert rows["seeger_maurer"]["lower"] == bounds.seeger_maurer_lower(**at)
    assert rows["unexpected_bernstein"]["upper"] == pytest.approx(0.048045053, abs=1e-9)
    assert rows["tolstikhin_seldin"]["upper"] == pytest.approx(0.066877822, abs=1e-9)
    assert rows["test_set_binomial"]["upper"] == pytest.approx(0.021381148, abs=1e-9)
    pac = [row["upper"] for row in found["bounds"] if not row["held_out"]]
    assert pac == sorted(pac)
    # that of one drawn hypothesis takes another number for `kl`
    assert "disintegrated_kl" not in rows


def test_table_rounds_outward():
    lines = run(*AT).stdout.splitlines()
    assert lines[0] == "Taken as 600 errors among 30000 losses of 0 or 1; --graded if they are not."
    (row,) = [line.split() for line in lines if line.strip().startswith("seeger_maurer ")]
    exact = bounds.certified("seeger_maurer", empirical_risk=0.02, kl=300.0, n=30000, delta=0.05)
    assert exact <= float(row[1]) <= exact + 1e-9
    assert "give each delta/5" in lines[-2]


def test_graded_losses_get_no_bound_that_counts_errors():
    names = [row["name"] for row in json.loads(run(*AT, "--graded", "--json").stdout)["bounds"]]
    assert not {"test_set_binomial", "log_wealth", "unexpected_bernstein"} & set(names)
    further = json.loads(
        run(*AT, "--graded", "--json", "--set", "second_moment=.001", "--set", "catoni.c=1").stdout
    )
    names = [row["name"] for row in further["bounds"]]
    assert {"unexpected_bernstein", "catoni"} <= set(names)
    assert "uniform_catoni" in names  # at its best c and gamma, as gamma is not given


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--risk", "2", "--kl", "3", "--n", "9"], "`empirical_risk` must lie in [0, 1], got 2.0."),
        (
            ["--risk", "nan", "--kl", "3", "--n", "9"],
            "`empirical_risk` must lie in [0, 1], got nan",
        ),
        ([*AT, "--delta", "1"], "`delta` must lie in (0, 1), got 1.0."),
        (["--risk", ".1", "--kl", "-3", "--n", "9"], "`kl` must be at least 0, got -3.0."),
        (["--risk", ".1", "--kl", "3", "--n", "0"], "`n` must be at least 1, got 0.0."),
        (["--risk", ".1"], "--risk, --kl and --n must be given together."),
        ([*AT, "--set", "lam"], "--set lam: must be NAME=VALUE with a number, as variance=.01"),
        ([*AT, "--set", "gamma=1"], "No bound takes `gamma` of the sample; constants go by"),
        ([*AT, "--set", "catoni.x=1"], "`catoni` has no constant `x`; its constants: c."),
        ([*AT, "--set", "catono.c=1"], "There is no bound named `catono`. Did you mean catoni?"),
        (["seeger"], "There is no bound named `seeger`."),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_imports_nothing_heavy():
    code = (
        "import sys; from pacbayes.cli import app; "
        f"app(['bounds', *{AT!r}], standalone_mode=False); "
        "print(sorted({'torch', 'transformers', 'peft', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
