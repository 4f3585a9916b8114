"""LoRA factors that were moved: the product of each pair is still that of the checkpoint.

With U = (B₁, −B) and V the rows of A₁ and A, B₁A₁ − BA is UV, and ‖UV‖² is the sum over i and k of
(u_i·u_k)(v_i·v_k), u_k the columns of U and v_k the rows of V: no large matrix is multiplied.
Rounding A₁ and B₁ to a type with unit roundoff ε moves the product by at most (2ε + ε²)|B₁||A₁| in
each entry; the cancellation in the sum, in float64, by 2·10⁻⁸ of the same sum without signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

Rows = list[Sequence[float]]

_ROUNDOFF = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

CANCELLED = 3e-8


@dataclass(frozen=True, kw_only=True)
class Change:
    """How far a product has moved.

    Attributes:
        distance: Frobenius norm of the difference.
        allowed: The most that rounding explains.
    """

    distance: float
    allowed: float

    @property
    def explained(self) -> bool:
        """Whether it is rounding."""
        return self.distance <= self.allowed


def change_of_product(
    before: tuple[Sequence[float], Sequence[float]],
    after: tuple[Sequence[float], Sequence[float]],
    rank: int,
    dtype: str,
) -> Change:
    """What became of B A when the factors were moved.

    Args:
        before: A and B, each flat in the order of its rows.
        after: The same of the moved factors.
        rank: Number of A's rows and B's columns.
        dtype: What the moved factors were rounded to.
    """
    (a, b), (a1, b1) = before, after
    u = [*_columns(b1, rank), *([-x for x in column] for column in _columns(b, rank))]
    v = [*_rows(a1, rank), *_rows(a, rank)]
    size = _norm([list(map(abs, row)) for row in u], [list(map(abs, row)) for row in v])
    return Change(distance=_norm(u, v), allowed=(2.01 * _ROUNDOFF[dtype] + CANCELLED) * size)


def _rows(matrix: Sequence[float], rank: int) -> Rows:
    width = len(matrix) // rank
    return [matrix[k * width : (k + 1) * width] for k in range(rank)]


def _columns(matrix: Sequence[float], rank: int) -> Rows:
    return [matrix[k::rank] for k in range(rank)]


def _norm(u: Rows, v: Rows) -> float:
    """‖Σ_k u_k v_kᵀ‖."""
    terms = [
        (1 + (i != k)) * _dot(u[i], u[k]) * _dot(v[i], v[k])
        for k in range(len(u))
        for i in range(k + 1)
    ]
    return math.sqrt(max(0.0, math.fsum(terms)))


def _dot(x: Sequence[float], y: Sequence[float]) -> float:
    return math.fsum(map(mul, x, y))
