"""The plan as a file: what is written comes back, and what contradicts itself is refused."""

import dataclasses
import json
import math

import pytest

from pacbayes.errors import InputError
from pacbayes.plan import (
    BreakEven,
    KLGrowth,
    Misspecification,
    Optimum,
    PhaseDiagram,
    Plan,
    Quantity,
    StratumInfo,
    Target,
)
from tests.plans import hand_made_plan

PLAN = hand_made_plan()

KEYS = [
    "schema",
    "created",
    "version",
    "seed",
    "loss",
    "delta",
    "bases",
    "runs",
    "target",
    "strata",
    "difficulties",
    "level",
    "kl_growth",
    "comparative_statics",
    "misspecification",
    "gap",
    "budgets",
    "break_even",
    "phase_diagram",
    "unknown",
    "assumptions",
]

BUDGET_KEYS = [
    "budget",
    "extrapolation",
    "optimal_difficulty",
    "certificate_optimal_difficulty",
    "objective",
    "predicted_risk",
    "by_difficulty",
    "mixture",
    "observed",
]


def test_round_trip(tmp_path):
    assert Plan.from_json(PLAN.to_json()) == PLAN
    PLAN.write(tmp_path / "plan.json")
    assert Plan.read(tmp_path / "plan.json") == PLAN
    bare = dataclasses.replace(
        PLAN,
        phase_diagram=None,
        break_even=(),
        budgets=tuple(
            dataclasses.replace(answer, mixture=None, observed=None) for answer in PLAN.budgets
        ),
        kl_growth=KLGrowth(exponent=None, interval=None, verdict="undecided", statement=""),
        misspecification=Misspecification(statistic=None, p_value=None, warning=None),
    )
    assert Plan.from_json(bare.to_json()) == bare


def test_keys_on_disk():
    values = json.loads(PLAN.to_json())
    assert list(values) == KEYS
    assert values["schema"] == "pacbayes.plan/1"
    assert list(values["budgets"][0]) == BUDGET_KEYS
    assert list(values["budgets"][0]["objective"]) == [
        "empirical_risk",
        "generalization_gap",
        "extrapolation_gap",
    ]
    assert set(values["budgets"][0]["predicted_risk"]) == {"value", "interval", "status"}


def test_parts_add_up():
    answer = PLAN.budgets[0]
    bound = answer.by_difficulty.bound
    assert answer.objective.bound == pytest.approx(min(bound))
    assert len(bound) == len(PLAN.difficulties)


@pytest.mark.parametrize("key", KEYS)
def test_a_missing_key_is_named(key):
    values = PLAN.to_dict()
    del values[key]
    with pytest.raises(InputError, match=f"`{key}`"):
        Plan.from_dict(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": 1.0}, "`delta` must lie in"),
        ({"level": 0.0}, "`level` must lie in"),
        ({"created": "2026-01-01"}, "ISO 8601 with a time zone"),
        ({"bases": ()}, "`bases` must not be empty"),
        ({"budgets": ()}, "`budgets` must not be empty"),
        ({"budgets": PLAN.budgets[::-1]}, "`budgets` must be finite and strictly increasing"),
        ({"difficulties": PLAN.difficulties[1:]}, "an entry for each of the 20 difficulties"),
        ({"difficulties": PLAN.difficulties[::-1]}, "`difficulties` must be finite and strictly"),
        ({"strata": PLAN.strata * 2}, "`strata` must have unique names"),
        ({"schema": "pacbayes.plan/2"}, "must be 'pacbayes.plan/1'"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PLAN, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, "`budget` must be at least 1, got 0"),
        ({"extrapolation": math.nan}, "`extrapolation` must be positive"),
        (
            {"predicted_risk": Quantity(value=1.5, interval=None, status="forecast")},
            "`predicted_risk` must lie in",
        ),
        (
            {
                "optimal_difficulty": Optimum(
                    value=4.0, interval=(4.0, 4.0), indistinguishable=(4.0,), status="certificate"
                )
            },
            "must be 'forecast'",
        ),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PLAN.budgets[0], **changes)


def test_pieces_that_contradict_themselves_are_refused():
    with pytest.raises(InputError, match="`value` must be finite, got nan"):
        Quantity(value=math.nan, interval=None, status="estimate")
    with pytest.raises(InputError, match=r"`interval` must contain `value` 0.5"):
        Quantity(value=0.5, interval=(0.6, 0.7), status="estimate")
    with pytest.raises(InputError, match="`interval` must contain `exponent`"):
        KLGrowth(exponent=2.0, interval=(0.1, 0.2), verdict="shift", statement="")
    with pytest.raises(InputError, match="`interval` must be null"):
        KLGrowth(exponent=None, interval=(0.1, 0.2), verdict="shift", statement="")
    with pytest.raises(InputError, match="`p_value` must be null"):
        Misspecification(statistic=None, p_value=0.5, warning=None)
    with pytest.raises(InputError, match="`p_value` must lie in"):
        Misspecification(statistic=1.0, p_value=1.5, warning=None)
    with pytest.raises(InputError, match="must sum to 1"):
        Target(weights={"easy": 20.0, "hard": 80.0}, path=None, sha256=None, n=None)
    with pytest.raises(InputError, match="given together"):
        Target(weights={"easy": 1.0}, path="target.jsonl", sha256=None, n=None)
    with pytest.raises(InputError, match="`low` must be below `high`"):
        StratumInfo(name="easy", difficulty=1.0, low=2.0, high=2.0)
    with pytest.raises(InputError, match="`indistinguishable` must not be empty"):
        Optimum(value=1.0, interval=(1.0, 1.0), indistinguishable=(), status="forecast")
    with pytest.raises(InputError, match="`easier` must be below `harder`"):
        BreakEven(easier=2.0, harder=2.0, budget=None, interval=None, statement="")
    with pytest.raises(InputError, match="a list for each strength"):
        PhaseDiagram(budgets=(1, 2), base_strengths=(0.5,), optimal_difficulty=((1.0,),))
    with pytest.raises(InputError, match=r"`by_difficulty.*lower` must lie in|`lower` must lie in"):
        dataclasses.replace(PLAN.budgets[0].by_difficulty, lower=(-0.1,))
    mixture = PLAN.budgets[0].mixture
    with pytest.raises(InputError, match="`best_single_stratum` must be in"):
        dataclasses.replace(mixture, best_single_stratum="nowhere")


def test_statuses_are_the_three():
    values = PLAN.to_dict()
    values["budgets"][0]["predicted_risk"]["status"] = "proof"
    with pytest.raises(InputError, match=r"status` must be one of .*'certificate'"):
        Plan.from_dict(values)


def test_a_notebook_shows_the_budgets_as_forecasts():
    plan = hand_made_plan(budgets=(1000, 8000))
    shown = dataclasses.replace(plan, bases=("<b>",))._repr_html_()
    assert "<b>" not in shown
    assert "8,000" in shown
    assert shown.count("forecast") == 4
