"""The shipped pilot runs: real, few and noisy, and a plan from them that says so."""

from pathlib import Path

import pacbayes.sample
from pacbayes.planning.planner import PlanSettings, plan
from pacbayes.planning.target import parse_target_weights
from pacbayes.runs import read_runs

PILOTS = Path(pacbayes.sample.__file__).parent / "pilots"


def test_shipped_runs_make_a_plan_that_admits_its_noise():
    runs = read_runs(PILOTS)
    assert len(runs.runs) == 9
    assert {run.budget for run in runs.runs} == {1000, 2000, 4000}
    target = parse_target_weights("easy=.2,medium=.3,hard=.5")
    found = plan(runs, target, PlanSettings(n_fits=100, budgets=(1000, 4000, 16000)))
    # one run a cell, and medium was worse at 4000 than at 2000: nothing is decided
    assert found.comparative_statics.verdict == "undecided"
    assert found.kl_growth.verdict == "shift"
    last = found.budgets[-1].optimal_difficulty
    assert len(last.indistinguishable) > len(found.difficulties) / 2
    assert any("No cell has two seeds" in sentence for sentence in found.unknown)
