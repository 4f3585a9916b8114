"""The ledger against exact sums of fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pacbayes.ledger import DeltaLedger, OverspentError

totals = st.floats(1e-300, 1, exclude_max=True)
parts = st.one_of(
    st.floats(1e-6, 0.3),
    st.floats(5e-324, 1),
    st.integers(1, 1000).map(lambda k: 1 / k),
    st.integers(1, 300).map(lambda k: 2.0**-k),
)


def spend_all(ledger, amounts):
    """The amounts that were not refused."""
    accepted = []
    for amount in amounts:
        try:
            accepted.append(ledger.spend("event", amount))
        except OverspentError:
            continue
    return accepted


def exact(amounts):
    return sum(map(Fraction, amounts), Fraction(0))


@given(totals, st.lists(parts, max_size=30))
def test_never_more_than_the_total_is_spent(total, amounts):
    assert exact(spend_all(DeltaLedger(total), amounts)) <= Fraction(total)


@given(totals, st.lists(st.floats(1e-6, 0.6), max_size=30))
def test_what_fits_is_not_refused(total, shares):
    # shares of one magnitude: their exact sum fits in the ledger's two numbers
    ledger, spent = DeltaLedger(total), Fraction(0)
    for share in shares:
        amount = share * total
        fits = spent + Fraction(amount) <= Fraction(total)
        accepted = spend_all(ledger, [amount])
        assert bool(accepted) == fits
        spent += exact(accepted)


@given(totals, st.lists(parts, max_size=10))
def test_all_that_is_left_can_be_spent_and_no_more(total, amounts):
    ledger = DeltaLedger(total)
    left = Fraction(total) - exact(spend_all(ledger, amounts))
    if left > 0 and Fraction(float(left)) == left:
        ledger.spend("rest", float(left))
        with pytest.raises(OverspentError):
            ledger.spend("more", 5e-324)


@pytest.mark.parametrize(
    ("total", "amounts"),
    [
        # 1/4 + 2^-60 + 2^-200 + … = 1/2 + 2^-200
        (0.5, [0.25, 2.0**-60, 2.0**-200, 0.25 - 2.0**-55, 2.0**-55 - 2.0**-60]),
        # the first three sum to the total, though not in float64
        (0.9539448880217346, [0.25, 0.2519926178817497, 0.4519522701399849, *[1e-34] * 3]),
    ],
)
def test_a_speck_below_all_digits_counts(total, amounts):
    assert exact(spend_all(DeltaLedger(total), amounts)) <= Fraction(total)


@pytest.mark.parametrize("total", [0.05, 0.1, 0.3, 1 / 3, 1 - 2**-53, 1e-300])
def test_halves_are_accepted_and_an_ulp_more_is_not(total):
    ledger = DeltaLedger(total)
    ledger.spend("first", total / 2)
    with pytest.raises(OverspentError):
        ledger.spend("second", math.nextafter(total / 2, 1))
    assert ledger.spend("second", total / 2) == total / 2
    with pytest.raises(OverspentError):
        ledger.spend("third", 5e-324)


@pytest.mark.parametrize(
    ("total", "numbers"),
    [(0.05, range(1, 1001)), *((t, (1, 2, 3, 7, 49, 641, 1000)) for t in (0.1, 1 / 3, 1 - 2**-53))],
)
def test_equal_shares_are_accepted_for_any_number_of_events(total, numbers):
    for k in numbers:
        ledger = DeltaLedger(total)
        (share,) = set(ledger.split([f"event {i}" for i in range(k)]))
        assert len(ledger.entries) == k
        assert k * Fraction(share) <= Fraction(total)
        # exact for a power of two, else rounded down by two ulps or three
        assert share >= total / k * (1 - 2**-50)
        if k & (k - 1) == 0:
            assert k * Fraction(share) == Fraction(total)


@given(totals, st.lists(st.integers(1, 10**6), min_size=1, max_size=40))
def test_shares_by_weight(total, sizes):
    weights = [size / sum(sizes) for size in sizes]
    ledger = DeltaLedger(total)
    shares = ledger.split([str(i) for i in range(len(sizes))], weights)
    assert exact(shares) <= Fraction(total)
    assert shares == pytest.approx([total * weight for weight in weights], rel=1e-15, abs=0)
    assert ledger.entries == tuple((str(i), share) for i, share in enumerate(shares))


def test_weights_may_leave_something_for_later():
    ledger = DeltaLedger(0.1)
    assert ledger.split(["a", "b"], [0.5, 0.25]) == [0.05, 0.025]
    assert ledger.spend("later", 0.025) == 0.025
    with pytest.raises(OverspentError):
        ledger.spend("too late", 5e-324)


def test_weights_of_more_than_one_are_refused():
    with pytest.raises(OverspentError, match=r"`b` asks for delta 0\.06 where 0\.05 of 0\.1 is"):
        DeltaLedger(0.1).split(["a", "b"], [0.5, 0.6])


# Arrays


@given(
    st.lists(totals, min_size=1, max_size=4),
    st.lists(st.lists(st.floats(1e-3, 1), min_size=4, max_size=4), max_size=8),
)
def test_arrays_are_ledgers_of_their_elements(total, rows):
    together = DeltaLedger(np.array(total))
    alone = [DeltaLedger(t) for t in total]
    for row in rows:
        amounts = [share * t / 3 for share, t in zip(row, total, strict=False)]
        spent = [exact([amount for _, amount in ledger.entries]) for ledger in alone]
        fits = all(
            s + Fraction(a) <= Fraction(t) for s, a, t in zip(spent, amounts, total, strict=True)
        )
        if fits:
            assert together.spend("event", np.array(amounts)).tolist() == amounts
            for ledger, amount in zip(alone, amounts, strict=True):
                ledger.spend("event", amount)
        else:
            # one element too much refuses the event as a whole
            with pytest.raises(OverspentError):
                together.spend("event", np.array(amounts))
        assert len(together.entries) == len(alone[0].entries)


def test_one_number_is_spent_of_each_total():
    ledger = DeltaLedger([0.1, 0.3])
    assert ledger.spend("both", 0.06) == 0.06
    with pytest.raises(OverspentError, match=r"asks for delta 0\.06 where 0\.04 of 0\.1 is left"):
        ledger.spend("again", 0.06)
    shares = ledger.split(["a", "b"], [0.25, 0.125])
    np.testing.assert_array_equal(shares, [[0.025, 0.075], [0.0125, 0.0375]])
    assert ledger.total.shape == (2,)


def test_a_row_of_deltas_is_spent_of_one_total():
    ledger = DeltaLedger(0.1)
    ledger.spend("at three levels", [0.01, 0.05, 0.1])
    with pytest.raises(OverspentError):
        ledger.spend("more", 1e-9)


def test_arrays_given_are_not_watched():
    total, part = np.array([0.1, 0.1]), np.array([0.05, 0.05])
    ledger = DeltaLedger(total)
    ledger.spend("half", part)
    total[:], part[:] = 0.9, 0.01
    with pytest.raises(OverspentError):
        ledger.spend("too much", 0.06)
    assert ledger.entries[0][1].tolist() == [0.05, 0.05]


# Entries and refusals


def test_entries_are_in_order_and_only_what_was_accepted():
    ledger = DeltaLedger(0.05)
    assert ledger.entries == ()
    ledger.spend("kl bound", 0.04)
    with pytest.raises(OverspentError, match=r"`Monte Carlo` asks for delta 0\.02 where 0\.01 of"):
        ledger.spend("Monte Carlo", 0.02)
    ledger.spend("Monte Carlo", 0.005)
    ledger.spend("kl bound", 0.001)
    assert ledger.entries == (("kl bound", 0.04), ("Monte Carlo", 0.005), ("kl bound", 0.001))


@pytest.mark.parametrize("bad", [0.05, math.inf, math.nan, 0.0, -0.01])
def test_a_refusal_changes_nothing(bad):
    ledger, untouched = DeltaLedger(0.05), DeltaLedger(0.05)
    for one in (ledger, untouched):
        one.spend("first", 0.03)
    with pytest.raises(ValueError, match="`second`"):
        ledger.spend("second", bad)
    assert ledger.entries == untouched.entries
    rest = float(Fraction(0.05) - Fraction(0.03))
    assert ledger.spend("rest", rest) == untouched.spend("rest", rest) == rest
    with pytest.raises(OverspentError):
        ledger.spend("more", 5e-324)


@pytest.mark.parametrize(
    ("events", "weights", "error"),
    [
        (["a", "b"], None, "asks for delta"),
        (["a", "b"], [0.25, 0.0], "must be above 0"),
        (["a", "b"], [0.25], "shorter"),
    ],
)
def test_events_are_entered_together_or_not_at_all(events, weights, error):
    ledger = DeltaLedger(0.1)
    ledger.spend("first", 0.03)
    with pytest.raises(ValueError, match=error):
        ledger.split(events, weights)
    assert ledger.entries == (("first", 0.03),)


@pytest.mark.parametrize("total", [0.0, 1.0, -0.1, 5.0, math.nan, math.inf, [0.05, math.nan]])
def test_bad_totals(total):
    with pytest.raises(ValueError, match=r"`total` must lie in \(0, 1\), got .*failure probabil"):
        DeltaLedger(total)


@pytest.mark.parametrize("delta", [0.0, -0.01, math.nan, [0.01, math.nan], [0.01, 0.0]])
def test_bad_deltas(delta):
    ledger = DeltaLedger(0.05)
    with pytest.raises(ValueError, match="`delta` of `event` must be above 0"):
        ledger.spend("event", delta)
    assert ledger.entries == ()


@pytest.mark.parametrize("delta", [math.inf, 1.0, 1e308, [0.01, math.inf]])
def test_more_than_certain(delta):
    ledger = DeltaLedger(0.05)
    with pytest.raises(ValueError, match="`event`"):
        ledger.spend("event", delta)
    assert ledger.entries == ()


@pytest.mark.parametrize("weight", [0.0, -0.5, math.nan])
def test_bad_weights(weight):
    with pytest.raises(ValueError, match="`delta` of `a` must be above 0"):
        DeltaLedger(0.05).split(["a", "b"], [weight, 0.5])


def test_no_events():
    with pytest.raises(ValueError, match="`events`"):
        DeltaLedger(0.05).split([])


def test_an_overspent_ledger_is_a_value_error():
    assert issubclass(OverspentError, ValueError)
