"""One rung of the ladder: what is certified, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Rung:
    """What to open and read, and what is changed in the settings.

    Attributes:
        name: Short, for the table and the figure.
        checkpoint: The fine-tuned model.
        prior: The model before; None for the one that the checkpoint names.
        data: JSONL that certifies.
        held_out: JSONL for the bound beside it.
        prior_data: JSONL that the prior was trained on, if any.
        make: Trains what the rung needs, where it is not there yet.
        settings: Changed fields of `pacbayes.certify.Settings`.
    """

    name: str
    checkpoint: Path
    prior: Path | None
    data: Path
    held_out: Path
    prior_data: Path | None = None
    make: Callable[[], object] = lambda: None
    settings: Mapping[str, Any] = field(default_factory=dict)
