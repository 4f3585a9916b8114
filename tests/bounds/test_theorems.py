"""Every theorem: reference values, the truth from the formula, edges, bad input."""

import inspect
import math

import mpmath
import numpy as np
import pytest

from pacbayes import bounds
from pacbayes.bounds import BOUNDS, certified, enclosure, lookup
from pacbayes.bounds.enclosures import ENCLOSURES
from pacbayes.bounds.enclosures.balls import float_above
from pacbayes.bounds.registry import lookup_side
from tests import oracle

REFERENCE = {"empirical_risk": 0.02, "kl": 300.0, "n": 30000, "delta": 0.05}

VECTORS = {"coefficients", "losses", "weights"}

FORMULAS = [
    name
    for name, bound in BOUNDS.items()
    if {"empirical_risk", "n"} <= set(bound.needs) and not VECTORS & set(bound.needs)
]
"""Theorems of numbers only, which are tried on many of them."""

SIDES = [name + side for name in FORMULAS for side in ("", "_lower") if name + side in ENCLOSURES]


@pytest.mark.parametrize(
    ("name", "further", "value"),
    [
        ("seeger_maurer", {}, 0.046981242),
        ("seeger_maurer_2sqrtn", {}, 0.047006918),
        ("time_uniform_kl", {}, 0.047000240),
        ("pinsker", {}, 0.091745308),
        ("mcallester_1999", {}, 0.094919260),
        ("thiemann", {}, 0.053049418),
        ("quadratic", {}, 0.053049418),
        ("uniform_catoni", {}, 0.046981242),
        ("catoni_grid", {}, 0.047042806),
        ("tolstikhin_seldin", {"variance": 0.02 * 0.98 * 30000 / 29999}, 0.066877822),
        ("unexpected_bernstein", {"second_moment": 0.02}, 0.048045053),
        ("disintegrated_kl", {}, 0.046981242),
        ("test_set_binomial", {"n_errors": 600}, 0.021381148),
    ],
)
def test_reference_values(name, further, value):
    given = {**REFERENCE, **further}
    arguments = {key: given[key] for key in given if key in parameters(name)}
    # theory.md gives nine decimals
    assert BOUNDS[name].function(**arguments) == pytest.approx(value, abs=5.1e-10)
    assert certified(name, **arguments) == pytest.approx(value, abs=5.1e-10)


def test_catoni_optimised_over_its_constant_would_be_less_than_any_certificate():
    best = min(bounds.catoni(**REFERENCE, c=c) for c in np.linspace(0.8, 0.95, 4001))
    assert best == pytest.approx(0.046682710, abs=5e-10)
    assert best < bounds.seeger_maurer(**REFERENCE) < bounds.catoni_grid(**REFERENCE)


def parameters(name):
    return inspect.signature(lookup_side(name)[1]).parameters


def cases(name, count):
    """Arguments of a theorem: random over all magnitudes, and at the edges."""
    rng = np.random.default_rng(sum(map(ord, name)))
    edges = {
        "empirical_risk": [0.0, 1.0, 1e-300, 1 - 1e-16, 0.5],
        "kl": [0.0, 1e9, 1e-300, 1.0],
        "n": [2, 1e15, 3, 1000],
        "delta": [1e-300, 1 - 1e-9, 0.05],
    }
    for i in range(count):
        drawn = {
            "empirical_risk": float(rng.choice([rng.random(), 10 ** rng.uniform(-12, 0)])),
            "kl": float(10 ** rng.uniform(-6, 6)),
            "n": int(10 ** rng.uniform(0.4, 15)),
            "delta": float(rng.choice([10 ** rng.uniform(-300, 0), rng.uniform(1e-3, 0.999)])),
        }
        if i % 3 == 0:
            for key in rng.choice(list(edges), size=2, replace=False):
                drawn[key] = float(rng.choice(edges[key]))
        risk = drawn["empirical_risk"]
        mu = float(rng.uniform(0.01, 0.99))
        least = max(0.0, risk - mu)
        drawn |= {
            "lam": float(rng.uniform(0.01, 1.99)),
            "c": float(
                rng.uniform(0.01, 1) if "gamma" in parameters(name) else 10 ** rng.uniform(-3, 2)
            ),
            "gamma": float(
                1 + 10 ** rng.uniform(-2, 1)
                if "c" in parameters(name)
                else rng.uniform(1e-6, 0.999)
            ),
            "second_moment": float(risk**2 + (risk - risk**2) * rng.random()),
            "variance": float(rng.choice([0.0, 0.25 * rng.random()])),
            "mu": mu,
            "excess": float(least + ((1 - mu) * risk - least) * rng.random()),
            "log_prior": -float(10 ** rng.uniform(-3, 6)),
            "sigma": float(10 ** rng.uniform(-3, 3)),
            "scale": float(rng.choice([0.0, rng.random()])),
            "variance_factor": float(rng.choice([0.0, 1e-320, 0.25 * rng.random()])),
        }
        optional = rng.random() < 0.5
        yield {
            key: value
            for key, value in drawn.items()
            if key in parameters(name)
            and (parameters(name)[key].default is inspect.Parameter.empty or optional)
        }


COUNT = 220
"""For each of about 26 functions: 5,700 cases in all, a third of them at edges."""


@pytest.mark.parametrize("name", SIDES)
def test_never_on_the_wrong_side_of_the_truth(name):
    function = lookup_side(name)[1]
    capped = lookup_side(name)[0].capped
    for arguments in cases(name, COUNT):
        value, truth = function(**arguments), enclosure(name, **arguments)
        assert math.isfinite(value)
        if name.endswith("_lower"):
            assert oracle.ball(value) <= truth or value == 0, arguments
        else:
            assert oracle.ball(value) >= truth or (capped and value == 1), arguments
        # and close to it; a difference of numbers up to 1 is known to about 1e-15, and split_kl
        # divides one by μ
        slack = 1e-12 if "split" in name else 4e-14
        assert float(abs(truth - value).mid()) <= slack * max(1.0, abs(value)), arguments


def test_there_are_more_than_five_thousand_cases():
    assert COUNT * len(SIDES) >= 5000


@pytest.mark.parametrize(
    "name", [name for name in SIDES if not (name.endswith("_lower") or "split" in name)]
)
def test_small_values_are_relatively_close(name):
    """The others are differences, close in absolute terms."""
    for arguments in cases(name, 60):
        value, truth = lookup_side(name)[1](**arguments), enclosure(name, **arguments)
        assert float((value / truth).mid()) <= 1 + 2e-13, arguments


def by_formula(name, *, empirical_risk, kl, n, delta, **further):
    """The closed forms once more, in mpmath, as the papers print them."""
    r, k, m, d = (mpmath.mpf(x) for x in (empirical_risk, kl, n, delta))
    b = k + mpmath.log(2 * mpmath.sqrt(m) / d)
    if name == "pinsker":
        return r + mpmath.sqrt(b / (2 * m))
    if name == "mcallester_1999":
        return r + mpmath.sqrt((k + mpmath.log(1 / d) + 2.5 * mpmath.log(m) + 8) / (2 * m - 1))
    if name == "thiemann":
        lam = further.get("lam", 2 / (mpmath.sqrt(2 * m * r / b + 1) + 1))
        return r / (1 - mpmath.mpf(lam) / 2) + b / (m * lam * (1 - mpmath.mpf(lam) / 2))
    if name == "quadratic":
        return (mpmath.sqrt(r + b / (2 * m)) + mpmath.sqrt(b / (2 * m))) ** 2
    if name == "catoni":
        c = mpmath.mpf(further["c"])
        return (1 - mpmath.exp(-c * r - (k - mpmath.log(d)) / m)) / (1 - mpmath.exp(-c))
    if name == "unexpected_bernstein":
        g = mpmath.mpf(further["gamma"])
        psi = -g - mpmath.log(1 - g)
        return r + psi / g * further["second_moment"] + (k - mpmath.log(d)) / (g * m)
    y = (k + mpmath.log(m / d)) / (m - 1)
    if name == "sub_gaussian":
        return r + further["sigma"] * mpmath.sqrt(2 * y)
    return r + mpmath.sqrt(2 * mpmath.mpf(further["variance_factor"]) * y) + further["scale"] * y


@pytest.mark.parametrize(
    "name",
    [
        "pinsker",
        "mcallester_1999",
        "thiemann",
        "quadratic",
        "catoni",
        "unexpected_bernstein",
        "sub_gaussian",
        "sub_gamma",
    ],
)
def test_enclosures_contain_the_printed_formulas(name):
    with mpmath.workdps(60):
        for arguments in cases(name, 100):
            if "gamma" in parameters(name):
                arguments.setdefault("gamma", 0.25)
            ball = enclosure(name, **arguments)
            value = by_formula(name, **arguments)
            if BOUNDS[name].capped:
                value = min(value, mpmath.mpf(1))
            middle = mpmath.mpf(ball.mid().str(60, radius=False))
            assert abs(middle - value) <= mpmath.mpf(10) ** -40 * max(1, abs(value)), arguments


def test_certified_is_the_least_float_above():
    for name in ("seeger_maurer", "pinsker", "catoni_grid", "tolstikhin_seldin"):
        for arguments in cases(name, 30):
            value, ball = certified(name, **arguments), enclosure(name, **arguments)
            assert value == 1 or oracle.ball(value) >= ball
            assert value <= 1
            assert not oracle.ball(math.nextafter(value, 0.0)) >= ball
    assert float_above(oracle.ball(1) / 3) == math.nextafter(1 / 3, 1)  # 1/3 is rounded down
    arguments = {"empirical_risk": 0.3, "kl": 300.0, "n": 5000, "delta": 0.05}
    below = certified("seeger_maurer_lower", **arguments)
    ball = enclosure("seeger_maurer_lower", **arguments)
    assert oracle.ball(below) <= ball
    assert not oracle.ball(math.nextafter(below, 1.0)) <= ball


@pytest.mark.parametrize("name", [n for n in FORMULAS if BOUNDS[n].capped])
def test_a_risk_of_one_stays_one(name):
    # of the drawn arguments only those that go with a risk of 1
    at_one = {"second_moment": 1.0, "variance": 0.0, "mu": 0.4, "excess": 0.6}
    for arguments in cases(name, 20):
        fixed = {key: at_one.get(key, value) for key, value in arguments.items()}
        assert BOUNDS[name].function(**fixed | {"empirical_risk": 1.0}) == 1.0


@pytest.mark.parametrize("name", [name for name in FORMULAS if "kl" in parameters(name)])
def test_infinite_divergence_says_nothing(name):
    arguments = next(iter(cases(name, 1)))
    assert BOUNDS[name].function(**arguments | {"kl": math.inf}) == (
        1.0 if BOUNDS[name].capped else math.inf
    )


@pytest.mark.parametrize("name", SIDES)
def test_arrays_are_their_elements(name):
    function = lookup_side(name)[1]
    several = list(cases(name, 5))
    keys = set.intersection(*(set(arguments) for arguments in several))
    several = [{key: arguments[key] for key in sorted(keys)} for arguments in several]
    if {"c", "gamma"} & set(parameters(name)) and not {"c", "gamma"} & keys:
        several = [{k: v for k, v in a.items() if k not in ("c", "gamma")} for a in several]
    together = function(**{key: np.array([a[key] for a in several]) for key in several[0]})
    assert together.shape == (5,)
    assert together.tolist() == [function(**arguments) for arguments in several]
    column = function(**several[0] | {"delta": np.array([[0.1], [0.2]])})
    assert column.shape == (2, 1)
    assert isinstance(function(**several[0]), float)


BAD = [
    ("delta", 0.0, r"`delta` must lie in \(0, 1\), got 0.0"),
    ("delta", 1.0, r"`delta` must lie in \(0, 1\), got 1.0"),
    ("delta", math.nan, r"`delta` must lie in \(0, 1\), got nan"),
    ("n", 0, "`n` must be at least . got 0.0|`n` must be at least ., got 0.0"),
    ("n", 2.5, "`n` must be a whole number, got 2.5"),
    ("n", math.nan, "`n` must be at least ., got nan"),
    ("kl", -1.0, "`kl` must be at least 0, got -1.0. It is a divergence in nats."),
    ("kl", math.nan, "`kl` must be at least 0, got nan"),
    ("empirical_risk", math.nan, "`empirical_risk` must .*, got nan"),
    ("empirical_risk", -0.1, r"`empirical_risk` must lie in \[0, 1\], got -0.1"),
    ("empirical_risk", 2.0, r"`empirical_risk` must lie in \[0, 1\], got 2.0. Percentages"),
]


def is_bad(name, key, value):
    """Whether the theorem takes the argument, and its loss has a range that the value leaves."""
    in_range = key != "empirical_risk" or math.isnan(value) or lookup_side(name)[0].capped
    return key in parameters(name) and in_range


@pytest.mark.parametrize(
    ("name", "key", "value", "message"),
    [(name, *bad) for bad in BAD for name in SIDES if is_bad(name, *bad[:2])],
)
def test_bad_arguments(name, key, value, message):
    arguments = next(iter(cases(name, 1)))
    with pytest.raises(ValueError, match=message):
        lookup_side(name)[1](**arguments | {key: value})
    with pytest.raises(ValueError, match=message):
        certified(name, **arguments | {key: value})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("thiemann", {"lam": 2.0}, r"`lam` must lie in \(0, 2\), got 2.0"),
        ("uniform_catoni", {"c": 0.5}, "must be given together"),
        ("uniform_catoni", {"c": 1.5, "gamma": 2.0}, r"`c` must lie in \(0, 1\], got 1.5"),
        (
            "uniform_catoni",
            {"c": 0.5, "gamma": 1.0},
            "`gamma` must be above 1, and finite, got 1.0",
        ),
        ("catoni", {"c": 0.0}, "`c` must be above 0, and finite, got 0.0"),
        ("catoni_grid", {"grid": [1.0, -1.0]}, "`grid` must be above 0, and finite, got -1.0"),
        ("unexpected_bernstein", {"second_moment": 0.03}, "It is the mean squared loss, not a var"),
        ("unexpected_bernstein", {"second_moment": 0.02, "gamma": 1.0}, r"`gamma` must lie in \(0"),
        ("tolstikhin_seldin", {"variance": 0.6}, r"`variance` must lie in \[0, 1/2\], got 0.6"),
        ("split_kl", {"mu": 0.2, "excess": 0.1}, "`excess` must lie between"),
        ("split_kl", {"mu": 1.0, "excess": 0.0}, r"`mu` must lie in \(0, 1\), got 1.0"),
        ("occam_kl", {"log_prior": 3.0}, "`log_prior` must be at most 0, got 3.0. It is ln P"),
        (
            "occam_binomial",
            {"n_errors": 600.5, "log_prior": -1},
            "`n_errors` must be a whole number",
        ),
        ("sub_gaussian", {"sigma": 0.0}, "`sigma` must be above 0, and finite"),
        ("sub_gamma", {"variance_factor": 1.0, "scale": -1.0}, "`scale` must be at least 0"),
        ("test_set_binomial", {"n_errors": 30001}, "`n_errors` must be a whole number from 0 to n"),
        ("test_set_betting", {"losses": [0.1, 1.5]}, r"`losses` must lie in \[0, 1\], got 1.5"),
        ("test_set_betting", {"losses": []}, r"`losses` must have shape \(n,\) with at least one"),
        ("token_freedman", {"losses": [0.9], "predictable": [0.1], "width": 0.5}, "plus `width`"),
    ],
)
def test_bad_further_arguments(name, change, message):
    given = {**REFERENCE, **change}
    arguments = {key: given[key] for key in given if key in parameters(name)}
    with pytest.raises(ValueError, match=message):
        BOUNDS[name].function(**arguments)


def test_every_bound_has_an_enclosure_and_every_lower_twin_too():
    expected = {*BOUNDS, *(f"{name}_lower" for name, bound in BOUNDS.items() if bound.lower)}
    assert set(ENCLOSURES) == expected


def test_registry_names_its_functions_and_their_arguments():
    for name, bound in BOUNDS.items():
        assert getattr(bounds, name) is bound.function
        taken = inspect.signature(bound.function).parameters
        optional = {k for k, p in taken.items() if p.default is not inspect.Parameter.empty}
        assert {need.strip("[]") for need in bound.needs} | {"delta"} == set(taken) - {"counts"}
        assert {need.strip("[]") for need in bound.needs if "[" in need} == optional - {"counts"}
        assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in taken.values())
        if bound.lower is not None:
            assert getattr(bounds, f"{name}_lower") is bound.lower
            assert set(inspect.signature(bound.lower).parameters) == set(taken)
    with pytest.raises(
        ValueError, match=r"There is no bound named `seeger_maur`\. Did you mean see"
    ):
        lookup("seeger_maur")
    with pytest.raises(ValueError, match="`catoni` has no lower twin"):
        lookup_side("catoni_lower")


def test_bounds_on_one_event_are_ordered_as_they_follow_from_each_other():
    for arguments in cases("seeger_maurer", 300):
        kl = bounds.seeger_maurer(**arguments)
        assert kl <= bounds.seeger_maurer_2sqrtn(**arguments) * (1 + 1e-13)
        assert kl <= bounds.time_uniform_kl(**arguments) * (1 + 1e-13)
        root = bounds.seeger_maurer_2sqrtn(**arguments) * (1 - 1e-13)
        for looser in ("pinsker", "thiemann", "quadratic"):
            assert root <= BOUNDS[looser].function(**arguments), (looser, arguments)
        assert bounds.pinsker(**arguments) <= bounds.mcallester_1999(**arguments) * (1 + 1e-13)
        assert bounds.thiemann(**arguments) == pytest.approx(
            bounds.quadratic(**arguments), rel=1e-13
        )
        for c, gamma in ((0.9, 1.5), (0.5, 3.0)):
            assert kl * (1 - 1e-13) <= bounds.uniform_catoni(**arguments, c=c, gamma=gamma)


@pytest.mark.parametrize("name", ["test_set_kl", "test_set_kl_lower"])
def test_certified_does_not_depend_on_the_precision_outside(name):
    values = set()
    for bits in (53, 400, 10000):
        with oracle.precision(bits):
            values.add(certified(name, empirical_risk=0.9375, n=16, delta=0.005))
    assert len(values) == 1
