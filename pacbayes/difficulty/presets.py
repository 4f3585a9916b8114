"""How well-known data sets write difficulty: field, orientation, scale, marks for none, groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pacbayes.difficulty.fields import FieldScorer, Orientation
from pacbayes.difficulty.values import Scale
from pacbayes.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A data set's field of difficulty.

    Attributes:
        field: Its name.
        orientation: What larger values mean.
        scale: How to read them.
        note: What one should know about it.
        labels: Labels in their order.
        missing_marks: Values that stand for none.
        rate_of: Number of samples behind a rate.
        group_field: Field that is equal in the records of one problem, where several share one.
    """

    field: str
    orientation: Orientation
    scale: Scale
    note: str
    labels: tuple[str, ...] | None = None
    missing_marks: tuple[str, ...] = ()
    rate_of: int | None = None
    group_field: str | None = None

    def scorer(self) -> FieldScorer:
        """Return the scorer of that field."""
        return FieldScorer(
            field=self.field,
            orientation=self.orientation,
            scale=self.scale,
            labels=self.labels,
            missing_marks=self.missing_marks,
            rate_of=self.rate_of,
        )


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "math": Preset(
            field="level",
            orientation="harder",
            scale="level",
            note='"Level 1" to "Level 5"; in some copies 1 to 5; a few have "Level ?".',
        ),
        "omni-math": Preset(
            field="difficulty",
            orientation="harder",
            scale="number",
            note="A number, larger for harder problems.",
        ),
        "deepmath": Preset(
            field="difficulty",
            orientation="harder",
            scale="number",
            note="A number, larger for harder problems.",
        ),
        "big-math": Preset(
            field="llama8b_solve_rate",
            orientation="easier",
            scale="rate",
            rate_of=64,
            note="Share of 64 rollouts of a model of 8 billion parameters; null where not run.",
        ),
        "openmathreasoning": Preset(
            field="pass_rate_72b_tir",
            orientation="easier",
            scale="rate",
            rate_of=32,
            group_field="problem",
            note='A share as a string, "n/a" where no answer is known; many rows for a problem.',
        ),
        "polaris": Preset(
            field="difficulty",
            orientation="easier",
            scale="rate",
            note='"k/8", the pass rate: larger is easier, whatever the field is called.',
        ),
        "taco": Preset(
            field="difficulty",
            orientation="harder",
            scale="labels",
            labels=("EASY", "MEDIUM", "MEDIUM_HARD", "HARD", "VERY_HARD"),
            note="EASY to VERY_HARD, or UNKNOWN_DIFFICULTY.",
        ),
        "livecodebench": Preset(
            field="difficulty",
            orientation="harder",
            scale="labels",
            labels=("easy", "medium", "hard"),
            note="easy, medium, hard.",
        ),
        "code-contests": Preset(
            field="cf_rating",
            orientation="harder",
            scale="number",
            missing_marks=("0",),
            note="The Codeforces rating, 0 where there is none; its `difficulty` numbers classes "
            "of several sites and is in no order.",
        ),
    }
)


def preset(name: str) -> Preset:
    """Return the preset of a data set.

    Raises:
        InputError: There is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"--preset must be one of {', '.join(PRESETS)}, got {name!r}.")
    return PRESETS[name]
