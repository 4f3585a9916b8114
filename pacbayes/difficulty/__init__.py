"""Difficulty of records: from a field, from length, from a model; larger = harder, always."""

from pacbayes.difficulty.fields import FieldScorer, scale_of
from pacbayes.difficulty.length import LengthScorer, by_steps, by_tokens
from pacbayes.difficulty.presets import PRESETS, Preset, preset
from pacbayes.difficulty.scores import Item, Layout, Score, Scorer
from pacbayes.difficulty.stream import OutputRules, check_paths, count_lines, score_file
from pacbayes.difficulty.tally import Tally

__all__ = [
    "PRESETS",
    "FieldScorer",
    "Item",
    "Layout",
    "LengthScorer",
    "OutputRules",
    "Preset",
    "Score",
    "Scorer",
    "Tally",
    "by_steps",
    "by_tokens",
    "check_paths",
    "count_lines",
    "preset",
    "scale_of",
    "score_file",
]
