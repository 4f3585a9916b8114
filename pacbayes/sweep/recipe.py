"""How the cells of a sweep are trained and certified."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from pacbayes.errors import InputError
from pacbayes.losses import LOSSES

METHODS = MappingProxyType(
    {
        "lora": "a LoRA adapter",
        "full": "all weights",
    }
)
OBJECTIVES = MappingProxyType(
    {
        "plain": "negative log-likelihood of the completion's tokens",
        "bound": "that of whole completions under the posterior's noise, which is learned, plus "
        "KL/n",
    }
)
FAMILIES = MappingProxyType(
    {
        "isotropic": "one noise scale relative to the prior's",
        "per-tensor": "a noise scale for each tensor",
    }
)
_POSITIVE: MappingProxyType[str, Callable[[float], bool]] = MappingProxyType(
    {
        "epochs": lambda x: 0 < x < math.inf,
        "steps": lambda x: x >= 1,
        "learning_rate": lambda x: 0 < x < math.inf,
        "train_batch_size": lambda x: x >= 1,
        "kl_weight": lambda x: 0 <= x < math.inf,
        "lora_rank": lambda x: x >= 1,
        "lora_alpha": lambda x: x >= 1,
        "passes": lambda x: x >= 1,
        "batch_size": lambda x: x >= 1,
    }
)

_CHOICES = MappingProxyType(
    {"method": METHODS, "objective": OBJECTIVES, "family": FAMILIES, "loss": LOSSES}
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What all cells have in common; the names are those of the command line.

    Attributes:
        method: A name of `METHODS`.
        objective: A name of `OBJECTIVES`.
        epochs: Passes over the cell's records.
        steps: Gradient steps of each cell instead, whatever its budget.
        learning_rate: Of AdamW, warmed up for a twentieth of the steps, then falling along a
            cosine to 0.
        train_batch_size: Records in one gradient step.
        kl_weight: Weight of KL/n in the objective `bound`.
        lora_rank: Rank of the adapter.
        lora_alpha: The adapter's product is multiplied by this over its rank.
        lora_targets: Names of the adapted layers, or `all-linear`.
        family: Which posteriors a certificate is the best of, unless the noise was learned.
        loss: The loss that is certified and tested.
        delta: Failure probability of each certificate.
        passes: Passes of posterior draws in a certificate.
        batch_size: Records in one forward pass of certifying and testing.
        device: Where the model runs.

    Raises:
        InputError: A value is outside its domain.
    """

    method: str = "lora"
    objective: str = "plain"
    epochs: float = 3.0
    steps: int | None = None
    learning_rate: float = 1e-3
    train_batch_size: int = 32
    kl_weight: float = 1.0
    lora_rank: int = 8
    lora_alpha: int = 16
    lora_targets: tuple[str, ...] = ("all-linear",)
    family: str = "per-tensor"
    loss: str = "exact"
    delta: float = 0.05
    passes: int = 1
    batch_size: int = 64
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise InputError(
                    f"--{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}."
                )
        for name, inside in _POSITIVE.items():
            value = getattr(self, name)
            if value is not None and not inside(value):
                raise InputError(f"--{name.replace('_', '-')} is outside its range, got {value}.")
        if self.device == "auto":
            raise InputError("--device auto spreads one model; a sweep needs one device.")
        if not 0 < self.delta < 1:
            raise InputError(f"--delta must lie in (0, 1), got {self.delta}.")

    def steps_for(self, n_records: int) -> int:
        """Gradient steps on so many records.

        >>> Recipe(epochs=2, train_batch_size=32).steps_for(100)
        8
        """
        if self.steps is not None:
            return self.steps
        return math.ceil(self.epochs * math.ceil(n_records / self.train_batch_size))
