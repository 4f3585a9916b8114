"""A draw of its own for each row of a batch, made inside one forward pass of an ordinary model.

While the noise is applied, every operation of torch that touches a covered tensor is caught: one
that is known is done with the row's own draw, any other is refused. So a tensor is never used
without its noise, and one draw of a tensor is one tensor:

- matrices of linear layers and of transformers' Conv1D: see `pacbayes.models.row_noise`;
- embeddings: drawn for the tokens that occur; a head that is tied to them uses these too;
- vectors, such as biases and weights of norms: drawn for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pacbayes.errors import InputError
from pacbayes.models.noise import OTHER, overwrite, places
from pacbayes.models.row_noise import (
    Batch,
    ByTokens,
    Known,
    Weight,
    look_up,
    multiply,
)
from pacbayes.posteriors.family import Spread
from pacbayes.posteriors.noise import Draw
from pacbayes.posteriors.spread import is_none


class LayerNoise:
    """A draw for each row of a batch, for matrices, embeddings and vectors of a causal model.

    The weights are never touched. One forward pass for each time that the noise is applied.

    Args:
        parameters: The covered tensors.
        by_tokens: Chooses how products are made: speed and which noise, not its law.
    """

    per_row = True

    def __init__(
        self, parameters: Mapping[str, Tensor], *, by_tokens: ByTokens | None = None
    ) -> None:
        self.tensors: dict[str, Tensor] = dict(parameters)
        self._by_tokens = by_tokens
        self._places = places(self.tensors)

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """See `Noise.recentre`."""
        overwrite(self.tensors, centre)

    @contextmanager
    def applied(
        self,
        draws: Sequence[Draw],
        sigmas: Mapping[str, Spread],
        lengths: Sequence[int] = (),
    ) -> Iterator[None]:
        """See `Noise.applied`; the batch must be padded to its longest row, on the right.

        Raises:
            InputError: In the forward pass, if a covered tensor is used in a way that cannot have
                noise for each row; after it, if one was not used.
        """
        if len(lengths) != len(draws):
            raise ValueError(f"{len(draws)} draws, but {len(lengths)} lengths.")
        weights = {
            name: Weight(
                centre=tensor, sigma=sigmas[name], place=self._places[name], part=OTHER + index
            )
            for index, (name, tensor) in enumerate(self.tensors.items())
            if not is_none(sigmas.get(name, 0.0))
        }
        batch = Batch(draws=tuple(draws), lengths=tuple(lengths))
        forward = _ForwardPass(weights, batch, self._by_tokens)
        with forward:
            yield
        forward.refuse_unused()


class _ForwardPass(TorchFunctionMode):
    """Catches what is done with the covered tensors in one forward pass.

    Args:
        weights: The tensors that get noise.
        batch: What the rows are.
        by_tokens: See `LayerNoise`.
    """

    def __init__(
        self, weights: Mapping[str, Weight], batch: Batch, by_tokens: ByTokens | None
    ) -> None:
        super().__init__()
        self._weights = weights
        self._names = {id(weight.centre): name for name, weight in weights.items()}
        self._batch = batch
        self._by_tokens = by_tokens
        self._uses: dict[str, str] = {}
        self._vectors: dict[str, Tensor] = {}
        self._known: dict[str, Known] = {}
        # queries, keys and values have the same input, and so do gate and up: one root for all
        self._roots_of: tuple[Tensor | None, dict[Draw, Tensor]] = (None, {})

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = self._covered((*args, *kwargs.values()))
        operation = getattr(func, "__name__", "")
        if name is None:
            if _in_place(operation) or "out" in kwargs:
                self._roots_of = (None, {})
            return func(*args, **kwargs)
        if func in _HANDLERS:
            return _HANDLERS[func](self, *args, **kwargs)
        if operation in _ELEMENTWISE and len(args) == 2 and not kwargs:
            return self._elementwise(func, *args)
        result = func(*args, **kwargs)
        if isinstance(result, _FACTS):
            return result
        return self._refuse(name, f"is used by the operation {operation!r}")

    def refuse_unused(self) -> None:
        """Every tensor must have been seen: one that was not may have been used unseen."""
        for name in self._weights:
            if name not in self._uses:
                self._refuse(name, "was not seen in the forward pass")

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`functional.linear`."""
        return self._affine(x, weight, bias, by_input=False)

    def addmm(
        self, bias: Tensor, x: Tensor, weight: Tensor, *, beta: float = 1, alpha: float = 1
    ) -> Tensor:
        """`torch.addmm`, as transformers' Conv1D calls it."""
        if (beta, alpha) != (1, 1):
            self._refuse_any((bias, weight), "is multiplied by a factor")
        return self._affine(x, weight, bias, by_input=True)

    def embedding(
        self,
        ids: Tensor,
        weight: Tensor,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        **_: Any,
    ) -> Tensor:
        """`functional.embedding`; ids of one row are those of all rows (positions)."""
        name = self._names[id(weight)]
        if max_norm is not None or ids.ndim != 2 or len(ids) not in (1, len(self._batch)):
            self._refuse(name, f"is an embedding of ids of shape {tuple(ids.shape)}")
        self._note(name, "embedding", after=None)
        ids = ids.expand(len(self._batch), -1)
        out, self._known[name] = look_up(ids, self._weights[name], self._batch)
        return out

    def layer_norm(
        self,
        x: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        """`functional.layer_norm`."""
        out = functional.layer_norm(x, normalized_shape, eps=eps)
        out = out if weight is None else self._elementwise(torch.mul, weight, out)
        return out if bias is None else self._elementwise(torch.add, bias, out)

    def rms_norm(
        self,
        x: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor,
        eps: float | None = None,
    ) -> Tensor:
        """`functional.rms_norm`."""
        out = functional.rms_norm(x, normalized_shape, eps=eps)
        return self._elementwise(torch.mul, weight, out)

    def _affine(self, x: Tensor, weight: Tensor, bias: Tensor | None, *, by_input: bool) -> Tensor:
        name = self._covered((weight,))
        if name is None:
            out = functional.linear(x, weight.T if by_input else weight)
        else:
            out = self._product(name, x, by_input)
        return out if bias is None else self._elementwise(torch.add, bias, out)

    def _product(self, name: str, x: Tensor, by_input: bool) -> Tensor:
        self._note(name, "linear", after=None if by_input else "embedding")
        known = self._known.get(name, {})
        weight = replace(self._weights[name], by_input=by_input)
        if known:
            weight = replace(weight, part=weight.part + OTHER)
        rows = self._as_rows(name, x)
        if rows.ndim != 3:
            self._refuse(name, f"is multiplied with a tensor of shape {tuple(x.shape)}")
        of, roots = self._roots_of
        roots = roots if of is x else {}
        out = multiply(
            rows, weight, self._batch, by_tokens=self._by_tokens, roots=roots, known=known
        )
        self._roots_of = (x, roots) if roots else (None, {})
        return out.reshape(*x.shape[:-1], out.shape[-1])

    def _elementwise(self, func: Callable[..., Any], a: Any, b: Any) -> Tensor:
        """An operation of a vector with a tensor whose last dimension it belongs to."""
        for vector, x in ((a, b), (b, a)):
            name = self._covered((vector,))
            if name is None:
                continue
            if vector.ndim != 1 or not isinstance(x, Tensor) or x.shape[-1:] != vector.shape:
                self._refuse(name, f"is used by {func.__name__!r} with what it cannot be added to")
            self._uses.setdefault(name, "vector")
            if name not in self._vectors:
                self._vectors[name] = self._weights[name].values(slice(None), self._batch)
            rows = self._as_rows(name, x)
            drawn = self._vectors[name].view(len(rows), *[1] * (rows.ndim - 2), -1)
            pair = (drawn, rows) if vector is a else (rows, drawn)
            return func(*pair).reshape(x.shape)
        return func(a, b)

    def _as_rows(self, name: str, x: Tensor) -> Tensor:
        """The activations with the rows of the batch as their first dimension."""
        n, width = len(self._batch), max(self._batch.lengths)
        if x.ndim > 2 and len(x) == n:
            return x
        if x.ndim == 2 and len(x) == n * width:
            return x.view(n, width, -1)
        return self._refuse(
            name,
            f"was used on a tensor of shape {tuple(x.shape)} where ({n}, {width}, features) was "
            "expected; this architecture mixes the rows of a batch",
        )

    def _note(self, name: str, use: str, *, after: str | None) -> None:
        if self._uses.get(name) not in (None, after):
            self._refuse(name, f"is used more than once ({self._uses[name]}, then {use})")
        self._uses[name] = use

    def _covered(self, values: Iterable[Any]) -> str | None:
        """The first covered tensor among the values and the lists in them."""
        for value in values:
            if isinstance(value, Tensor):
                if id(value) in self._names:
                    return self._names[id(value)]
            elif isinstance(value, (list, tuple)) and (name := self._covered(value)):
                return name
        return None

    def _refuse_any(self, tensors: Iterable[Any], reason: str) -> None:
        if name := self._covered(tensors):
            self._refuse(name, reason)

    def _refuse(self, name: str, reason: str) -> NoReturn:
        raise InputError(
            f"the tensor {name!r} {reason}, so the rows of a batch cannot have draws of their own."
        )


_HANDLERS: Mapping[Callable[..., Any], Callable[..., Tensor]] = MappingProxyType(
    {
        functional.linear: _ForwardPass.linear,
        torch.addmm: _ForwardPass.addmm,
        functional.embedding: _ForwardPass.embedding,
        functional.layer_norm: _ForwardPass.layer_norm,
        functional.rms_norm: _ForwardPass.rms_norm,
    }
)
"""What each operation is replaced by."""

_ELEMENTWISE = ("mul", "__mul__", "__rmul__", "add", "__add__", "__radd__")

_FACTS = (torch.dtype, torch.device, torch.Size, torch.layout, bool, int, str, type(None))
"""What an operation may tell of a covered tensor: it is the same for all draws."""


def _in_place(operation: str) -> bool:
    return operation.endswith("_") and (
        not operation.endswith("__") or operation.startswith("__i") or operation == "__setitem__"
    )
