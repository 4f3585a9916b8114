"""Objectives: values of the certified bounds, and slopes against closed forms and mpmath."""

import inspect
import itertools
import math

import mpmath
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from pacbayes import bounds
from pacbayes.bounds.registry import BOUNDS
from pacbayes.objectives import (
    OBJECTIVES,
    binary_kl_inverse_lower,
    binary_kl_inverse_upper,
    catoni,
    seeger_maurer,
    thiemann,
    uniform_catoni,
)

N, DELTA = 1000, 0.05

CASES = {
    "seeger_maurer": ("seeger_maurer", {}),
    "time_uniform_kl": ("time_uniform_kl", {}),
    "pinsker": ("pinsker", {}),
    "thiemann": ("thiemann", {}),
    "thiemann at lam": ("thiemann", {"lam": 0.7}),
    "quadratic": ("quadratic", {}),
    "uniform_catoni": ("uniform_catoni", {}),
    "uniform_catoni at c and gamma": ("uniform_catoni", {"c": 0.9, "gamma": 1.5}),
    "catoni": ("catoni", {"c": 1.3}),
}
"""Every objective, with its parameter chosen and given."""

THROUGH_KL = ("seeger_maurer", "time_uniform_kl", "uniform_catoni")
"""By the kl inverse: these and Catoni's level off towards their greatest value."""

UNBOUNDED = [k for k in CASES if k not in THROUGH_KL and k != "catoni"]

INVERSES = {
    "upper": (binary_kl_inverse_upper, bounds.binary_kl_inverse_upper),
    "lower": (binary_kl_inverse_lower, bounds.binary_kl_inverse_lower),
}


def double(x, grad=False):
    return torch.tensor(x, dtype=torch.float64, requires_grad=grad)


def at(case, risk, kl, n=N, delta=DELTA):
    name, further = CASES[case]
    return OBJECTIVES[name](empirical_risk=risk, kl=kl, n=n, delta=delta, **further)


def slopes(case, risk, kl, **further):
    """The objective's value and its derivatives in the risk and the KL, at numbers."""
    r, k = double(risk, grad=True), double(kl, grad=True)
    value = at(case, r, k, **further)
    value.backward()
    return value.item(), r.grad.item(), k.grad.item()


def inverse_slopes(side, q, c):
    a, b = double(q, grad=True), double(c, grad=True)
    p = INVERSES[side][0](a, b)
    p.sum().backward()
    return p.detach(), a.grad, b.grad


def test_every_objective_is_a_bound_of_the_same_name_and_arguments():
    assert set(OBJECTIVES) <= set(BOUNDS)
    assert {name for name, _ in CASES.values()} == set(OBJECTIVES)
    for name, objective in OBJECTIVES.items():
        assert objective.__name__ == name
        ours, theirs = inspect.signature(objective), inspect.signature(BOUNDS[name].function)
        assert list(ours.parameters) == list(theirs.parameters)
        assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in ours.parameters.values())
        for key, parameter in ours.parameters.items():
            assert parameter.default == theirs.parameters[key].default
    with pytest.raises(TypeError):
        OBJECTIVES["pinsker"] = seeger_maurer


@pytest.mark.parametrize("case", CASES)
def test_values_are_those_of_the_bounds(case):
    name, further = CASES[case]
    rng = np.random.default_rng(1)
    risk = np.concatenate([rng.random(300), 10 ** rng.uniform(-12, 0, 200), [0, 1, 0, 1, 0.5]])
    kl = np.concatenate([10 ** rng.uniform(-6, 5, 500), [0, 0, 1e9, 1e9, 1e-300]])
    for n in (2, 37, 30_000, 10**9):
        for delta in (1e-12, 0.05, 0.9):
            value = at(case, double(risk), double(kl), n=n, delta=delta).numpy()
            bound = BOUNDS[name].function(empirical_risk=risk, kl=kl, n=n, delta=delta, **further)
            below = bound < 1
            np.testing.assert_allclose(value[below], bound[below], rtol=1e-12, atol=1e-12)
            assert (value[~below] >= 1 - 1e-12).all()


@pytest.mark.parametrize("side", INVERSES)
def test_values_of_the_inverses(side):
    ours, theirs = INVERSES[side]
    rng = np.random.default_rng(2)
    edges = np.array([0.0, 5e-324, 1e-12, 0.5, 1 - 2**-53, 1.0])
    q = np.concatenate([rng.random(500), np.repeat(edges, 4)])
    c = np.concatenate([10 ** rng.uniform(-12, 2, 500), np.tile([0.0, 1e-9, 1.0, 1e9], 6)])
    assert (ours(double(q), double(c)).numpy() == theirs(q, c)).all()


@pytest.mark.parametrize("case", CASES)
def test_gradcheck(case):
    generator = torch.Generator().manual_seed(0)
    risk = 0.05 + 0.9 * torch.rand(6, 1, dtype=torch.float64, generator=generator)
    kl = 1 + 200 * torch.rand(5, dtype=torch.float64, generator=generator)
    inputs = (risk.requires_grad_(), kl.requires_grad_())
    assert gradcheck(lambda r, k: at(case, r, k), inputs, eps=1e-6, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("side", INVERSES)
def test_gradcheck_of_the_inverses(side):
    q = double([[0.02], [0.3], [0.9]], grad=True)
    c = double([0.01, 0.1, 0.7], grad=True)
    assert gradcheck(INVERSES[side][0], (q, c), eps=1e-7, atol=1e-6, rtol=1e-5)


def exact_inverse(side, q, c):
    def excess(p):
        return q * mpmath.log(q / p) + (1 - q) * mpmath.log((1 - q) / (1 - p)) - c

    tiny = mpmath.mpf(10) ** -25
    ends = (q, 1 - tiny) if side == "upper" else (tiny, q)
    return mpmath.findroot(excess, ends, solver="anderson", tol=1e-60, maxsteps=500)


@pytest.mark.parametrize("side", INVERSES)
@pytest.mark.parametrize(
    ("q", "c"), [(0.02, 0.01), (0.3, 0.5), (0.5, 1e-4), (0.9, 0.05), (1e-4, 5e-5), (0.05, 0.04)]
)
def test_slopes_of_the_inverses_are_those_of_the_exact_function(side, q, c):
    _, by_q, by_c = inverse_slopes(side, q, c)
    with mpmath.workdps(40):
        h = mpmath.mpf(10) ** -15

        def slope(function, x):
            return (function(x * (1 + h)) - function(x * (1 - h))) / (2 * h * x)

        exact_q = slope(lambda x: exact_inverse(side, x, mpmath.mpf(c)), mpmath.mpf(q))
        exact_c = slope(lambda x: exact_inverse(side, mpmath.mpf(q), x), mpmath.mpf(c))
    # p is within 1e-14 of the truth, and p − q at least 0.01 p
    assert by_q.item() == pytest.approx(float(exact_q), rel=1e-10)
    assert by_c.item() == pytest.approx(float(exact_c), rel=1e-10)


@pytest.mark.parametrize("side", INVERSES)
def test_slopes_of_the_inverses_are_the_implicit_ones(side):
    rng = np.random.default_rng(3)
    q, c = rng.uniform(0.01, 0.99, 400), 10 ** rng.uniform(-4, 0, 400)
    p, by_q, by_c = (x.numpy() for x in inverse_slopes(side, q, c))
    implicit = 1 / ((1 - q) / (1 - p) - q / p)
    np.testing.assert_allclose(by_c, implicit, rtol=1e-10)
    logs = np.log((1 - q) / (1 - p)) - np.log(q / p)
    np.testing.assert_allclose(by_q, logs * implicit, rtol=1e-10)


def test_slopes_at_no_or_only_errors_have_closed_forms():
    c = [1e-3, 0.1, 3.0]
    _, by_q, by_c = inverse_slopes("upper", [0.0] * 3, c)
    np.testing.assert_allclose(by_c, np.exp(-np.array(c)), rtol=1e-12)  # p = 1 − exp(−c)
    # infinite, and taken at 1e-12 instead
    np.testing.assert_allclose(by_q, inverse_slopes("upper", [1e-12] * 3, c)[1], rtol=1e-6)
    _, by_q, by_c = inverse_slopes("lower", [1.0] * 3, c)
    np.testing.assert_allclose(by_c, -np.exp(-np.array(c)), rtol=1e-10)  # p = exp(−c)
    np.testing.assert_allclose(by_q, inverse_slopes("lower", [1 - 1e-12] * 3, c)[1], rtol=1e-4)
    assert inverse_slopes("upper", [1.0] * 3, c)[2].tolist() == [0.0] * 3
    assert inverse_slopes("lower", [0.0] * 3, c)[2].tolist() == [0.0] * 3


EDGE_RISKS = [0.0, 5e-324, 1e-300, 1e-14, 1e-12, 1e-9, 0.3, 1 - 1e-9, 1 - 1e-14, 1 - 2**-53, 1.0]
EDGE_NATS = [0.0, 1e-300, 1e-16, 1e-9, 0.1, 30.0, 40.0, 1e9, math.inf]


@pytest.mark.parametrize("side", INVERSES)
def test_slopes_of_the_inverses_are_finite_and_of_the_right_sign_at_edges(side):
    q, c = (x.ravel() for x in np.meshgrid(EDGE_RISKS, EDGE_NATS))
    _, by_q, by_c = inverse_slopes(side, q, c)
    assert by_q.isfinite().all()
    assert by_c.isfinite().all()
    assert (by_q >= 0).all()
    assert ((by_c if side == "upper" else -by_c) >= 0).all()


@pytest.mark.parametrize("side", INVERSES)
def test_no_nats_leave_the_risk_as_it_is(side):
    p, by_q, by_c = inverse_slopes(side, [0.2, 0.7], [0.0, 0.0])
    assert p.tolist() == [0.2, 0.7]
    assert by_q.tolist() == [1.0, 1.0]
    # infinite, and given as some large number
    assert ((by_c if side == "upper" else -by_c) > 1e3).all()


def test_an_element_that_does_not_count_spoils_nothing():
    q, c = double([0.2, 0.2, 1.0], grad=True), double([0.1, 0.0, 0.1], grad=True)
    binary_kl_inverse_upper(q, c)[0].backward()
    assert q.grad.tolist()[1:] == c.grad.tolist()[1:] == [0.0, 0.0]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("risk", [0.0, 1.0])
@pytest.mark.parametrize("kl", [0.0, 3.0, 1e3, 1e6, 1e12])
def test_slopes_are_finite_and_upward_at_edges(case, risk, kl):
    value, by_risk, by_kl = slopes(case, risk, kl)
    assert math.isfinite(value)
    assert 0 <= by_risk < math.inf
    assert 0 <= by_kl < math.inf


@pytest.mark.parametrize("case", UNBOUNDED)
def test_a_bound_above_one_still_says_where_to_go(case):
    for risk, kl in ((0.3, 1e4), (0.9, 1e7), (1.0, 1e12), (0.0, 1e12)):
        value, by_risk, by_kl = slopes(case, risk, kl)
        assert value > 1
        assert by_risk > 0
        assert by_kl > 0
        assert at(case, double(risk), double(0.9 * kl)).item() < value


@pytest.mark.parametrize("case", [*THROUGH_KL, "catoni"])
def test_a_bound_that_levels_off_still_says_where_to_go(case):
    for risk in (0.0, 0.3, 0.9):
        for nats in (1.0, 10.0, 25.0):
            if nats < 30 * (1 - risk):  # beyond, 1 − p is lost in the rounding
                _, by_risk, by_kl = slopes(case, risk, nats * N)
                assert by_risk > 0
                assert by_kl > 0


# Closed forms of the objectives' slopes


def nats(kl, constant):
    return (kl + math.log(constant / DELTA)) / N


ROOT = 2 * math.sqrt(N)


@pytest.mark.parametrize(("risk", "kl"), [(0.02, 30.0), (0.3, 5.0), (0.6, 200.0), (0.9, 1e4)])
def test_slopes_of_the_objectives_have_closed_forms(risk, kl):
    c = nats(kl, ROOT)
    assert slopes("pinsker", risk, kl)[1:] == pytest.approx((1, 1 / (4 * N * math.sqrt(c / 2))))

    lam = 2 / (math.sqrt(2 * risk / c + 1) + 1)
    expected = 1 / (1 - lam / 2), 1 / (N * lam * (1 - lam / 2))
    assert slopes("thiemann", risk, kl)[1:] == pytest.approx(expected, rel=1e-12)
    # the envelope: with λ at its best, λ's own change does not matter
    assert slopes("quadratic", risk, kl) == pytest.approx(slopes("thiemann", risk, kl), rel=1e-12)

    expected = 1 / (1 - 0.35), 1 / (N * 0.7 * (1 - 0.35))
    assert slopes("thiemann at lam", risk, kl)[1:] == pytest.approx(expected, rel=1e-12)

    expected = 0.9 * 1.5 * math.log(1.5 / 0.5), 0.9 * 1.5 / N
    assert slopes("uniform_catoni at c and gamma", risk, kl)[1:] == pytest.approx(expected)

    rest = math.exp(-1.3 * risk - nats(kl, 1)) / (1 - math.exp(-1.3))
    assert slopes("catoni", risk, kl)[1:] == pytest.approx((1.3 * rest, rest / N), rel=1e-12)


@pytest.mark.parametrize(("risk", "kl"), [(0.02, 30.0), (0.3, 5.0), (0.6, 200.0)])
def test_slopes_through_the_kl_inverse(risk, kl):
    for case, constant in (
        ("seeger_maurer", bounds.xi(N)),
        ("time_uniform_kl", bounds.kt_constant(N)),
    ):
        _, by_q, by_c = inverse_slopes("upper", risk, nats(kl, constant))
        expected = by_q.item(), by_c.item() / N
        assert slopes(case, risk, kl)[1:] == pytest.approx(expected, rel=1e-10)
    assert slopes("uniform_catoni", risk, kl) == slopes("seeger_maurer", risk, kl)


@pytest.mark.parametrize(("risk", "kl"), [(0.02, 30.0), (0.3, 5.0), (0.6, 200.0)])
def test_the_linear_bound_at_its_best_touches_the_kl_bound(risk, kl):
    value, by_risk, by_kl = slopes("seeger_maurer", risk, kl)
    best = {
        "c": (1 - value) / (1 - risk),
        "gamma": value * (1 - risk) / (value - risk),
    }
    r, k = double(risk, grad=True), double(kl, grad=True)
    touching = uniform_catoni(empirical_risk=r, kl=k, n=N, delta=DELTA, **best)
    touching.backward()
    found = touching.item(), r.grad.item(), k.grad.item()
    assert found == pytest.approx((value, by_risk, by_kl), rel=1e-10)


# Shapes and types


@pytest.mark.parametrize("case", CASES)
def test_shapes_broadcast_and_elements_are_on_their_own(case):
    risk, kl = double([[0.0], [0.02], [1.0]]), double([3.0, 40.0])
    table = at(case, risk, kl)
    assert table.shape == (3, 2)
    for i in range(3):
        for j in range(2):
            assert table[i, j] == at(case, risk[i, 0], kl[j])
    assert at(case, double(0.1), kl).shape == at(case, risk[0], kl).shape == (2,)
    assert at(case, double(0.1), double(3.0)).shape == ()
    assert at(case, double([]), double(3.0)).shape == (0,)


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_broadcast_arguments_are_sums(case):
    risk, kl = double([[0.1], [0.4], [0.8]], grad=True), double([3.0, 40.0], grad=True)
    weights = double([[1.0, 2.0], [-3.0, 4.0], [5.0, 0.0]])
    (weights * at(case, risk, kl)).sum().backward()
    single = np.array([[slopes(case, r, k)[1:] for k in (3.0, 40.0)] for r in (0.1, 0.4, 0.8)])
    np.testing.assert_allclose(risk.grad[:, 0], (weights.numpy() * single[..., 0]).sum(1))
    np.testing.assert_allclose(kl.grad, (weights.numpy() * single[..., 1]).sum(0))


@pytest.mark.parametrize("case", CASES)
def test_single_precision_in_single_precision_out(case):
    risk = torch.tensor([0.0, 0.1, 0.5], requires_grad=True)
    kl = torch.tensor([10.0, 20.0, 50.0], requires_grad=True)
    value = at(case, risk, kl)
    assert value.dtype == torch.float32
    value.sum().backward()
    assert risk.grad.dtype == kl.grad.dtype == torch.float32
    for i, (r, k) in enumerate(((0.0, 10.0), (0.1, 20.0), (0.5, 50.0))):
        expected = slopes(case, float(np.float32(r)), k)
        found = value[i].item(), risk.grad[i].item(), kl.grad[i].item()
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("of_risk", "of_kl"),
    [(torch.float32, torch.float64), (torch.float64, torch.float32), (torch.bfloat16, None)],
)
def test_each_gradient_has_the_type_of_its_argument(case, of_risk, of_kl):
    risk = torch.tensor([0.25, 0.5], dtype=of_risk, requires_grad=True)
    kl = torch.tensor([16.0, 64.0], dtype=of_kl, requires_grad=True)
    value = at(case, risk, kl)
    value.sum().backward()
    assert risk.grad.dtype == of_risk
    assert kl.grad.dtype == (of_kl or torch.float32)
    rel = 2**-6 if of_risk == torch.bfloat16 else 1e-5
    for i, (r, k) in enumerate(((0.25, 16.0), (0.5, 64.0))):
        found = value[i].item(), risk.grad[i].item(), kl.grad[i].item()
        assert found == pytest.approx(slopes(case, r, k), rel=rel)


def test_what_needs_no_gradient_gets_none():
    risk, kl = double(0.1), double(3.0, grad=True)
    for case in CASES:
        assert not at(case, risk, double(3.0)).requires_grad
        at(case, risk, kl).backward()
        assert risk.grad is None
    lam = double(0.7, grad=True)
    value = thiemann(empirical_risk=risk, kl=double(3.0), n=N, delta=DELTA, lam=lam)
    value.backward()
    c = nats(3.0, ROOT)
    rest = 1 - 0.35
    expected = 0.1 / (2 * rest**2) - c * (rest - 0.35) / (0.7 * rest) ** 2
    assert lam.grad.item() == pytest.approx(expected)


def test_second_derivatives_of_the_inverses_are_refused_or_right():
    def curve(x):
        return binary_kl_inverse_upper(x**2, double(0.05))

    x = double(0.3, grad=True)
    (slope,) = torch.autograd.grad(curve(x), x, create_graph=True)
    try:
        (curvature,) = torch.autograd.grad(slope, x)
    except RuntimeError:
        return
    h = 1e-3  # the fourth difference and the rounding, 1e-14/h², are both below 1e-5
    around = [curve(double(0.3 + step)).item() for step in (-h, 0, h)]
    assert curvature.item() == pytest.approx((around[0] - 2 * around[1] + around[2]) / h**2, 1e-4)


# Use


def gaussian(centre, log_sigma):
    """A linear rule's Gibbs risk on Gaussian inputs, and its KL from a standard prior."""
    posterior = torch.distributions.Normal(centre, log_sigma.exp())
    prior = torch.distributions.Normal(torch.zeros_like(centre), torch.ones_like(centre))
    signal = (centre * double([1.0, 0.5, 0.0])).sum()
    noise = (1 + (centre**2).sum() + (2 * log_sigma).exp().sum()).sqrt()
    risk = torch.special.ndtr(-2 * signal / noise)
    return risk, torch.distributions.kl_divergence(posterior, prior).sum()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n", [100, 5])
def test_gradient_descent_lowers_the_bound(case, n):
    name, further = CASES[case]
    centre, log_sigma = double([0.3, -0.5, 2.0], grad=True), double([-3.0] * 3, grad=True)
    values = []
    for _ in range(30):
        value = at(case, *gaussian(centre, log_sigma), n=n)
        values.append(value.item())
        steps = torch.autograd.grad(value, (centre, log_sigma))
        with torch.no_grad():
            for parameter, step in zip((centre, log_sigma), steps, strict=True):
                parameter -= 0.03 * step
    assert all(after < before for before, after in itertools.pairwise(values))
    risk, kl = (x.item() for x in gaussian(centre, log_sigma))
    certificate = BOUNDS[name].function(empirical_risk=risk, kl=kl, n=n, delta=DELTA, **further)
    assert certificate == 1 or certificate < values[0]


# Bad arguments


@pytest.mark.parametrize("side", INVERSES)
@pytest.mark.parametrize(
    ("q", "c", "message"),
    [
        (1.5, 0.1, r"`q` must lie in \[0, 1\], got 1.5"),
        (-0.1, 0.1, r"`q` must lie in \[0, 1\], got -0.1"),
        (math.nan, 0.1, r"`q` must lie in \[0, 1\], got nan"),
        (0.1, -1.0, "`c` must be at least 0, got -1.0"),
        (0.1, math.nan, "`c` must be at least 0, got nan"),
    ],
)
def test_inverses_refuse_bad_arguments(side, q, c, message):
    with pytest.raises(ValueError, match=message):
        INVERSES[side][0](double(q), double(c))


@pytest.mark.parametrize("side", INVERSES)
def test_inverses_refuse_whole_numbers(side):
    # the result would be rounded to 0 or 1
    with pytest.raises((TypeError, ValueError), match="floating point"):
        INVERSES[side][0](torch.tensor(0), double(0.7))


def test_shapes_that_do_not_broadcast():
    with pytest.raises(RuntimeError, match="must match the size"):
        binary_kl_inverse_upper(double([0.1, 0.2]), double([0.1, 0.2, 0.3]))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"delta": 0.0}, r"`delta` must lie in \(0, 1\), got 0.0"),
        ({"delta": 2.0}, r"`delta` must lie in \(0, 1\), got 2.0"),
        ({"delta": math.nan}, r"`delta` must lie in \(0, 1\), got nan"),
        ({"n": 0}, "`n` must be at least 1, got 0.0"),
        ({"n": -3}, "`n` must be at least 1, got -3.0"),
        ({"n": math.nan}, "`n` must be at least 1, got nan"),
    ],
)
def test_objectives_refuse_bad_arguments(case, change, message):
    with pytest.raises(ValueError, match=message):
        at(case, double(0.1), double(3.0), **change)


@pytest.mark.parametrize(
    ("objective", "further", "message"),
    [
        (thiemann, {"lam": 2.0}, r"`lam` must lie in \(0, 2\), got 2.0"),
        (thiemann, {"lam": -0.5}, r"`lam` must lie in \(0, 2\), got -0.5"),
        (uniform_catoni, {"c": 0.5}, "must be given together"),
        (uniform_catoni, {"gamma": 2.0}, "must be given together"),
        (uniform_catoni, {"c": 1.5, "gamma": 2.0}, r"`c` must lie in \(0, 1\], got 1.5"),
        (uniform_catoni, {"c": 0.5, "gamma": 1.0}, "`gamma` must be above 1, and finite, got 1.0"),
        (catoni, {"c": 0.0}, "`c` must be above 0, and finite, got 0.0"),
        (catoni, {"c": -1.0}, "`c` must be above 0, and finite, got -1.0"),
    ],
)
def test_objectives_refuse_bad_parameters(objective, further, message):
    with pytest.raises(ValueError, match=message):
        objective(empirical_risk=double(0.1), kl=double(3.0), n=N, delta=DELTA, **further)
