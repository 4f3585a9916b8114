"""Control variates: unbiased whatever the probabilities, outside the exact wealth, few draws."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.stats import binom, chi2

from pacbayes.confidence import Betting, ControlVariate
from tests import oracle
from tests.confidence.test_betting import SLACK, wealth


def flipping(size, often, *, rises, seed=0):
    """0-1 losses of a centre, how probably noise flips each, and probabilities to draw with.

    A share `often` of the examples flips with probability 0.3 and is drawn more often; where they
    flip the loss goes from 0 to 1 if the risk `rises`, else from 1 to 0.
    """
    rng = np.random.default_rng(seed)
    centre = (rng.random(size) < 0.3).astype(float)
    flips = np.where(rng.random(size) < 0.1, 0.01, 0.001)
    first = int(size * often)
    centre[:first], flips[:first] = (0.0 if rises else 1.0), 0.3
    probabilities = np.where(np.arange(size) < first, 5.0, 1.0)
    return centre, flips, probabilities / probabilities.sum()


def truth(centre, flips):
    return float(np.mean(centre * (1 - flips) + (1 - centre) * flips))


def noisy_losses(centre, flips, examples, rng):
    flipped = rng.random(examples.shape) < flips[examples]
    return np.where(flipped, 1 - centre[examples], centre[examples])


def test_unbiased_for_any_probabilities():
    rng = np.random.default_rng(1)
    # sorted, so that the losses and the probabilities have to do with each other
    mean_losses, counts = np.sort(rng.random(50)), np.sort(rng.integers(1, 200, 50))
    centre = rng.random(50)
    variate = ControlVariate(centre, counts / counts.sum())
    # each example as often as it is drawn in the mean, with its mean loss
    examples = np.repeat(np.arange(50), counts)
    variate.update(mean_losses[examples], examples)
    # some thousand numbers of weights up to 100, each known to 2⁻⁵², are averaged
    assert variate.mean == pytest.approx(mean_losses.mean(), abs=1e-12)
    forgotten = ControlVariate(centre)
    forgotten.update(mean_losses[examples], examples)
    assert forgotten.mean > mean_losses.mean() + 0.1


def test_examples_are_drawn_with_their_probabilities():
    counts = np.array([1, 2, 3, 10, 84])
    variate = ControlVariate(np.zeros(5), counts / 100)
    drawn = np.bincount(variate.sample(50_000, np.random.default_rng(2)), minlength=5)
    expected = 500 * counts
    # above this with probability 1e-6
    assert ((drawn - expected) ** 2 / expected).sum() < chi2.isf(1e-6, 4)
    again = variate.sample(1000, np.random.default_rng(3))
    assert np.array_equal(again, variate.sample(1000, np.random.default_rng(3)))


RUNS, DRAWS, DELTA = 700, 400, 0.1

MOST = binom.isf(1e-6, RUNS, DELTA)
"""More failures than this have probability at most 1e-6 where each has at most δ."""


@pytest.mark.parametrize("rises", [True, False])
def test_coverage_with_unequal_probabilities(rises):
    centre, flips, probabilities = flipping(100, 0.2, rises=rises)
    risk, rng = truth(centre, flips), np.random.default_rng(4)
    above = below = wrong = 0
    for _ in range(RUNS):
        variate, forgotten = ControlVariate(centre, probabilities), ControlVariate(centre)
        examples = variate.sample(DRAWS, rng)
        losses = noisy_losses(centre, flips, examples, rng)
        for taker in (variate, forgotten):
            taker.update(losses, examples)
        above += variate.upper(DELTA) < risk
        below += variate.lower(DELTA) > risk
        wrong += forgotten.lower(DELTA) > risk if rises else forgotten.upper(DELTA) < risk
    assert above <= MOST
    assert below <= MOST
    assert wrong > MOST  # the twin that must fail: the weights forgotten


def problems():
    """Centre losses, probabilities, examples drawn and their losses."""
    rng = np.random.default_rng(5)
    for i in range(12):
        size = int(rng.integers(2, 40))
        centre = [rng.random(size), (rng.random(size) < 0.2).astype(float)][i % 2]
        raw = [np.ones(size), rng.random(size), 10 ** rng.uniform(-8, 0, size)][i % 3]
        probabilities = raw / raw.sum()
        examples = rng.choice(size, size=150, p=probabilities)
        losses = np.where(rng.random(150) < 0.2, rng.random(150), centre[examples])
        yield centre, probabilities, examples, losses


@pytest.mark.parametrize("delta", [1e-9, 0.05, 0.5])
def test_outside_the_exact_wealth_and_close_to_it(delta):
    for centre, probabilities, examples, losses in problems():
        variate, size = ControlVariate(centre, probabilities), len(centre)
        variate.update(losses, examples)
        # the range is the implementation's to choose; that it holds all differences is checked
        low, width = Fraction(variate._low), Fraction(variate._width)
        weights = [1 / (size * Fraction(float(p))) for p in variate.probabilities]
        exact_centre = [Fraction(float(loss)) for loss in centre]
        for weight, loss in zip(weights, exact_centre, strict=True):
            assert low <= -loss * weight
            assert (1 - loss) * weight <= low + width
        scaled = [
            ((Fraction(float(loss)) - exact_centre[i]) * weights[i] - low) / width
            for loss, i in zip(losses, examples, strict=True)
        ]
        base = sum(exact_centre) / size + low
        # the bounds lie outside by 1e-13 (1 + width), in units of the width
        slack = SLACK + 4e-13 * (1 + 1 / float(width))
        one = [1] * len(scaled)
        for bound, xs in (
            ((Fraction(variate.upper(delta)) - base) / width, scaled),
            (1 - (Fraction(variate.lower(delta)) - base) / width, [1 - x for x in scaled]),
        ):
            values = [oracle.ball(x) for x in xs]
            vacuous = variate.upper(delta) == 1 if xs is scaled else variate.lower(delta) == 0
            if not vacuous:
                assert bound >= 1 or wealth(values, one, oracle.ball(bound)) >= 1 / delta
            nearer = oracle.ball(bound - Fraction(slack))
            assert nearer <= 0 or wealth(values, one, nearer) <= 1 / oracle.ball(delta)


def test_much_tighter_than_betting_where_noise_rarely_changes_a_loss():
    rng = np.random.default_rng(6)
    centre = (rng.random(2000) < 0.2).astype(float)
    flips = np.full(2000, 0.002)
    variate, plain = ControlVariate(centre), Betting()
    examples = variate.sample(20_000, rng)
    losses = noisy_losses(centre, flips, examples, rng)
    variate.update(losses, examples)
    plain.update(losses)
    # variance 0.002 against 0.16: the root of the ratio is 0.11; a range of 2 costs the rest
    assert variate.upper(0.05) - variate.mean < 0.25 * (plain.upper(0.05) - plain.mean)
    assert variate.mean - variate.lower(0.05) < 0.25 * (plain.mean - plain.lower(0.05))
    assert variate.lower(0.05) <= truth(centre, flips) <= variate.upper(0.05)


def test_importance_sampling_tightens_where_few_examples_flip():
    # 3 of 100 examples flip with probability 0.3; drawn 9 times as often as the others
    centre, flips = np.zeros(1000), np.where(np.arange(1000) < 30, 0.3, 0.0)
    raw = np.where(flips > 0, 9.0, 1.0)
    gaps = {}
    for name, probabilities in (("equal", None), ("unequal", raw / raw.sum())):
        variate, rng = ControlVariate(centre, probabilities), np.random.default_rng(7)
        examples = variate.sample(20_000, rng)
        variate.update(noisy_losses(centre, flips, examples, rng), examples)
        assert variate.lower(0.05) <= truth(centre, flips) <= variate.upper(0.05)
        gaps[name] = variate.upper(0.05) - variate.mean
    # variance 0.009 less the squared mean against 0.0012: the root of the ratio is 0.38
    assert gaps["unequal"] < 0.5 * gaps["equal"]


def test_streaming_is_all_at_once():
    centre, flips, probabilities = flipping(100, 0.2, rises=True)
    whole, parts = ControlVariate(centre, probabilities), ControlVariate(centre, probabilities)
    rng = np.random.default_rng(8)
    examples = whole.sample(1000, rng)
    losses = noisy_losses(centre, flips, examples, rng)
    whole.update(losses, examples)
    for start in range(0, 1000, 10):
        parts.update(losses[start : start + 10], examples[start : start + 10])
    assert parts.n_draws == whole.n_draws == 1000
    # 100 updates, each of which moves outward by 2⁻⁴⁶, on a scale of about 2
    assert parts.mean == pytest.approx(whole.mean, abs=1e-12)
    assert parts.upper(0.05) == pytest.approx(whole.upper(0.05), abs=1e-11)
    assert parts.lower(0.05) == pytest.approx(whole.lower(0.05), abs=1e-11)


def test_a_hypothesis_tried_on_several_examples_is_one_draw():
    rng = np.random.default_rng(11)
    centre, flips, probabilities = flipping(100, 0.2, rises=True)
    blocks, single = ControlVariate(centre, probabilities), ControlVariate(centre, probabilities)
    examples = blocks.sample(4000, rng).reshape(1000, 4)
    # a common cause: whether an example flips is decided once a hypothesis
    losses = np.where(
        rng.random((1000, 1)) < flips[examples], 1 - centre[examples], centre[examples]
    )
    blocks.update(losses, examples)
    single.update(losses.ravel(), examples.ravel())
    assert blocks.n_draws == 1000
    assert single.n_draws == 4000
    assert blocks.mean == pytest.approx(single.mean, abs=1e-12)
    assert blocks.lower(0.05) <= truth(centre, flips) <= blocks.upper(0.05)
    assert single.upper(0.05) < blocks.upper(0.05)


def test_before_the_first_draw_nothing_is_known():
    for centre in ([0.0, 1.0], [0.3, 0.4], [0.0], [1.0, 1.0]):
        variate = ControlVariate(centre)
        assert variate.n_draws == 0
        assert (variate.lower(0.5), variate.upper(0.5)) == (0.0, 1.0)


def test_noise_that_changes_nothing_leaves_the_risk_of_the_centre():
    centre = np.random.default_rng(9).random(500)
    variate = ControlVariate(centre)
    examples = variate.sample(100_000, np.random.default_rng(10))
    variate.update(centre[examples], examples)
    assert variate.mean == pytest.approx(centre.mean(), abs=1e-12)
    # no bet gains more than the distance over the range above the centre, at most 1
    assert variate.upper(0.05) - centre.mean() < 1.1 * math.log(57 / 0.05) / 100_000
    assert centre.mean() - variate.lower(0.05) < 1.1 * math.log(57 / 0.05) / 100_000


@pytest.mark.parametrize(
    ("centre", "probabilities", "message"),
    [
        ([], None, r"`centre_losses` must have shape \(N,\), N ≥ 1, got \(0,\)"),
        (0.5, None, r"`centre_losses` must have shape \(N,\), N ≥ 1, got \(\)"),
        ([[0.5]], None, r"`centre_losses` must have shape \(N,\), N ≥ 1, got \(1, 1\)"),
        ([0.5, 1.1], None, r"`centre_losses` must lie in \[0, 1\], got 1\.1"),
        ([0.5, math.nan], None, r"`centre_losses` must lie in \[0, 1\], got nan"),
        ([0.5, 0.5], [1.0], r"`probabilities` must have the shape of `centre_losses`, got \(1,\)"),
        ([0.5, 0.5], [1.0, 0.0], r"`probabilities` must lie in \(0, 1\], got 0\.0"),
        ([0.5, 0.5], [1.5, -0.5], r"`probabilities` must lie in \(0, 1\], got 1\.5"),
        ([0.5, 0.5], [0.5, math.nan], r"`probabilities` must lie in \(0, 1\], got nan"),
        ([0.5, 0.5], [0.5, 0.4], r"`probabilities` must sum to 1, got 0\.9"),
    ],
)
def test_bad_arguments(centre, probabilities, message):
    with pytest.raises(ValueError, match=message):
        ControlVariate(centre, probabilities)


@pytest.mark.parametrize("delta", [0.0, 1.0, math.nan])
def test_bad_delta(delta):
    variate = ControlVariate([0.0, 1.0])
    for ask in (variate.upper, variate.lower):
        with pytest.raises(ValueError, match=r"`delta` must lie in \(0, 1\), got"):
            ask(delta)


@pytest.mark.parametrize(
    ("losses", "examples", "message"),
    [
        ([0.5, 1.5], [0, 1], r"`losses` must lie in \[0, 1\], got 1\.5"),
        ([0.5, math.nan], [0, 1], r"`losses` must lie in \[0, 1\], got nan"),
        ([0.5, 0.5], [0, 2], r"`examples` must lie in \[0, 2\), got 2\.0"),
        ([0.5, 0.5], [0, -1], r"`examples` must lie in \[0, 2\), got -1\.0"),
        (
            [0.5, 0.5],
            [0.0, 1.0],
            r"`examples` must be indices, .* got \(2,\) of float64 for \(2,\)",
        ),
        ([0.5, 0.5], [False, True], "`examples` must be indices, .* of bool"),
        ([0.5, 0.5, 0.5], [1], r"`examples` must be indices, one for each .* got \(1,\) of int64"),
        (0.5, [0, 1], r"`examples` must be indices, .* for \(\)"),
    ],
)
def test_bad_draws_raise_and_none_is_taken(losses, examples, message):
    variate = ControlVariate([0.0, 1.0])
    variate.update([0.0, 1.0], [0, 1])
    before = (variate.n_draws, variate.mean, variate.upper(0.1), variate.lower(0.1))
    with pytest.raises(ValueError, match=message):
        variate.update(losses, examples)
    assert (variate.n_draws, variate.mean, variate.upper(0.1), variate.lower(0.1)) == before
