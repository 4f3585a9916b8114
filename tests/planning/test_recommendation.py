import json
import math

import pytest

from pacbayes.errors import InputError
from pacbayes.planning.recommendation import read_recommendation
from pacbayes.planning.rules import Interval, LabelMixture, Mixture, Nearest

PLAN = {
    "schema": "pacbayes.plan/1",
    "strata": [
        {"name": "easy", "difficulty": 3, "low": None, "high": 4},
        {"name": "hard", "difficulty": 8, "low": 4, "high": None},
    ],
    "budgets": [
        {
            "budget": 100,
            "optimal_difficulty": {"value": 5.5},
            "mixture": {"weights": {"easy": 0.25, "hard": 0.75}},
        },
        {"budget": 200, "optimal_difficulty": {"value": 6.5}, "mixture": None},
        {"budget": 300, "mixture": {"weights": {"easy": 1}}},
    ],
}


@pytest.fixture
def plan(tmp_path):
    def write(**changes):
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(PLAN | changes))
        return path

    return write


def test_mixture_over_the_plans_intervals(plan):
    assert read_recommendation(plan(), 100).rule() == Mixture(
        weights={"easy": 0.25, "hard": 0.75},
        strata=(
            Interval(name="easy", low=-math.inf, high=4),
            Interval(name="hard", low=4, high=math.inf),
        ),
    )


def test_mixture_over_labels(plan):
    weights = {"easy": 0.25, "hard": 0.75}
    given = read_recommendation(plan(), 100).rule(stratum_field="level")
    assert given == LabelMixture(weights=weights, stratum_field="level")
    unknown = plan(strata=[{"name": "easy", "low": None, "high": None}])
    assert read_recommendation(unknown, 100).rule() == LabelMixture(weights=weights)


def test_optimal_difficulty(plan):
    assert read_recommendation(plan(), 100).rule(by="difficulty") == Nearest(difficulty=5.5)
    assert read_recommendation(plan(), 200).rule() == Nearest(difficulty=6.5)


@pytest.mark.parametrize(
    ("budget", "by", "message"),
    [
        (150, None, r"plan\.json: has no budget of 150, only 100, 200, 300"),
        (200, "mixture", "the plan has no mixture for a budget of 200"),
        (300, "difficulty", "the plan has no optimal difficulty for 300"),
    ],
)
def test_what_a_plan_lacks(plan, budget, by, message):
    with pytest.raises(InputError, match=message):
        read_recommendation(plan(), budget).rule(by=by)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "pacbayes.certificate/1"}, "the schema pacbayes.plan/1, got 'pacbayes.cert"),
        ({"budgets": 3}, "is no pacbayes.plan/1 as"),
        ({"budgets": [{}]}, "is no pacbayes.plan/1 as"),
        ({"budgets": [{"budget": 100, "mixture": {"weights": 3}}]}, "is no pacbayes.plan/1 as"),
        ({"budgets": [{"budget": 100, "mixture": {"weights": {"a": "x"}}}]}, "is no pacbayes.plan"),
    ],
)
def test_files_that_are_no_plan(plan, changes, message):
    with pytest.raises(InputError, match=message):
        read_recommendation(plan(**changes), 100)


def test_unreadable_plans(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read \(No such file"):
        read_recommendation(tmp_path / "plan.json", 1)
    (tmp_path / "plan.json").write_text("[1")
    with pytest.raises(InputError, match="is no plan: malformed JSON"):
        read_recommendation(tmp_path / "plan.json", 1)
