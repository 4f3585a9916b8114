"""All targets by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from benchmarks.fuzzing import data_files, documents, options, runs, scores
from benchmarks.fuzzing.target import Target

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        target.name: target
        for module in (data_files, scores, runs, documents, options)
        for target in module.TARGETS
    }
)
