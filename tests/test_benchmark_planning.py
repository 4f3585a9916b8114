"""The benchmark of planners: its scores are what they say, and its baselines do what they say."""

import json
import sys

import numpy as np
import pytest

from benchmarks import planning
from benchmarks.perceptron.worlds import PERCEPTRONS
from benchmarks.planners import PLANNERS, Plan
from benchmarks.worlds import parametric_world

BUDGETS = np.array([1e3, 1e4])


@pytest.fixture(scope="module")
def judge():
    return planning.Judge("parametric", parametric_world(0))


def test_who_knows_the_truth_has_no_excess(judge):
    world = judge.world

    def oracle(pilots, budgets, grid, seed):
        best = np.array([world.optimal_difficulty(budget) for budget in budgets])
        return Plan(difficulty=best, may_be_best=grid == best[:, None], warning=False)

    score = judge.score("oracle", oracle, 0)
    assert score.excess == [0.0] * 5
    assert score.covered == [True] * 5
    assert score.size == pytest.approx([1 / 101] * 5)
    assert score.warned is False
    assert score.mixture is None


def test_excess_is_relative_to_the_best_difficulty(judge):
    score = judge.score("easiest", PLANNERS["easiest"], 0)
    world, n = judge.world, judge.world.budgets()[3]
    least = min(float(world.target_risk(d, n)) for d in world.grid)
    assert score.excess[3] == pytest.approx(float(world.target_risk(0.1, n)) / least - 1)
    assert score.covered is None


def test_a_mixture_is_judged_against_the_best_single_stratum(judge):
    world = judge.world

    def pure(pilots, budgets, grid, seed):
        best = [np.argmin(world.target_risk(world.strata, n)) for n in budgets]
        return Plan(train_weights=np.eye(5)[best])

    score = judge.score("pure", pure, 0)
    assert score.mixture == pytest.approx([0.0] * 5, abs=1e-12)
    assert score.excess is None


def test_the_table_has_means_by_family_and_planner(judge):
    scores = [judge.score("easiest", PLANNERS["easiest"], seed) for seed in (0, 1)]
    (row,) = planning.table(scores)
    assert row["excess"] == pytest.approx(np.mean(scores[0].excess))
    assert row["by_budget"]["16"] == pytest.approx(scores[0].excess[4])
    assert (row["worlds"], row["pilots"], row["error"], row["coverage"]) == (1, 2, None, None)
    assert list(planning.lines([row]))[1].split()[:2] == ["parametric", "easiest"]


def test_total_variation_stays_with_the_easiest_perceptron_data():
    world = PERCEPTRONS["weak probe"]()
    pilots = world.pilots(np.random.default_rng(0))
    n = world.budgets()
    plan = PLANNERS["total variation"](pilots, n, world.grid, 0)
    assert plan.difficulty == pytest.approx(np.full(5, 0.1))
    assert np.all(world.target_risk(0.1, n[3:]) > 2 * world.target_risk(0.7, n[3:]))


def test_constant_planners():
    world = parametric_world(1)
    pilots = world.pilots(np.random.default_rng(0))
    for name, expected in (("easiest", 0.1), ("middle", 0.5), ("hardest", 0.9)):
        plan = PLANNERS[name](pilots, BUDGETS, world.grid, 0)
        assert plan.difficulty == pytest.approx(np.full(2, expected))
    means = pilots.target_risk.reshape(5, 3, 3)[:, -1].mean(axis=1)
    best = world.strata[np.argmin(means)]
    assert np.all(PLANNERS["best pilot"](pilots, BUDGETS, world.grid, 0).difficulty == best)


def test_learning_curves_beat_the_baselines_in_four_worlds():
    """No statistics: fixed worlds and pilots. The full benchmark has many."""
    means = {name: [] for name in PLANNERS if name != "target mixture"}
    for number in range(4):
        judge = planning.Judge("parametric", parametric_world(number))
        for name, excess in means.items():
            excess.append(np.mean(judge.score(name, PLANNERS[name], 0).excess))
    means = {name: np.mean(excess) for name, excess in means.items()}
    assert means.pop("learning curves") < min(0.04, *means.values())


def test_the_command_prints_a_table_and_writes_json(tmp_path, monkeypatch, capsys):
    out = tmp_path / "planning.json"
    worlds = "--worlds 1 --seeds 1 --first-seed 7 --family parametric jump"
    arguments = f"{worlds} --planner easiest middle --out"
    monkeypatch.setattr(sys, "argv", ["planning", *arguments.split(), str(out)])
    planning.main()
    assert len(capsys.readouterr().out.splitlines()) == 5
    found = json.loads(out.read_text())
    assert [score["world"] for score in found["scores"]] == ["parametric-0"] * 2 + ["jump-0"] * 2
    assert {score["seed"] for score in found["scores"]} == {7}
    assert [row["kind"] for row in found["table"]] == ["well specified"] * 2 + ["misspecified"] * 2
