import math
from dataclasses import replace

import pytest

from pacbayes.errors import InputError
from pacbayes.planning.recommendation import read_recommendation
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Nearest
from tests.plans import hand_made_plan

STRATA = (
    Interval(name="easy", low=-math.inf, high=4.75),
    Interval(name="medium", low=4.75, high=7.5),
    Interval(name="hard", low=7.5, high=math.inf),
)


@pytest.fixture
def plan(tmp_path):
    def write(plan):
        path = tmp_path / "plan.json"
        plan.write(path)
        return path

    return write


def test_mixture_over_the_plans_intervals(plan):
    made = hand_made_plan()
    weights = made.budgets[1].mixture.weights
    assert read_recommendation(plan(made), 2000).rule() == Mixture(weights=weights, strata=STRATA)


def test_mixture_over_labels(plan):
    made = hand_made_plan()
    weights = made.budgets[0].mixture.weights
    given = read_recommendation(plan(made), 1000).rule(stratum_field="level")
    assert given == LabelMixture(weights=weights, stratum_field="level")
    labels = tuple(replace(stratum, low=None, high=None) for stratum in made.strata)
    unknown = plan(replace(made, strata=labels))
    assert read_recommendation(unknown, 1000).rule() == LabelMixture(weights=weights)


def test_optimal_difficulty(plan):
    made = hand_made_plan()
    first, second = (answer.optimal_difficulty.value for answer in made.budgets[:2])
    assert read_recommendation(plan(made), 1000).rule(by="difficulty") == Nearest(difficulty=first)
    answers = (made.budgets[0], replace(made.budgets[1], mixture=None))
    without = plan(replace(made, budgets=answers))
    assert read_recommendation(without, 2000).rule() == Nearest(difficulty=second)
    with pytest.raises(InputError, match="the plan has no mixture for a budget of 2000"):
        read_recommendation(without, 2000).rule(by="mixture")
    with pytest.raises(InputError, match=r"plan\.json: has no budget of 150, only 1000, 2000"):
        read_recommendation(without, 150)


def test_files_that_are_no_plan(tmp_path):
    path = tmp_path / "plan.json"
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_recommendation(path, 1)
    path.write_text("[1")
    with pytest.raises(InputError, match="not a plan: malformed JSON"):
        read_recommendation(path, 1)
    path.write_text('{"schema": "pacbayes.certificate/1"}')
    with pytest.raises(InputError, match=r"not a plan: `schema` must be 'pacbayes\.plan/1'"):
        read_recommendation(path, 1)
