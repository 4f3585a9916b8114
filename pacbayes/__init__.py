"""PAC-Bayes generalization certificates of fine-tuned language models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pacbayes.version import __version__ as __version__

if TYPE_CHECKING:
    from pacbayes.training import TrainObjective as TrainObjective
    from pacbayes.training import train_objective as train_objective


def __getattr__(name: str) -> Any:
    """What needs torch is imported when it is first asked for."""
    if name in ("TrainObjective", "train_objective"):
        from pacbayes import training

        return getattr(training, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
