"""The centres of posterior and prior as the model holds them, and the prior's own scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pacbayes.verify.inputs.tensors import Weights, rounded
from pacbayes.verify.reading import UnreadableError, content, strict


def at_zero(document: dict[str, Any]) -> bool:
    """Whether the prior is an adapter whose factors were 0, which the base stands for."""
    base = document["prior"]["base"]
    return base is not None and document["prior"]["centre"]["sha256"] == base["sha256"]


def dtype_of(document: dict[str, Any]) -> str:
    """In what the model holds the covered tensors: an adapter's are never in half precision."""
    dtype: str = document["environment"]["dtype"]
    if document["prior"]["base"] is None:
        return dtype
    return "float64" if dtype == "float64" else "float32"


class Values:
    """The numbers in two sets of tensors, as the model holds them."""

    def __init__(
        self, after: Mapping[str, Weights], before: Mapping[str, Weights], dtype: str
    ) -> None:
        self.after, self.before, self.dtype = after, before, dtype

    def prior(self, name: str) -> Sequence[float]:
        """Of the prior's centre; zeros where none was kept."""
        if not self.before:
            return [0.0] * self.after[name].size
        if name not in self.before or self.before[name].shape != self.after[name].shape:
            raise UnreadableError(f"the prior has no tensor {name!r} of the checkpoint's shape.")
        return rounded(self.before[name].values(), self.dtype)

    def posterior(self, name: str) -> Sequence[float]:
        """Of the posterior's centre."""
        return rounded(self.after[name].values(), self.dtype)

    @property
    def changed(self) -> list[str]:
        """The tensors in which the centres differ."""
        return [
            name
            for name in sorted(self.after)
            if any(a != b for a, b in zip(self.posterior(name), self.prior(name), strict=True))
        ]

    def distance_squared(self, name: str) -> float:
        """Between the centres."""
        pairs = zip(self.posterior(name), self.prior(name), strict=True)
        return math.fsum((a - b) ** 2 for a, b in pairs)


def own_scales(
    values: Values, names: Sequence[str], prior: Path | None, *, adapter: bool
) -> dict[str, float]:
    """Scales of the tensors in the prior, up to their common factor, from the prior alone."""
    for name in names:
        _require_weights(values.after[name], n_axes=2 if adapter else None)
    noted = _noted(prior)
    if noted and all(name in noted for name in names):
        return {name: noted[name] for name in names}
    if adapter:
        return {name: (3 * values.after[name].shape[-1]) ** -0.5 for name in names}
    squares = {name: math.fsum(x * x for x in values.prior(name)) for name in names}
    own = {name: math.sqrt(squares[name] / values.after[name].size) for name in names}
    positive = [scale for scale in own.values() if scale > 0]
    typical = sum(positive) / len(positive) if positive else 1.0
    return {name: scale or typical for name, scale in own.items()}


def _require_weights(tensor: Weights, n_axes: int | None) -> None:
    """At least one, and of a factor a matrix of them."""
    if not tensor.size or n_axes not in (None, len(tensor.shape)):
        raise UnreadableError(
            f"{tensor.path}: the tensor {tensor.name!r} cannot have the shape {tensor.shape}."
        )


def _noted(prior: Path | None) -> dict[str, float]:
    """Noise that was learned with the prior."""
    path = None if prior is None else prior / "pacbayes.json"
    if path is None or not path.is_file():
        return {}
    raw = content(path)
    try:
        noted = {k: float(v) for k, v in strict(raw).get("sigma_posterior", {}).items()}
        if not all(0 < scale < math.inf for scale in noted.values()):
            raise ValueError("a scale is not positive")
        return noted
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise UnreadableError(f"{path}: cannot be read ({error}).") from None
