import pytest

from pacbayes.errors import InputError
from pacbayes.gaps import GAPS, Evidence, HeldOut, Pairs, Predictions, choose_gap
from pacbayes.gaps.choice import _ARGUMENTS, _REASONS

ONE = HeldOut(mean=(0.2,), n=(100,))
WEIGHTS = {"train_weights": [0.5, 0.5], "target_weights": [0.2, 0.8]}
LABELLED = Pairs(n=100, disagreements=10, joint_errors=5, errors=20)
PAIRS = {"target_pairs": Pairs(n=100, disagreements=20), "train_pairs": LABELLED}
RISKS = Predictions(
    target_risk=0.3, train_risk=0.2, target_replicates=[0.2, 0.4], train_replicates=[0.2, 0.2]
)

# from all to almost nothing: what is lost, and what is then chosen
STEPS = [
    ({"held_out_target": ONE, "held_out_train": ONE}, "measured_on_target", "certificate"),
    ({"held_out": HeldOut(mean=(0.1, 0.3), n=(90, 90))}, "measured", "certificate"),
    (PAIRS, "density_ratio", "certificate"),
    ({"predictions": RISKS}, "fitted", "forecast"),
    ({"slope": 0.1, "difficulties": [1, 2]}, "one_sided_lipschitz", "forecast"),
    ({}, "total_variation", "certificate"),
]


@pytest.mark.parametrize("lost", range(len(STEPS)))
def test_the_best_of_what_is_left(lost):
    _, model, status = STEPS[lost]
    left = {}
    for given, _, _ in STEPS[lost:]:
        left |= given
    gap = choose_gap(Evidence(**WEIGHTS, **left, shared_conditionals=True))
    assert (gap.model, gap.status) == (model, status)
    assert gap.reason.startswith("Chosen automatically, as ")
    assert (
        gap.interval
        == GAPS[model]
        .function(**_ARGUMENTS[model](Evidence(**WEIGHTS, **left, shared_conditionals=True)))
        .interval
    )


def test_strata_that_may_differ_leave_disagreement():
    gap = choose_gap(Evidence(**WEIGHTS, **PAIRS))
    assert (gap.model, gap.status) == ("disagreement", "forecast")
    counted = choose_gap(Evidence(**WEIGHTS, **PAIRS, shared_conditionals=True, n_target=50))
    assert counted.model == "disagreement"
    unlabelled = {**PAIRS, "train_pairs": Pairs(n=100, disagreements=10)}
    assert choose_gap(Evidence(**WEIGHTS, **unlabelled, shared_conditionals=True)).model == (
        "disagreement"
    )


def test_counted_weights_pay_from_delta():
    known = choose_gap(Evidence(**WEIGHTS))
    counted = choose_gap(Evidence(**WEIGHTS, n_target=1000))
    assert (known.delta, counted.delta) == (0.0, 0.05)
    assert counted.width > known.width


def test_every_model_has_arguments_and_a_reason_in_the_same_order():
    assert list(_ARGUMENTS) == list(_REASONS) == list(GAPS)


def test_nothing_known():
    with pytest.raises(InputError, match="no model of the gap can be used: give held-out labels"):
        choose_gap(Evidence())
    with pytest.raises(InputError, match="no model"):
        choose_gap(Evidence(train_weights=[1.0], held_out=ONE))
