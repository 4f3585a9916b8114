"""The noise in a posterior's file: what the KL of each tensor depends on.

Of d weights with covariance Σ, σ² = tr Σ / d is the mean variance, and the anisotropy
½ (d ln σ² − ln det Σ) the KL to noise of that one scale. In the families of the file

- independent weights have Σ = diag(s²);
- low-rank: Σ = diag(s²) + U Uᵀ, ln det Σ = Σ ln s² + ln det(I + ŨᵀŨ), Ũ = U/s by rows;
- kronecker: Σ = A ⊗ B with A = L Lᵀ (m × m) and B = M Mᵀ (n × n), tr Σ = ‖L‖² ‖M‖² and
  ln det Σ = 2n ln |det L| + 2m ln |det M|.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flint import arb_mat

from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.tensors import Weights, notes_in, read_weights, rounded
from pacbayes.verify.reading import UnreadableError

RELATIVE = 1e-9
"""Of sums over weights; of the anisotropy, nats for each weight."""

ONE_SCALE = ("isotropic", "per-group")


@dataclass(frozen=True, kw_only=True)
class Spread:
    """The noise of one tensor.

    Attributes:
        sigma: Root of the mean variance.
        anisotropy: In nats.
    """

    sigma: float
    anisotropy: float


class PosteriorFile:
    """The file of a posterior: its family and its tensors.

    Raises:
        UnreadableError: It is none.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.notes, self.tensors = path, notes_in(path), read_weights(path)
        self.family: str = self.notes["family"]

    @property
    def means(self) -> dict[str, Weights]:
        """The posterior's centre."""
        prefix = "means/"
        return {k.removeprefix(prefix): t for k, t in self.tensors.items() if k.startswith(prefix)}

    def scales(self, name: str) -> Sequence[float]:
        """Standard deviations of independent weights of a tensor: one for all, or one for each."""
        key = f"scales/{name}"
        if self.family == "isotropic":
            key = "scale"
        if self.family == "per-group":
            groups: Mapping[str, Sequence[str]] = self.notes.get("groups", {})
            key = f"scales/{next((g for g, names in groups.items() if name in names), name)}"
        scales = self._numbers(key)
        if min(scales) <= 0:
            raise UnreadableError(f"{self.path}: the tensor {key!r} must hold positive numbers.")
        return scales

    def spread(self, name: str, size: int) -> Spread:
        """The noise of a tensor of so many weights."""
        if f"rows/{name}" in self.tensors:
            return self._kronecker(name)
        scales = self.scales(name)
        each = size / len(scales)
        squares = math.fsum(s * s for s in scales) * each
        log_det = 2 * each * math.fsum(map(math.log, scales))
        if f"factors/{name}" in self.tensors:
            rows = self._rows(f"factors/{name}")
            squares += math.fsum(x * x for row in rows for x in row)
            log_det += _log_det_of_gram(rows, scales)
        return _of(size, squares, log_det)

    def _kronecker(self, name: str) -> Spread:
        sides = [self._rows(f"{side}/{name}") for side in ("rows", "columns")]
        m, n = map(len, sides)
        squares = math.prod(math.fsum(x * x for row in side for x in row) for side in sides)
        logs = [_log_abs_det(side) for side in sides]
        return _of(m * n, squares, 2 * (n * logs[0] + m * logs[1]))

    def _rows(self, key: str) -> list[Sequence[float]]:
        values, n = self._numbers(key), self.tensors[key].shape[0]
        width = len(values) // n
        return [values[i * width : (i + 1) * width] for i in range(n)]

    def _numbers(self, key: str) -> Sequence[float]:
        """As noise is drawn with them, in float32."""
        if key not in self.tensors or not self.tensors[key].size:
            raise UnreadableError(f"{self.path}: lacks the tensor {key!r}.")
        return rounded(self.tensors[key].values(), "float32")


def check_spread(document: dict[str, Any], report: Report, file: PosteriorFile) -> None:
    """Family, scales and anisotropies are those of the posterior's file."""
    named = "gaussian" if file.family in ONE_SCALE else file.family
    report.equal("posterior.family", document["posterior"]["family"], named)
    for i, group in enumerate(document["posterior"]["groups"]):
        at, size = f"posterior.groups[{i}]", group["size"]
        try:
            found = file.spread(group["name"], size)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise UnreadableError(f"{file.path}: {group['name']!r}: no noise ({error}).") from None
        sigma, excess = group["sigma_posterior"], group["anisotropy"]
        close = math.isclose(sigma, found.sigma, rel_tol=RELATIVE)
        report.holds(close, f"{at}.sigma_posterior", sigma, repr(found.sigma))
        close = abs(excess - found.anisotropy) <= RELATIVE * size
        report.holds(close, f"{at}.anisotropy", excess, repr(found.anisotropy))
        report.pinned |= {f"{at}.sigma_posterior", f"{at}.anisotropy"}


def _of(size: int, squares: float, log_det: float) -> Spread:
    variance = squares / size
    return Spread(sigma=math.sqrt(variance), anisotropy=(size * math.log(variance) - log_det) / 2)


def _log_det_of_gram(rows: Sequence[Sequence[float]], scales: Sequence[float]) -> float:
    """Ln det(I + ŨᵀŨ) from the rows of Uᵀ."""
    every = [*scales] * (len(rows[0]) // len(scales))
    scaled = [[x / s for x, s in zip(row, every, strict=True)] for row in rows]
    products = [
        (i == j) + math.fsum(x * y for x, y in zip(a, b, strict=True))
        for i, a in enumerate(scaled)
        for j, b in enumerate(scaled)
    ]
    return float(arb_mat(len(rows), len(rows), products).det().log())


def _log_abs_det(rows: Sequence[Sequence[float]]) -> float:
    matrix = arb_mat(len(rows), len(rows), [x for row in rows for x in row])
    return float(abs(matrix.det()).log())
