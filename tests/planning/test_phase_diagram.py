import numpy as np
import pytest

from pacbayes.errors import InputError
from pacbayes.learning_curves import Curves
from pacbayes.planning.phase_diagram import phase_diagram

GRID = np.linspace(0, 1, 51)


def curves(strength=0.2, floor=0.1, scale=100.0, fits=3, difficulties=GRID):
    return Curves(
        difficulties=difficulties,
        asymptote=np.tile(floor + 0.3 * (1 - difficulties), (fits, 1)),
        scale=np.tile(scale * np.exp(3 * difficulties), (fits, 1)),
        exponent=np.ones(fits),
        base_risk=np.full(fits, 1 - strength),
    )


def best(n, strength, floor=0.1, scale=100.0):
    c, k = floor + 0.3 * (1 - GRID), scale * np.exp(3 * GRID)
    return GRID[np.argmin(c + (1 - strength - c) / (1 + n / k))]


def test_a_stronger_base_starts_lower_and_wants_harder_data():
    strengths = [0.1, 0.3, 0.5]
    found = phase_diagram([curves()], budgets=[100, 1000, 10000], base_strengths=strengths)
    expected = [[best(n, s) for n in (100, 1000, 10000)] for s in strengths]
    np.testing.assert_allclose(found.optimal_difficulty, expected)
    assert np.all(np.diff(found.optimal_difficulty, axis=0) >= 0)
    assert np.any(np.diff(found.optimal_difficulty, axis=0) > 0)


def test_one_base_states_what_is_taken_for_granted():
    found = phase_diagram([curves()], budgets=[100], base_strengths=[0.5])
    assert "Only a base of strength 0.2 was run" in found.assumption
    assert "nothing in the runs tests this" in found.assumption


def test_between_two_bases_scales_are_interpolated():
    bases = [curves(strength=0.4, scale=400.0), curves(strength=0.2, scale=100.0)]
    found = phase_diagram(bases, budgets=[1000], base_strengths=[0.1, 0.2, 0.3, 0.4, 0.6])
    # half way the scale is the geometric mean; beyond the bases it is that of the nearest
    scales = [100, 100, 200, 400, 400]
    expected = [
        [best(1000, s, scale=k)] for s, k in zip([0.1, 0.2, 0.3, 0.4, 0.6], scales, strict=True)
    ]
    np.testing.assert_allclose(found.optimal_difficulty, expected)
    assert "Bases of strengths 0.2, 0.4 were run" in found.assumption


@pytest.mark.parametrize(
    ("bases", "change", "message"),
    [
        ([], {}, "at least one base"),
        ([curves(), curves()], {}, "two bases have the same strength"),
        ([curves(), curves(0.3, fits=2)], {}, "the same difficulties and number of fits"),
        ([curves(), curves(0.3, difficulties=GRID[::2])], {}, "the same difficulties"),
        ([curves()], {"base_strengths": [1.0]}, r"must lie in \(0, 1\)"),
        ([curves()], {"budgets": [0]}, "must be positive"),
    ],
)
def test_bad_input(bases, change, message):
    with pytest.raises(InputError, match=message):
        phase_diagram(bases, **({"budgets": [10], "base_strengths": [0.5]} | change))
