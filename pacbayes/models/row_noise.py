"""Products and look-ups with weights that have a draw of their own for each row of a batch.

A row is one example with its padding; rows that share a draw are a unit. Two ways to multiply:

- explicit: make the weights of a few rows, multiply, forget them;
- by tokens: for one unit with activations X (tokens, in) and weight noise E of independent
  N(0, σ²) entries, the noise X E of the outputs is normal with covariance σ² X Xᵀ over tokens,
  independently for each output unit. So it is drawn as σ (X Xᵀ)^½ Z with Z (tokens, out) standard
  normal: `tokens` instead of `in` variates for each output unit. Other noise is made explicitly.

The root is the symmetric one, from the eigenvalues of X Xᵀ in float64. Any root gives the same law,
and a QR factor of X is one as well; but where X is rank-deficient (repeated tokens make equal rows
of X in a first layer) QR and Cholesky factors jump with the last bit of X, which depends on the
batch, while the symmetric root is continuous, so that a draw stays the same draw in any batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from pacbayes.models.noise import Place, drawn, normals_at, with_further
from pacbayes.posteriors.family import Family, Spread
from pacbayes.posteriors.noise import Draw, standard_normals
from pacbayes.posteriors.spread import one_scale

ByTokens = Callable[[int, int, int], bool]
"""Whether to multiply by tokens, from the numbers of tokens of a unit, of inputs and outputs."""

Known = Mapping[Draw, tuple[Tensor, Tensor]]
"""Rows of a matrix that a draw has already: their indices and values."""

Rows = slice | list[int]
"""Some rows of a batch; consecutive ones as a slice, which copies nothing."""

_CHUNK = 1 << 18
_CHUNK_ON_DEVICE = 1 << 25
"""Weights made at once, or those of one row where these are more: the memory of the explicit way. A
GPU needs many to be busy; 6 bytes each in bfloat16 and 8 in float32, so 192 or 256 MiB."""


def cheaper_by_tokens(n_tokens: int, n_in: int, n_out: int) -> bool:
    """Whether multiplying by tokens takes less time than making the weights, on a CPU.

    Measured on one x86-64 core, in the time that one weight takes (2 ns): the Gram matrix and its
    eigenvalues in float64, the product with Z, and Z itself.
    """
    root = 2e5 + 0.5 * n_tokens**3 + 0.04 * n_tokens**2 * n_in
    return root + (0.02 * n_tokens + 0.8) * n_tokens * n_out < n_in * n_out


def cheaper_way(device: torch.device) -> ByTokens:
    """What chooses the cheaper way on a device: weights are always made where it is no CPU.

    A GPU makes a weight in picoseconds, but eigenvalues of hundreds of tokens take milliseconds.
    """
    return cheaper_by_tokens if device.type == "cpu" else lambda *_: False


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The rows of one forward pass: the draw of each, and its tokens before the padding."""

    draws: tuple[Draw, ...]
    lengths: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.draws)

    @cached_property
    def units(self) -> list[list[int]]:
        """Rows of each draw."""
        rows: dict[Draw, list[int]] = {}
        for row, draw in enumerate(self.draws):
            rows.setdefault(draw, []).append(row)
        return list(rows.values())

    def draws_of(self, rows: Rows) -> Sequence[Draw]:
        """The draws of some rows."""
        return self.draws[rows] if isinstance(rows, slice) else [self.draws[r] for r in rows]

    @cached_property
    def _shared(self) -> dict[tuple[int, torch.device], tuple[Tensor, int]]:
        return {}

    def normals(self, rows: Rows, place: Place, tensor: Tensor) -> Tensor:
        """Variates of the rows' draws for the tensor at a place, shape (rows, tensor.numel()).

        A part that several tensors share is made once, and let go when all of it has been taken;
        once on each device, if a model is spread over several.
        """
        if place.size == tensor.numel():
            return normals_at(place, self.draws_of(rows), tensor)
        key = place.part, tensor.device
        if key not in self._shared:
            made = standard_normals(self.draws, place.size, part=place.part, device=tensor.device)
            self._shared[key] = made, made.numel()
        made, left = self._shared.pop(key)
        taken = made[rows, place.start : place.start + tensor.numel()]
        if left > taken.numel():
            self._shared[key] = made, left - taken.numel()
        return taken

    def gather(self, unit: Sequence[int], x: Tensor) -> Tensor:
        """What belongs to the tokens of a unit in x (rows, width, ...), as (tokens, ...)."""
        return torch.cat([x[row, : self.lengths[row]] for row in unit])

    def scatter(self, unit: Sequence[int], values: Tensor, x: Tensor) -> None:
        """Writes into x what `gather` would read from it."""
        pieces = values.split([self.lengths[row] for row in unit])
        for row, piece in zip(unit, pieces, strict=True):
            x[row, : len(piece)] = piece


@dataclass(frozen=True, kw_only=True)
class Weight:
    """A tensor with noise.

    Attributes:
        centre: Its values without noise.
        sigma: The law of its noise.
        place: Where its noise lies in a draw, when all of it is made.
        part: A part of a draw for its noise where that is made in another form.
        by_input: Whether a matrix is stored as (in, out) and not as (out, in).
    """

    centre: Tensor
    sigma: Spread
    place: Place
    part: int
    by_input: bool = False

    def values(self, rows: Rows, batch: Batch) -> Tensor:
        """Its values for some rows, shape (rows, *shape)."""
        normals = batch.normals(rows, self.place, self.centre)
        draws = batch.draws_of(rows)
        normals = with_further(normals, self.sigma, self.place, draws, self.centre)
        return drawn(self.centre, self.sigma, normals)

    @property
    def as_map(self) -> Tensor:
        """The matrix as (in, out)."""
        return self.centre if self.by_input else self.centre.T


def look_up(ids: Tensor, weight: Weight, batch: Batch) -> tuple[Tensor, Known]:
    """Embeddings (rows, width, features) of ids (rows, width), and what was drawn for them.

    Only the embeddings of the ids that occur among a unit's tokens are drawn, in the order of the
    ids; padding gets the centre. Noise of dependent weights is made for the whole matrix, and made
    again if that is a head as well.
    """
    out = functional.embedding(ids, weight.centre)
    on_host = ids.cpu()  # one wait for a GPU, as how many ids occur must be known, not one a unit
    known: dict[Draw, tuple[Tensor, Tensor]] = {}
    for unit in batch.units:
        draw = batch.draws[unit[0]]
        found, place = (
            indices.to(ids.device, non_blocking=True)
            for indices in batch.gather(unit, on_host).unique(return_inverse=True)
        )
        if isinstance(weight.sigma, Family):
            (matrix,) = weight.values(unit[:1], batch)
            batch.scatter(unit, matrix[found][place], out)
            continue
        centre = weight.centre[found]
        normals = standard_normals([draw], centre.numel(), part=weight.part, device=ids.device)
        sigma = weight.sigma
        of_found = sigma[found] if isinstance(sigma, Tensor) and sigma.ndim else sigma
        (values,) = drawn(centre, of_found, normals)
        batch.scatter(unit, values[place], out)
        known[draw] = (found, values)
    return out, known


def multiply(
    x: Tensor,
    weight: Weight,
    batch: Batch,
    *,
    by_tokens: ByTokens | None,
    roots: dict[Draw, Tensor],
    known: Known,
) -> Tensor:
    """Products (rows, width, out) of x (rows, width, in) with the matrix of each row.

    Args:
        x: The activations.
        weight: The matrix.
        batch: What the rows are.
        by_tokens: Chooses the way, for each unit by itself; None for `cheaper_way`.
        roots: The roots of X Xᵀ that are known for this x; new ones are added.
        known: Rows of an (out, in) matrix that the draws have already.
    """
    n_in, n_out = weight.as_map.shape
    by_tokens = by_tokens or cheaper_way(x.device)
    by_tokens = by_tokens if one_scale(weight.sigma) else lambda *_: False
    chosen: list[list[int]] = []
    explicit: list[list[int]] = []
    for unit in batch.units:
        n_tokens = sum(batch.lengths[row] for row in unit)
        (chosen if by_tokens(n_tokens, n_in, n_out) else explicit).append(unit)
    rows = sorted(row for unit in explicit for row in unit)
    at_once = _CHUNK if x.device.type == "cpu" else _CHUNK_ON_DEVICE
    step = len(x) if torch.is_grad_enabled() else max(1, at_once // (n_in * n_out))
    if len(rows) == len(x) <= step:
        return torch.bmm(x, _matrices(weight, slice(None), batch, known))
    out = x.new_zeros(*x.shape[:2], n_out)  # finite in padding, which attention multiplies by 0
    for start in range(0, len(rows), step):
        chunk = _as_slice(rows[start : start + step])
        matrices = _matrices(weight, chunk, batch, known)
        if isinstance(chunk, slice) and not torch.is_grad_enabled():
            torch.bmm(x[chunk], matrices, out=out[chunk])
        else:
            out[chunk] = torch.bmm(x[chunk], matrices)
    for unit in chosen:
        draw, tokens = batch.draws[unit[0]], batch.gather(unit, x)
        if draw not in roots:
            roots[draw] = gram_root(tokens)
        batch.scatter(unit, _by_tokens(tokens, weight, draw, roots[draw], known), out)
    return out


def gram_root(x: Tensor) -> Tensor:
    """The symmetric root of X Xᵀ, for X of shape (tokens, in); NaN where X is not finite."""
    wide = x.double()
    gram = wide @ wide.T
    dtype = torch.promote_types(x.dtype, torch.float32)
    if not bool(torch.isfinite(gram).all()):
        return torch.full_like(gram, torch.nan, dtype=dtype)
    values, vectors = torch.linalg.eigh(gram)
    return ((vectors * values.clamp_min(0).sqrt()) @ vectors.T).to(dtype)


def _by_tokens(x: Tensor, weight: Weight, draw: Draw, root: Tensor, known: Known) -> Tensor:
    """Products (tokens, out) for one unit."""
    n_tokens, n_out = len(x), weight.as_map.shape[1]
    normals = standard_normals([draw], n_tokens * n_out, part=weight.part, device=x.device)
    noise = root @ normals.view(n_tokens, n_out).to(root.dtype)
    sigma: Any = weight.sigma  # of all weights: other noise is never made this way
    out = (x @ weight.as_map + sigma * noise).to(x.dtype)
    if draw in known:
        found, values = known[draw]
        out[:, found] = x @ values.T
    return out


def _matrices(weight: Weight, rows: Rows, batch: Batch, known: Known) -> Tensor:
    """The matrix of each row, shape (rows, in, out)."""
    matrices = weight.values(rows, batch)
    if known:
        for row, draw in enumerate(batch.draws_of(rows)):
            found, values = known[draw]
            matrices[row, found] = values
    return matrices if weight.by_input else matrices.mT


def _as_slice(rows: list[int]) -> Rows:
    """The rows as a slice if they are consecutive."""
    consecutive = rows[-1] - rows[0] == len(rows) - 1
    return slice(rows[0], rows[-1] + 1) if consecutive else rows
