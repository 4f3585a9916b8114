"""A report as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from benchmarks.empirics.noise import Measure
from pacbayes.plan import Plan
from pacbayes.runs import RunSet


def as_json(value: Any) -> Any:
    """Dataclasses as objects, arrays as lists, NaN as null; runs and plans are left out.

    A measure is a list of its value and its interval.
    """
    if isinstance(value, Measure):
        return [as_json(value.value), [as_json(value.low), as_json(value.high)]]
    if is_dataclass(value) and not isinstance(value, type):
        kept = {field.name: getattr(value, field.name) for field in fields(value)}
        return {
            name: as_json(each)
            for name, each in kept.items()
            if name != "note" and not isinstance(each, RunSet | Plan)
        }
    if isinstance(value, Mapping):
        return {str(key): as_json(each) for key, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
