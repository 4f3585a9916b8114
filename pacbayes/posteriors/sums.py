"""Float64 sums over any number of weights, in little memory, with a bound on their error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

PIECE = 2**20
"""Weights worked on at a time."""

_BLOCK = 1024

_RELATIVE_ERROR = 1.5e-13
"""A sum of 1024 terms, in any order, errs by less than 1023 half ulps of the sum of their sizes,
1.14e-13; the sums of blocks are added exactly; what is left pays for 300 half ulps in each term
and for a few operations with the sum."""


@dataclass(frozen=True, kw_only=True)
class Sum:
    """A computed sum and how far from the true one it can be, with room for a few operations."""

    value: float
    error: float

    @property
    def upper(self) -> float:
        """At least the true sum."""
        return self.value + self.error

    @property
    def lower(self) -> float:
        """At most the true sum."""
        return self.value - self.error


def total(terms: Iterable[Tensor]) -> Sum:
    """The sum of all elements of float64 tensors, each correct to 300 half ulps.

    NaN or infinity among the terms makes the sum NaN or infinite.
    """
    signed: list[float] = []
    sizes: list[float] = []
    for term in terms:
        blocks = functional.pad(term.reshape(-1), (0, -term.numel() % _BLOCK)).view(-1, _BLOCK)
        signed += blocks.sum(dim=1).tolist()
        sizes += blocks.abs().sum(dim=1).tolist()
    size = sum(sizes)
    if not math.isfinite(size):
        return Sum(value=size, error=0.0)
    return Sum(value=math.fsum(signed), error=_RELATIVE_ERROR * size)


def pieces(*tensors: Tensor, rank: int = 1) -> Iterator[tuple[Tensor, ...]]:
    """The same pieces of several tensors, in float64 on the CPU, without gradients.

    Args:
        tensors: The last dimension of each runs over the same weights; one without dimensions is a
            number for all of them, and at least one is not.
        rank: Numbers kept for each weight; more of them make the pieces shorter.
    """
    size = max(tensor.shape[-1] for tensor in tensors if tensor.ndim)
    width = max(_BLOCK, PIECE // rank // _BLOCK * _BLOCK)
    for start in range(0, size, width):
        yield tuple(
            (t if t.ndim == 0 else t[..., start : start + width]).detach().cpu().double()
            for t in tensors
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Gram:
    """M Mᵀ of a matrix M with few rows M_i.

    Attributes:
        matrix: The product, float64.
        relative: Entry (i, j) can be wrong by this times |M_i| |M_j|, and so the whole, in the
            spectral norm, by this times its trace.
    """

    matrix: Tensor
    relative: float


def gram(pieces_of_rows: Iterable[Tensor]) -> Gram:
    """The product over pieces of M of shape (rows, width)."""
    parts = []
    for piece in pieces_of_rows:
        blocks = functional.pad(piece, (0, -piece.shape[1] % _BLOCK)).view(len(piece), -1, _BLOCK)
        batch = blocks.transpose(0, 1)
        parts.append((batch @ batch.mT).sum(0))
    # half ulps: within a block, over the blocks of a piece, over pieces, in the terms
    relative = (_BLOCK + PIECE // _BLOCK + len(parts) + 16) * 2.0**-53
    return Gram(matrix=torch.stack(parts).sum(0), relative=relative)


def distance_squared(a: Tensor, b: Tensor) -> float:
    """Squared Euclidean distance in float64, to 1.5e-13 relative."""
    flat = (a.reshape(-1), b.reshape(-1))
    return total((x - y).square() for x, y in pieces(*flat)).value
