import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pacbayes.confidence import clopper_pearson_lower, clopper_pearson_upper, kl_lower, kl_upper
from tests import oracle

counts = st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(("k", "n"), [(0, 7), (1, 7), (7, 7), (3, 200), (150, 200), (199, 200)])
@pytest.mark.parametrize("delta", [1e-9, 0.025, 0.4])
def test_clopper_pearson_is_outside_the_exact_root(k, n, delta):
    upper = clopper_pearson_upper(n_errors=k, n=n, delta=delta)
    lower = clopper_pearson_lower(n_errors=k, n=n, delta=delta)
    if upper < 1:
        assert oracle.binomial_cdf(k, n, oracle.ball(upper)) <= delta
        assert oracle.binomial_cdf(k, n, oracle.ball(upper * (1 - 1e-7))) >= delta
    if lower > 0:
        assert 1 - oracle.binomial_cdf(k - 1, n, oracle.ball(lower)) <= delta
        assert 1 - oracle.binomial_cdf(k - 1, n, oracle.ball(lower * (1 + 1e-7))) >= delta


@given(counts, st.floats(1e-6, 0.5))
def test_exact_counts_are_never_looser_than_kl(count, delta):
    k, n = count
    assert clopper_pearson_upper(n_errors=k, n=n, delta=delta) <= kl_upper(
        mean=k / n, n_draws=n, delta=delta
    ) * (1 + 1e-8)


@pytest.mark.parametrize("p", [0.001, 0.05, 0.5])
def test_coverage_by_enumeration(p):
    n, delta = 150, 0.05
    bounds = {"cp": 0.0, "kl": 0.0, "no delta": 0.0}
    for k in range(n + 1):
        weight = binom.pmf(k, n, p)
        bounds["cp"] += weight * (clopper_pearson_upper(n_errors=k, n=n, delta=delta) < p)
        bounds["kl"] += weight * (kl_upper(mean=k / n, n_draws=n, delta=delta) < p)
        bounds["no delta"] += weight * (k / n < p)
    assert bounds["cp"] <= delta
    assert bounds["kl"] <= delta
    assert bounds["no delta"] > delta  # the twin that must fail


@given(counts)
def test_lower_bounds_mirror_upper_ones(count):
    k, n = count
    mirrored = 1 - kl_upper(mean=1 - k / n, n_draws=n, delta=0.05)
    assert kl_lower(mean=k / n, n_draws=n, delta=0.05) == pytest.approx(mirrored, abs=1e-12)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"`n_errors` must be a whole number .* got 5\.0"):
        clopper_pearson_upper(n_errors=5, n=4, delta=0.05)
    with pytest.raises(ValueError, match=r"`mean` must lie in \[0, 1\], got nan"):
        kl_upper(mean=math.nan, n_draws=4, delta=0.05)
    with pytest.raises(ValueError, match=r"`n_draws` must be at least 1, got 0"):
        kl_upper(mean=0.5, n_draws=0, delta=0.05)
