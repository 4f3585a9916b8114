"""The closed forms and the sign of dd*/dn, derived with sympy."""

import math

import numpy as np
import pytest
import sympy as sp

from pacbayes import bounds
from pacbayes.planning import best_target_share, monotone_limit, offset_kl, quadratic_gap

n, c, b, k, lam, slope = sp.symbols("n c b k lam L", positive=True)
d = sp.symbols("d", positive=True)
a = sp.symbols("a", real=True)


def zero(expression):
    return sp.simplify(expression) == 0


def objective(kl, gap):
    return sp.sqrt(kl / (2 * n)) + gap


# The cases


def test_case_a_is_linear_and_turns_at_its_budget():
    value = objective(k**2 * d**2, slope * (1 - d))
    derivative = sp.simplify(sp.diff(value, d))
    assert zero(sp.diff(value, d, 2))
    turn = k**2 / (2 * slope**2)
    assert zero(derivative.subs(n, turn))
    assert zero(derivative - (k / sp.sqrt(2 * n) - slope))  # falls in n: 0 before, 1 after


def test_case_d_and_with_it_b():
    value = objective(c * n**a * d**2, lam / 2 * (1 - d) ** 2)
    best = 1 - sp.sqrt(c * n ** (a - 1) / 2) / lam
    slope_at_best = sp.powsimp(sp.simplify(sp.diff(value, d).subs(d, best)), force=True)
    assert zero(sp.expand_power_base(slope_at_best, force=True))
    assert sp.simplify(sp.diff(value, d, 2) - lam) == 0  # convex
    here = {c: 3, n: 700, a: sp.Rational(1, 3), lam: 2}
    found = quadratic_gap(700, c=3, growth=1 / 3, curvature=2)
    assert float(best.subs(here)) == pytest.approx(found, abs=1e-14)
    assert zero(best.subs({a: 0, lam: 1, c: 100}) - (1 - sp.sqrt(100 / (2 * n))))


def test_case_d_moves_with_the_sign_of_one_minus_a():
    best = 1 - sp.sqrt(c * n ** (a - 1) / 2) / lam
    moves = sp.simplify(sp.diff(best, n) / ((1 - best) / (2 * n)))
    assert zero(moves - (1 - a))


def test_case_c_is_the_root_of_a_quartic():
    value = objective(b + c * d**2, lam / 2 * (1 - d) ** 2)
    root = sp.sqrt(2 * n * (b + c * d**2))
    assert zero(sp.diff(value, d) - (c * d / root - lam * (1 - d)))
    # convex: both parts are
    assert zero(sp.diff(value, d, 2) - lam - 2 * n * b * c / root**3)
    quartic = sp.Poly(c**2 * d**2 - lam**2 * (1 - d) ** 2 * 2 * n * (b + c * d**2), d)
    at = {b: 20, c: 100, lam: 1, n: 1000}
    roots = [r for r in sp.Poly(quartic.as_expr().subs(at), d).nroots(n=30) if r.is_real]
    inside = [float(r) for r in roots if 0 < r < 1]
    assert inside == pytest.approx([offset_kl(1000, b=20, c=100)], abs=1e-12)


# The sign of dd*/dn in general


def test_the_optimum_moves_with_the_sign_of_one_minus_a():
    """KL = c n^a h(d), h rising: at an inner optimum dd*/dn has the sign of 1 − a.

    By the implicit function theorem dd*/dn = −J_dn/J_dd with J_dd > 0 at a strict minimum.
    """
    h, gap = sp.Function("h", positive=True)(d), sp.Function("g")(d)
    generalization = sp.sqrt(c * n**a * h / (2 * n))
    value = generalization + gap
    cross = sp.diff(value, d, n)
    # J_dn = (a − 1)/(2n) ∂G/∂d, and ∂G/∂d has the sign of h′
    assert zero(sp.powsimp(sp.expand(cross - (a - 1) / (2 * n) * sp.diff(generalization, d))))
    assert zero(sp.diff(generalization, d) - generalization * sp.diff(h, d) / (2 * h))
    curvature = sp.symbols("J_dd", positive=True)
    rise = sp.symbols("G_d", positive=True)
    moves = -((a - 1) / (2 * n) * rise) / curvature
    for exponent, sign in ((sp.Rational(1, 2), 1), (1, 0), (sp.Rational(3, 2), -1)):
        assert sp.sign(moves.subs(a, exponent)) == sign


def test_without_dependence_on_n_harder_data_gain_more_from_more_data():
    # increasing differences (Topkis): ∂²G/∂K∂n < 0, so that d* is nondecreasing with KL in d
    kl = sp.symbols("K", positive=True)
    cross = sp.diff(sp.sqrt(kl / (2 * n)), kl, n)
    assert sp.simplify(cross).is_negative


def test_a_stronger_base_that_scales_kl_moves_harder_and_one_that_subtracts_moves_easier():
    strength = sp.symbols("s", positive=True)
    h = sp.Function("h", positive=True)(d)
    rise = sp.diff(h, d)
    scaled = sp.diff(sp.sqrt(c * h / strength / (2 * n)), d, strength)
    # −J_ds has the sign of h′ > 0: harder
    assert sp.simplify(-scaled / rise).is_positive
    rest = sp.symbols("rest", positive=True)  # c h − s, what is left
    less = sp.diff(sp.sqrt((c * h - strength) / (2 * n)), d, strength)
    left = sp.simplify((-less / rise).subs(h, (rest + strength) / c))
    assert sp.simplify(left).is_negative


# The limit of the kl form


def test_limit_of_the_kl_form():
    q, p = sp.symbols("q p", positive=True)
    kl = q * sp.log(q / p) + (1 - q) * sp.log((1 - q) / (1 - p))
    first = 1 / sp.diff(kl, p)  # f′(c) at p = f(c)
    second = sp.diff(first, p) * first  # f″(c)
    value = sp.symbols("c_", positive=True)
    # d(c f′)/dc = f′ + c f″ ≥ 0
    condition = first + value * second
    claimed = first * (1 - value * (1 + q * (1 - q) / (p - q) ** 2))
    assert zero(condition - claimed)
    # ∂²/∂K∂n of f((K + ln(ξ/δ))/n) = −(f′ + c f″)/n² + f″ l′/n², l the log term rising in n: as
    # f″ < 0 the log term only helps
    assert zero(second + p * (1 - p) * (q * (1 - q) + (p - q) ** 2) / (p - q) ** 3)
    for risk in (0.1, 0.3):
        limit = monotone_limit(risk)
        left = bounds.binary_kl(risk, limit) * (1 + risk * (1 - risk) / (limit - risk) ** 2)
        assert left == pytest.approx(1, abs=1e-9)


# Ben-David et al.'s share


def test_best_target_share():
    t, s, square = sp.symbols("m_T m_S D2", positive=True)
    share = sp.symbols("alpha", positive=True)
    spread = share**2 / t + (1 - share) ** 2 / s
    value = sp.sqrt(square * spread) + 1 - share
    inside = sp.symbols("w", positive=True)  # D² (m_T + m_S) − m_T m_S
    best = t / (t + s) * (1 + s / sp.sqrt(inside))
    here = {square: (inside + t * s) / (t + s)}
    # spread at ν is 1/(m_T + m_S) + (ν − m_T/(m_T + m_S))² (m_T + m_S)/(m_T m_S)
    assert zero(spread.subs(share, best) - (1 + t * s / inside) / (t + s))
    # slope 0: D² (ν/m_T − (1 − ν)/m_S)² = spread, with ν right of m_T/(m_T + m_S)
    left = (square * (share / t - (1 - share) / s) ** 2).subs(share, best).subs(here)
    assert zero(left - spread.subs(share, best))
    assert zero((share / t - (1 - share) / s).subs(share, best) - 1 / sp.sqrt(inside))
    # convex
    curvature = sp.simplify(sp.diff(value, share, 2) * sp.sqrt(spread) ** 3 / sp.sqrt(square))
    assert zero(curvature - 1 / (t * s))
    # ν reaches 1 at m_T = D²
    at_square = best.subs(inside, t * (t + s) - t * s)
    assert zero(at_square - 1)
    numbers = {t: 1000, s: 50000, inside: (1601 / 0.715**2) * 51000 - 1000 * 50000}
    found = best_target_share(1000, 50000, d_squared=1601 / 0.715**2)
    assert float(best.subs(numbers)) == pytest.approx(found, abs=1e-12)


def test_numbers_behind_the_signs():
    # dd*/dn by differences, in a world with no closed form
    grid = np.linspace(0, 1, 100_001)

    def best(size, growth):
        kl = 20 * (size / 400) ** growth * (grid + grid**3)
        return grid[np.argmin(np.sqrt(kl / (2 * size)) + 0.4 * np.exp(-2 * grid))]

    for growth, sign in ((0.3, 1), (1.0, 0), (1.3, -1)):
        moved = best(500, growth) - best(400, growth)
        assert math.copysign(1, moved) * (abs(moved) > 1e-9) == sign
