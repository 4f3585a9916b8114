"""Figures and tables of a plan: all of them, the same each time, statuses in words."""

import dataclasses
import io
import xml.etree.ElementTree as ET

import pytest

from pacbayes.plan import Misspecification
from pacbayes.report.canvas import figure_bytes
from pacbayes.report.plan_figures import FIGURES, save_plan_figures
from pacbayes.report.plan_table import show_plan
from tests.plans import hand_made_plan

PLAN = hand_made_plan()


def shown(plan):
    file = io.StringIO()
    show_plan(plan, file)
    return file.getvalue()


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error")
def test_every_figure_has_its_axes_labelled(name):
    figure = FIGURES[name](PLAN)
    figure.canvas.draw()
    axes = [a for a in figure.axes if a.get_label() != "<colorbar>"]
    assert all(a.get_xlabel() for a in axes)
    assert axes[0].get_ylabel()


def test_all_are_written_in_both_formats_and_the_same_each_time(tmp_path):
    small = hand_made_plan(budgets=(1000, 8000))
    written = save_plan_figures(small, tmp_path / "figures")
    again = figure_bytes(lambda: FIGURES["optimal_difficulty"](small), ["svg"])
    assert again["svg"] == (tmp_path / "figures" / "optimal_difficulty.svg").read_bytes()
    assert len(written) == 2 * len(FIGURES)
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".png":
            assert content.startswith(b"\x89PNG")
        else:
            ET.fromstring(content)


def test_one_budget_and_missing_parts():
    (answer,) = hand_made_plan(budgets=(1000,)).budgets
    bare = dataclasses.replace(
        PLAN,
        budgets=(dataclasses.replace(answer, mixture=None, observed=None),),
        phase_diagram=None,
    )
    assert FIGURES["mixture_weights"](bare) is None
    assert FIGURES["phase_diagram"](bare) is None
    for name in ("bound_by_difficulty", "optimal_difficulty", "difficulty_budget_map"):
        FIGURES[name](bare).canvas.draw()
    one = dataclasses.replace(bare, budgets=(answer,))
    FIGURES["mixture_weights"](one).canvas.draw()
    assert "Mixtures" not in shown(bare)


def test_table_says_everything_in_words():
    text = shown(PLAN)
    for part in (
        "Plan for base base, exact loss, from 9 runs",
        "target: easy 0.2, medium 0.3, hard 0.5",
        "64,000",
        "16×",
        "forecast",
        "estimate",
        "Mixtures (forecast):",
        "Observed:",
        "certificate",
        "KL growth: shift. KL grows",
        "Movement with budget: monotone.",
        "do not contradict the fitted curves (p = 0.4)",
        "Training at 6 beats 3.5",
        "Whether seeds scatter",
    ):
        assert part in text
    # a bound above 1 says nothing
    assert "vacuous" not in text


def test_a_warning_is_not_to_be_missed():
    warned = dataclasses.replace(
        PLAN, misspecification=Misspecification(statistic=50.0, p_value=0.001, warning="No fit.")
    )
    assert "WARNING: No fit." in shown(warned)
