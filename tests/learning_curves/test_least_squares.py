import numpy as np
import pytest

from pacbayes.learning_curves.least_squares import penalized_least_squares


def linear(a, b):
    def residuals(x, rows):
        return np.einsum("bmp,bp->bm", a[rows], x) - b[rows], a[rows].copy()

    return residuals


def rosenbrock(x, rows):
    r = np.stack([10 * (x[:, 1] - x[:, 0] ** 2), 1 - x[:, 0]], axis=1)
    jacobian = np.zeros((len(x), 2, 2))
    jacobian[:, 0, 0], jacobian[:, 0, 1], jacobian[:, 1, 0] = -20 * x[:, 0], 10, -1
    return r, jacobian


def test_linear_problems_have_the_closed_form_of_ridge_regression():
    rng = np.random.default_rng(0)
    a, b, centre = rng.normal(size=(9, 5, 3)), rng.normal(size=(9, 5)), rng.normal(size=(9, 3))
    found = penalized_least_squares(linear(a, b), np.zeros((9, 3)), centre, tolerance=1e-14)
    for i in range(9):
        expected = np.linalg.solve(a[i].T @ a[i] + np.eye(3), a[i].T @ b[i] + centre[i])
        np.testing.assert_allclose(found.x[i], expected, atol=1e-6)
        np.testing.assert_allclose(found.residuals[i], a[i] @ found.x[i] - b[i], atol=1e-12)
    assert found.converged.all()


def test_curved_valley_is_followed_to_a_point_without_gradient():
    start = np.array([[-1.2, 1.0], [2.0, 2.0]])
    found = penalized_least_squares(rosenbrock, start, np.zeros((2, 2)), tolerance=1e-15)
    r, jacobian = rosenbrock(found.x, None)
    gradient = np.einsum("bmp,bm->bp", jacobian, r) + found.x
    np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_a_problem_does_not_depend_on_its_company():
    rng = np.random.default_rng(1)
    start = rng.normal(size=(20, 2))
    together = penalized_least_squares(rosenbrock, start, start * 0)
    for i in range(20):
        alone = penalized_least_squares(rosenbrock, start[i : i + 1], np.zeros((1, 2)))
        np.testing.assert_array_equal(alone.x[0], together.x[i])


def test_problems_given_up_are_told():
    start = np.array([[-1.2, 1.0]])
    found = penalized_least_squares(rosenbrock, start, np.zeros((1, 2)), max_steps=2)
    assert not found.converged[0]


@pytest.mark.parametrize("steps", [1, 5, 50])
def test_no_step_raises_the_objective(steps):
    def objective(x):
        return np.sum(rosenbrock(x, None)[0] ** 2, axis=1) + np.sum(x**2, axis=1)

    start = np.random.default_rng(2).normal(size=(30, 2)) * 3
    found = penalized_least_squares(rosenbrock, start, start * 0, max_steps=steps)
    assert np.all(objective(found.x) <= objective(start))
