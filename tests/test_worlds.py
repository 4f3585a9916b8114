"""The worlds of the benchmarks: what is called exact is so, and they are as they are said to be."""

import math
from operator import attrgetter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2, multivariate_normal, norm, ttest_1samp

from benchmarks.perceptron.simulation import examples, simulate
from benchmarks.perceptron.task import Student, Task
from benchmarks.perceptron.theory import risk, train
from benchmarks.perceptron.windows import Window, nodes, window
from benchmarks.perceptron.worlds import PERCEPTRONS, WINDOWS
from benchmarks.worlds import MISSPECIFIED, STRATA, parametric_world, parametric_worlds

ALL = Window(0.0, 1.0)
PURE = np.eye(5)
NAME = attrgetter("name")
LOGISTIC = Task(ridge=0.5, flip=0.05, loss="logistic")
TASKS = {
    "ridge": Task(ridge=0.5),
    "wrong labels": Task(ridge=0.1, flip=0.1),
    "weak probe": Task(overlap=0.8, ridge=0.5, flip=0.02),
    "weak base": Task(overlap=0.8, ridge=1.0, start=0.8),
    "logistic": LOGISTIC,
}


def target(task, windows, weights, alpha):
    return risk(task, train(task, windows, weights, alpha), ALL)


def best_difficulty(task, alpha):
    grid = [round(d, 3) for d in np.linspace(0.1, 0.9, 33)]
    return min(grid, key=lambda d: target(task, (window(d),), (1.0,), alpha))


# ---- the quadrature and the risk


@pytest.mark.parametrize("difficulty", STRATA)
def test_nodes_integrate_over_the_margins_of_a_window(difficulty):
    part = window(difficulty)
    s, mass = nodes((part,), (1.0,))
    low, high = part.margins
    for f in (np.square, np.cos):
        exact = quad(lambda s, f=f: f(s) * norm.pdf(s), low, high, epsabs=1e-13)[0]
        assert mass @ f(s) == pytest.approx(10 * exact, abs=1e-10)


def test_windows_hold_a_fifth_each_and_partition_all_inputs():
    edges = [part.margins for part in WINDOWS]
    for low, high in edges:
        assert 2 * (norm.sf(low) - norm.sf(high)) == pytest.approx(0.2, abs=1e-12)
    assert [low for low, _ in edges[:-1]] == pytest.approx([high for _, high in edges[1:]])


@pytest.mark.parametrize("overlap", [0.3, 0.8, 1.0])
def test_risk_on_all_inputs_is_the_angle_between_student_and_teacher(overlap):
    student = Student(along_probe=0.7, along_rest=-0.2, other=0.5)
    length = math.sqrt(0.7**2 + 0.2**2 + 0.5**2)
    cosine = (0.7 * overlap - 0.2 * math.sqrt(1 - overlap**2)) / length
    task = Task(overlap=overlap, flip=0.1)
    expected = 0.1 + 0.8 * math.acos(cosine) / math.pi
    assert risk(task, student, ALL) == pytest.approx(expected, abs=1e-8)
    parts = [risk(task, student, part) for part in WINDOWS]
    assert np.mean(parts) == pytest.approx(expected, abs=1e-8)


def test_risk_on_a_stratum_is_that_of_two_correlated_normals():
    task, student = Task(overlap=0.6), Student(along_probe=0.5, along_rest=0.4, other=0.3)
    rho = 0.4 / 0.5
    joint = multivariate_normal(cov=[[1, rho], [rho, 1]])

    def differ(s):
        h, k = 0.6 / 0.8 * s, s
        return norm.cdf(h) + norm.cdf(k) - 2 * joint.cdf([h, k])

    s, mass = nodes((WINDOWS[2],), (1.0,))
    assert risk(task, student, WINDOWS[2]) == pytest.approx(
        mass @ np.vectorize(differ)(s), abs=1e-5
    )


# ---- theory against students trained for real


def simulated(task, weights, alpha, *, inputs, students, rng):
    n = round(alpha * inputs)
    found = [
        simulate(task, WINDOWS, weights, n=n, inputs=inputs, rng=rng).student
        for _ in range(students)
    ]
    return [risk(task, student, ALL) for student in found]


@pytest.mark.parametrize("name", TASKS)
def test_theory_is_the_mean_of_simulated_students(name):
    """Fisher's test of 8 t tests with 12 students of 300 inputs: false alarm 1e-4 a task."""
    task, rng, log_p = TASKS[name], np.random.default_rng(11), []
    for weights in (*map(tuple, PURE[[0, 2, 4]].tolist()), (0.6, 0.0, 0.0, 0.0, 0.4)):
        for alpha in (0.6, 2.5):
            found = simulated(task, weights, alpha, inputs=300, students=12, rng=rng)
            log_p.append(np.log(ttest_1samp(found, target(task, WINDOWS, weights, alpha)).pvalue))
    assert -2 * sum(log_p) < chi2.isf(1e-4, 16)


def test_a_wrong_theory_is_found_out():
    """The twin that must fail: half the data."""
    task, weights = TASKS["ridge"], (1.0, 0.0, 0.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    found = simulated(task, weights, 2.0, inputs=300, students=12, rng=rng)
    assert ttest_1samp(found, target(task, WINDOWS, weights, 1.0)).pvalue < 1e-6


def test_simulated_labels_and_margins_are_those_of_the_task():
    """Each share of 100,000 within 5 standard errors: false alarm 3e-6 in all."""
    task, rng = Task(overlap=0.8, flip=0.1), np.random.default_rng(3)
    x, y = examples(task, (WINDOWS[1], WINDOWS[3]), (0.3, 0.7), n=100_000, inputs=3, rng=rng)
    margin = np.abs(x[:, 0])
    low, high = WINDOWS[1].margins
    share = np.mean((margin > low) & (margin < high))
    assert abs(share - 0.3) < 5 * math.sqrt(0.21 / 1e5)
    wrong = np.mean(np.sign(0.8 * x[:, 0] + 0.6 * x[:, 1]) != y)
    assert abs(wrong - 0.1) < 5 * math.sqrt(0.09 / 1e5)


# ---- limits, and how the best difficulty moves


@pytest.mark.parametrize("difficulty", [0.1, 0.9])
@pytest.mark.parametrize("name", ["ridge", "weak probe", "logistic"])
def test_without_data_a_student_guesses(name, difficulty):
    task = TASKS[name]
    assert target(task, (window(difficulty),), (1.0,), 1e-9) == pytest.approx(0.5, abs=1e-4)


def test_without_data_a_base_is_itself():
    task = TASKS["weak base"]
    none = target(task, (window(0.9),), (1.0,), 1e-9)
    assert none == pytest.approx(math.acos(0.8) / math.pi, abs=1e-4)


@pytest.mark.parametrize("difficulty", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["ridge", "wrong labels", "logistic"])
def test_with_all_data_only_wrong_labels_are_left(name, difficulty):
    task = TASKS[name]
    assert target(task, (window(difficulty),), (1.0,), 1e7) == pytest.approx(task.flip, abs=1e-3)


def test_with_all_data_from_a_weak_probe_the_least_squares_direction_is_left():
    """The asymptote: a = C⁻¹ b, the angle of which to the teacher is not 0."""
    task, part = TASKS["weak probe"], window(0.3)
    s, mass = nodes((part,), (1.0,))
    h = 0.8 / 0.6 * s
    a = np.array([mass @ (s * (2 * norm.cdf(h) - 1)) / (mass @ s**2), mass @ (2 * norm.pdf(h))])
    angle = math.acos(a @ [0.8, 0.6] / np.linalg.norm(a)) / math.pi
    assert angle > 0.03
    found = target(task, (part,), (1.0,), 1e8)
    assert found == pytest.approx(0.02 + 0.96 * angle, abs=1e-4)


@pytest.mark.parametrize("name", ["ridge", "wrong labels", "weak probe"])
def test_the_best_difficulty_moves_from_the_easiest_window_to_a_hard_one(name):
    alphas = (0.25, 1, 4, 16, 64)
    best = [best_difficulty(TASKS[name], alpha) for alpha in alphas]
    assert best == sorted(best)
    assert best[0] == 0.1
    assert best[-1] >= 0.65


def test_the_best_difficulty_of_the_logistic_student_moves_too():
    easy, hard = window(0.1), window(0.7)
    small, large = (
        target(LOGISTIC, (hard,), (1.0,), alpha) - target(LOGISTIC, (easy,), (1.0,), alpha)
        for alpha in (0.5, 32)
    )
    assert small > 0.1
    assert large < -0.05


def test_the_extrapolation_gap_is_signed_and_depends_on_the_budget():
    task = TASKS["ridge"]

    def gap(difficulty, alpha):
        own = window(difficulty)
        student = train(task, (own,), (1.0,), alpha)
        return risk(task, student, ALL) - risk(task, student, own)

    assert gap(0.1, 1) > 0.1
    hard = [gap(0.9, alpha) for alpha in (0.25, 4, 64)]
    assert max(hard) < 0
    assert hard[1] < 5 * hard[0]
    assert hard[1] < 5 * hard[2]


def test_total_variation_alone_stays_too_easy():
    task = TASKS["weak probe"]
    own = {
        d: risk(task, train(task, (window(d),), (1.0,), 16.0), window(d)) + 0.8
        for d in map(float, STRATA)
    }
    chosen = min(own, key=own.get)
    assert chosen == 0.1
    best = min(target(task, (window(d),), (1.0,), 16.0) for d in map(float, STRATA))
    assert target(task, (window(chosen),), (1.0,), 16.0) > 2.5 * best


# ---- worlds


@pytest.mark.parametrize("world", [*parametric_worlds(3), MISSPECIFIED["jump"](1)], ids=NAME)
def test_parametric_worlds_keep_their_interface(world):
    check_world(world)


@pytest.mark.parametrize("name", ["weak probe", "weak base", "double descent"])
def test_perceptron_worlds_keep_their_interface(name):
    check_world(PERCEPTRONS[name]())


def check_world(world):
    pilots = world.pilots(np.random.default_rng(0), n_seeds=2)
    assert pilots.stratum_risk.shape == (30, 5)
    assert pilots.difficulty.shape == pilots.budget.shape == pilots.kl.shape == (30,)
    assert np.all(pilots.target_risk == pilots.stratum_risk @ world.target_weights)
    assert np.all((pilots.empirical_risk >= 0) & (pilots.empirical_risk <= 1))
    assert np.all(pilots.kl > 0)
    assert sorted(set(pilots.budget)) == list(world.pilot_budgets)
    again = world.pilots(np.random.default_rng(0), n_seeds=2)
    assert np.all(again.stratum_risk == pilots.stratum_risk)
    budgets = world.budgets()
    assert budgets[-1] == 16 * world.pilot_budgets[-1]
    risks = world.target_risk(STRATA[:, None], budgets)
    assert risks.shape == (5, 5)
    assert world.mixture_risk(PURE, budgets[2]) == pytest.approx(risks[:, 2])
    assert world.optimal_difficulty(budgets[0]) in world.grid


@pytest.mark.parametrize(
    "world",
    [parametric_world(1), MISSPECIFIED["peak"](2), PERCEPTRONS["noisy ridge"]()],
    ids=NAME,
)
def test_pilots_scatter_around_the_truth(world):
    """Means of 25 pilots of 15 cells within 5 standard errors, and what 200 inputs are off.

    False alarm below 1e-3 a world (t of 24 degrees of freedom); mean risks of students of 200
    inputs are off their limit by up to 1 %.
    """
    pilots = world.pilots(np.random.default_rng(7), n_seeds=25)
    cells = pilots.target_risk.reshape(5, 3, 25)
    error = cells.std(axis=2, ddof=1) / math.sqrt(25)
    truth = world.target_risk(STRATA[:, None], np.array(world.pilot_budgets))
    bias = 0.01 * truth if world.kind == "regular" else 0
    assert np.all(np.abs(cells.mean(axis=2) - truth) < 5 * error + bias)


def test_parametric_curves_are_of_the_family():
    world = parametric_world(2)
    n = np.geomspace(10, 1e6, 25)
    for d in (0.1, 0.45, 0.9):
        risks = world.target_risk(d, n)
        floor = world.target_risk(d, 1e30)
        base = world.base_risk @ world.target_weights
        # ln of (r₀ − R) / (R − c) is g ln(n / k)
        odds = np.log((base - risks) / (risks - floor))
        slope = np.diff(odds) / np.diff(np.log(n))
        assert slope == pytest.approx(np.full(24, slope[0]), rel=1e-5)


def test_the_kl_of_pilots_grows_as_asked():
    """Slope of 45 logarithms with noise of .05 over a factor of 9: 5 standard errors are .042."""
    world = parametric_world(2, kl_exponent=1.3)
    pilots = world.pilots(np.random.default_rng(1))
    level = np.log(pilots.kl).reshape(5, 9)
    log_n = np.log(pilots.budget).reshape(5, 9)
    level, log_n = (x - x.mean(axis=1, keepdims=True) for x in (level, log_n))
    assert np.sum(level * log_n) / np.sum(log_n**2) == pytest.approx(1.3, abs=0.042)
    assert world.kl_exponent == 1.3
    assert np.all(world.target_risk(0.5, 100.0) == parametric_world(2).target_risk(0.5, 100.0))


def test_parametric_curves_are_ordered_by_difficulty():
    for world in parametric_worlds(20):
        assert world.well_specified
        assert np.all(np.diff(world.target_risk(world.grid, 1e30)) <= 1e-12)
        assert np.all(np.diff(world.target_risk(world.grid, 1e-3)) >= -1e-12)


@pytest.mark.parametrize("family", MISSPECIFIED)
def test_misspecified_worlds_depart_within_their_pilots(family):
    world, twin = MISSPECIFIED[family](3), parametric_world(3)
    assert not world.well_specified
    budgets = np.array(world.pilot_budgets, float)
    ratio = world.target_risk(STRATA[:, None], budgets) / twin.target_risk(STRATA[:, None], budgets)
    assert np.max(ratio) / np.min(ratio) > 1.5


def test_a_logistic_student_has_no_weak_probe():
    with pytest.raises(ValueError, match="overlap 1"):
        Task(overlap=0.9, loss="logistic")
