"""The closed forms the package and its tests rely on, derived with sympy."""

import itertools
import math

import mpmath
import pytest
import sympy as sp
import torch

from pacbayes import bounds
from pacbayes.objectives import binary_kl_inverse_lower, binary_kl_inverse_upper
from pacbayes.posteriors.allocation import allocate

q, p = sp.symbols("q p", positive=True)
KL = q * sp.log(q / p) + (1 - q) * sp.log((1 - q) / (1 - p))
"""The binary divergence kl(q‖p)."""

n, d, r, b = sp.symbols("n d r b", positive=True)


def zero(expression):
    return sp.simplify(expression) == 0


# The kl inverse


def test_slopes_of_the_kl_inverse():
    # kl(q‖p(q, c)) = c, differentiated in c and in q
    by_c = 1 / sp.diff(KL, p)
    by_q = -sp.diff(KL, q) / sp.diff(KL, p)
    assert zero(by_c - p * (1 - p) / (p - q))
    assert zero(by_c - 1 / ((1 - q) / (1 - p) - q / p))
    logs = sp.log((1 - q) / (1 - p)) - sp.log(q / p)
    assert zero(sp.expand_log(by_q / by_c - logs, force=True))
    assert zero(sp.expand_log(logs - sp.log(p * (1 - q) / (q * (1 - p))), force=True))


@pytest.mark.parametrize("invert", [binary_kl_inverse_upper, binary_kl_inverse_lower])
def test_slopes_of_the_objective_are_the_derived_ones(invert):
    a = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    c = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    value = invert(a, c)
    value.backward()
    here = {q: sp.Float(0.3, 40), p: sp.Float(value.item(), 40)}
    by_c = float((1 / sp.diff(KL, p)).subs(here))
    by_q = float((-sp.diff(KL, q) / sp.diff(KL, p)).subs(here))
    assert (a.grad.item(), c.grad.item()) == pytest.approx((by_q, by_c), rel=1e-12)


# What follows from the kl bound


def test_pinsker_follows_from_kl():
    # equal at p = q, and the difference grows with |p − q| as 1/(p (1 − p)) ≥ 4
    difference = KL - 2 * (p - q) ** 2
    assert zero(difference.subs(p, q))
    assert zero(sp.diff(difference, p) - (p - q) * (1 - 2 * p) ** 2 / (p * (1 - p)))


def test_the_quadratic_bound_follows_from_kl():
    # kl(q‖p) ≥ (p − q)²/2p for q ≤ p: equal with equal slope at q = p, and convex in q
    difference = KL - (p - q) ** 2 / (2 * p)
    assert zero(difference.subs(q, p))
    assert zero(sp.diff(difference, q).subs(q, p))
    assert zero(sp.diff(difference, q, 2) - ((p - q) + q**2) / (p * q * (1 - q)))
    # its largest solution of (p − r)²/2p = b
    solution = (sp.sqrt(r + b / 2) + sp.sqrt(b / 2)) ** 2
    assert zero(sp.expand((solution - r) ** 2 - 2 * solution * b))
    assert sp.simplify(solution - r - b).is_positive  # right of both roots' middle r + b


def test_lam_of_thiemanns_bound():
    lam = sp.symbols("lam", positive=True)
    bound = r / (1 - lam / 2) + b / (lam * (1 - lam / 2))
    best = 2 / (sp.sqrt(2 * r / b + 1) + 1)
    assert zero(sp.diff(bound, lam).subs(lam, best))
    assert zero(bound.subs(lam, best) - (sp.sqrt(r + b / 2) + sp.sqrt(b / 2)) ** 2)
    # and a minimum: with x = λ/2 in (0, 1) the curvature has only positive parts
    x = sp.symbols("x", positive=True)
    parts = r / (2 * (1 - x) ** 3) + b / 4 * (1 / x**3 + 1 / (1 - x) ** 3)
    assert zero(sp.diff(bound, lam, 2).subs(lam, 2 * x) - parts)


# Catoni's bounds

g, c = sp.symbols("gamma c", positive=True)
UNIFORM = c * g * sp.log(g / (g - 1)) * q + c * g * b + g * (1 - c * (1 - sp.log(c)))
BEST = {c: (1 - p) / (1 - q), g: p * (1 - q) / (p - q)}


def test_uniform_catoni_at_its_best_is_the_kl_bound():
    at_best = {**BEST, b: KL}

    def simple(expression):
        value = sp.simplify(expression.subs(at_best))
        return sp.simplify(sp.expand_log(value, force=True))

    assert simple(UNIFORM - p) == 0
    assert simple(sp.diff(UNIFORM, c)) == 0
    assert simple(sp.diff(UNIFORM, g)) == 0


def test_uniform_catoni_elsewhere_is_above_the_kl_bound():
    value = sp.lambdify((q, b, c, g), UNIFORM, "mpmath")
    inside = sp.lambdify((q, p), (KL, BEST[c], BEST[g]), "mpmath")
    with mpmath.workdps(50):
        for risk, bound in (("0.02", "0.05"), ("0.3", "0.35"), ("0.6", "0.95")):
            risk, bound = mpmath.mpf(risk), mpmath.mpf(bound)
            cost, at_c, at_g = inside(risk, bound)
            assert abs(value(risk, cost, at_c, at_g) - bound) < mpmath.mpf(10) ** -48
            for up, right in itertools.product((-3, -1, -1e-9, 0, 1e-9, 1, 3), repeat=2):
                if up or right:
                    other_c = at_c / (at_c + (1 - at_c) * mpmath.exp(-up))
                    other_g = 1 + (at_g - 1) * mpmath.exp(right)
                    assert value(risk, cost, other_c, other_g) > bound


def test_the_divergence_is_the_best_of_catonis():
    # kl(q‖p) = max over C of −ln(1 − p (1 − e^{−C})) − C q: one step of the proof
    C = sp.symbols("C", positive=True)
    value = -sp.log(1 - p * (1 - sp.exp(-C))) - C * q
    best = sp.log(p * (1 - q) / (q * (1 - p)))
    assert zero(sp.diff(value, C).subs(C, best))
    assert zero(sp.expand_log(sp.simplify((value - KL).subs(C, best)), force=True))
    # 1/γ = 1 − e^{−C}
    assert zero(1 / BEST[g] - (1 - sp.exp(-best)))


# The posterior's noise


def test_best_prior_variance():
    s, t, shift = sp.symbols("s t shift", positive=True)  # variances of prior and posterior, ‖Δ‖²
    kl = d / 2 * (t / s - 1 - sp.log(t / s)) + shift / (2 * s)
    best = t + shift / d
    assert zero(sp.diff(kl, s).subs(s, best))
    assert zero(kl.subs(s, best) - d / 2 * sp.log(1 + shift / (d * t)))
    # the only root, and the KL grows without limit at both ends
    assert sp.solve(sp.diff(kl, s), s) == [sp.expand(best)]


def test_allocation_for_a_rise_of_the_loss():
    # minimise ½ Σ Δ²/σ² over the variances for a given rise ½ Σ σ² h: two tensors, Lagrange
    tau, price = sp.symbols("tau price", positive=True)
    deltas, curvatures = sp.symbols("D1 D2", positive=True), sp.symbols("h1 h2", positive=True)
    variances = sp.symbols("v1 v2", positive=True)
    triples = list(zip(deltas, curvatures, variances, strict=True))
    kl = sum(D**2 / (2 * v) for D, _, v in triples)
    rise = sum(v * h / 2 for _, h, v in triples)
    Z = sum(D * sp.sqrt(h) for D, h, _ in triples)
    found = {v: 2 * tau * D / (sp.sqrt(h) * Z) for D, h, v in triples}
    assert zero(rise.subs(found) - tau)
    assert zero(kl.subs(found) - Z**2 / (4 * tau))
    multiplier = Z**2 / (4 * tau**2)
    for v in variances:
        assert zero(sp.diff(kl + price * rise, v).subs(found).subs(price, multiplier))


def test_allocation_at_a_temperature():
    T, h, s, v = sp.symbols("T h s v", positive=True)
    objective = T * v * h / 2 + d / 2 * (v / s**2 - 1 - sp.log(v / s**2))
    (best,) = sp.solve(sp.diff(objective, v), v)
    assert zero(best - d / (d / s**2 + T * h))
    # for one tensor the best prior variance is σ² + ‖Δ‖²/d, and σ² has to agree with it
    found = allocate(
        temperature=50.0,
        curvatures={"w": 8.0},
        sizes={"w": 100},
        distances_squared={"w": 4.0},
        relative_scales={"w": 1.0},
    )
    variance = found["w"] ** 2
    here = {T: 50, h: 8, d: 100, s: sp.sqrt(variance + 4 / 100)}
    # the search for the scale stops within about 1e-5 of its logarithm
    assert variance == pytest.approx(float(best.subs(here)), rel=1e-4)


# The best difficulty, theory.md section 7: G_gen = √(K/2n), no logarithms


def gap(nats):
    return sp.sqrt(nats / (2 * n))


def test_case_a_jumps_from_easiest_to_hardest():
    k, L = sp.symbols("k L", positive=True)
    total = gap(k**2 * d**2) + L * (1 - d)
    slope = sp.diff(total, d)
    assert not slope.has(d)
    (switch,) = sp.solve(slope, n)
    assert zero(switch - k**2 / (2 * L**2))
    assert switch.subs({k: 4, L: sp.Rational(1, 5)}) == 200
    assert slope.subs({k: 4, L: sp.Rational(1, 5), n: 199}) > 0
    assert slope.subs({k: 4, L: sp.Rational(1, 5), n: 201}) < 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [(100, 0.292893), (1000, 0.776393), (10**4, 0.929289), (10**5, 0.977639), (50, 0), (20, -1)],
)
def test_case_b(size, expected):
    total = gap(100 * d**2) + (1 - d) ** 2 / 2
    (best,) = sp.solve(sp.diff(total, d), d)
    assert zero(best - (1 - sp.sqrt(100 / (2 * n))))
    assert sp.diff(total, d, 2) == 1
    value = float(best.subs(n, size))
    if expected <= 0:
        assert value <= 0  # then the easiest is best
    else:
        assert value == pytest.approx(expected, abs=5.1e-7)


@pytest.mark.parametrize(
    ("size", "expected"), [(20, 0.243620), (100, 0.481763), (1000, 0.804557), (10**4, 0.936195)]
)
def test_case_c(size, expected):
    total = gap(20 + 100 * d**2) + (1 - d) ** 2 / 2
    slope = sp.diff(total, d).subs(n, size)
    assert float(sp.nsolve(slope, d, (0, 1), solver="bisect")) == pytest.approx(
        expected, abs=5.1e-7
    )
    # √(20 + 100 d²) is convex, so that there is one minimum
    curvature = sp.diff(gap(20 + 100 * d**2), d, 2)
    assert zero(curvature - gap(1) * 2000 / (20 + 100 * d**2) ** sp.Rational(3, 2))


def test_case_d():
    a, scale, lam = sp.symbols("a c lam", positive=True)
    total = gap(scale * n**a * d**2) + lam / 2 * (1 - d) ** 2
    (best,) = sp.solve(sp.diff(total, d), d)
    assert zero(best - (1 - sp.sqrt(scale * n ** (a - 1) / 2) / lam))
    assert zero(best.subs({a: 0, scale: 100, lam: 1}) - (1 - sp.sqrt(100 / (2 * n))))
    for power, sign in ((sp.Rational(1, 2), 1), (1, 0), (sp.Rational(3, 2), -1)):
        assert sp.sign(sp.simplify(sp.diff(best.subs(a, power), n))) == sign


def test_the_best_difficulty_rises_with_n_only_for_a_below_one():
    # at the minimum dd*/dn = −F_dn/F_dd with F_dd > 0, and F_dn has the sign of a − 1
    a, scale = sp.symbols("a c", positive=True)
    h, rest = sp.Function("h", positive=True)(d), sp.Function("G")(d)
    total = gap(scale * n**a * h) + rest
    mixed = sp.diff(total, d, n)
    expected = (a - 1) / (2 * n) * sp.sqrt(scale * n**a / (2 * n)) * sp.diff(sp.sqrt(h), d)
    assert zero(mixed - expected)


def test_a_stronger_base_moves_the_best_difficulty_either_way():
    s, cut = sp.symbols("s cut", positive=True)
    h = sp.Function("h", positive=True)(d)
    # F_ds of the gap: positive if s scales KL (less of it: harder), negative if cut off it
    scaled, subtracted = gap(s * h), gap(h - cut)
    slope = sp.diff(h, d)
    assert zero(sp.diff(scaled, d, s) - slope / (4 * sp.sqrt(2 * n * s * h)))
    assert zero(sp.diff(subtracted, d, cut) - slope / (4 * sp.sqrt(2 * n)) / (h - cut) ** 1.5)


# Mixing source and target, Ben-David et al. (2010), section 5


@pytest.mark.parametrize(
    ("target", "source", "expected"),
    [
        (1000, 50000, 0.113205),
        (3000, 50000, 0.764599),
        (3200, 50000, 1),
        (2500, 2500, 0.907522),
    ],
)
def test_best_weight_of_the_target(target, source, expected):
    alpha = sp.symbols("alpha", positive=True)
    D2, t, s = sp.symbols("D2 m_T m_S", positive=True)
    m, beta = t + s, t / (t + s)
    # the bound on the excess risk over 2·distance, with their √(dimension/m) for the complexity
    total = sp.sqrt(D2 / m * (alpha**2 / beta + (1 - alpha) ** 2 / (1 - beta))) + (1 - alpha)
    best = beta * (1 + s / sp.sqrt(D2 * m - s * t))
    # D² = dimension/distance² = 3131.69
    here = {D2: 1601 / sp.Rational("0.715") ** 2, t: target, s: source}
    slope = sp.diff(total, alpha).subs(here)
    assert abs(slope.subs(alpha, best.subs(here)).evalf(40)) < 1e-30
    assert sp.simplify(sp.diff(total, alpha, 2).subs(here)).evalf(subs={alpha: 0.5}) > 0
    # from m_T = D² on the minimum is right of 1: the target alone
    assert zero(best.subs(D2, t) - 1)
    assert min(float(best.subs(here)), 1) == pytest.approx(expected, abs=5.1e-7)


# Strata, theory.md section 6


def test_distances_of_the_strata_example():
    v = [sp.Rational(x, 10) for x in (4, 3, 2, 1)]
    w = [sp.Rational(x, 10) for x in (2, 3, 3, 2)]
    difference = [b - a for a, b in zip(v, w, strict=True)]
    assert sum(map(abs, difference)) / 2 == sp.Rational(1, 5)
    ratios = [b / a for a, b in zip(v, w, strict=True)]
    assert max(ratios) == 2
    beta_2 = sp.sqrt(sum(a * x**2 for a, x in zip(v, ratios, strict=True)))
    assert float(beta_2) == pytest.approx(1.118034, abs=5e-7)
    # the distribution functions differ one way only: the one-sided distance is the whole
    steps = list(itertools.accumulate(difference))
    assert sum(map(abs, steps)) == -sum(steps) == sp.Rational(1, 2)


def test_effective_sample_size_of_a_mixture():
    # the best λ of √-form: (KL + L)/λ + (λ/8) Σ a²/n_k = √((KL + L)/(2 n_eff))
    cost, size, lam = sp.symbols("cost size lam", positive=True)
    value = cost / lam + lam / (8 * size)
    (best,) = sp.solve(sp.diff(value, lam), lam)
    assert zero(value.subs(lam, best) - sp.sqrt(cost / (2 * size)))
    found = bounds.mixture_hoeffding(
        weights=[0.5, 0.5],
        empirical_risk=[0.3, 0.05],
        kl=300.0,
        n=[5000, 5000],
        delta=0.05,
        lam=float(best.subs({cost: 300 + math.log(20), size: 10000})),
    )
    assert found == pytest.approx(0.175 + math.sqrt((300 + math.log(20)) / 20000), rel=1e-12)
