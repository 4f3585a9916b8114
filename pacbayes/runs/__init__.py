"""Finished fine-tunes, which a plan is made from.

A run is written as `run.json`, normally beside the `certificate.json` of the same fine-tune, from
which values that it does not give are taken. Several runs are a folder with such files at any
depth, or one `runs.jsonl` with an object a line.
"""

from pacbayes.runs.comparable import require_comparable
from pacbayes.runs.reading import RunSet, read_runs
from pacbayes.runs.run import Measured, Run, require_weights

__all__ = ["Measured", "Run", "RunSet", "read_runs", "require_comparable", "require_weights"]
