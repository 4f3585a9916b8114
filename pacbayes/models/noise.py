"""Adding posterior noise to a model's weights: what every way has in common, and doing it in place.

`pacbayes.models.layer_noise` is the other way: a draw of its own for each row of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor, nn

from pacbayes.posteriors.noise import Draw, standard_normals

_SMALL = 1 << 14
_SMALL_ON_DEVICE = 1 << 20
"""Most variates in a part that several tensors share. A part costs a few microseconds of the host
besides its variates, in which a GPU makes a million of them: without large parts, the two factors
of each layer of an adapter would keep it waiting."""


class Noise(Protocol):
    """Perturbs named tensors of one model.

    Attributes:
        per_row: Whether every row of a batch can have a draw of its own.
    """

    per_row: bool

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """The perturbed tensors; a tensor's place here is its part of a draw."""
        ...

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """Gives the model new values of tensors, to which noise is then added."""
        ...

    def applied(
        self,
        draws: Sequence[Draw],
        sigmas: Mapping[str, float],
        lengths: Sequence[int] = (),
    ) -> AbstractContextManager[None]:
        """A context in which the model computes with its weights plus sigma times the draw.

        Args:
            draws: The draw of each row of the batch; a single one for all rows if not `per_row`.
                Rows with equal draws compute with the same weights.
            sigmas: Standard deviation for each tensor; a tensor that is not named gets none. A
                negative one gives the mirrored draw.
            lengths: Tokens of each row before its padding; needed if `per_row`.
        """
        ...


def overwrite(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copies values into the tensors of the same names."""
    with torch.no_grad():
        for name, value in values.items():
            tensors[name].copy_(value)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the noise of a tensor lies in a draw.

    Attributes:
        part: The part of the draw.
        size: Variates in the part.
        start: The tensor's first one.
    """

    part: int
    size: int
    start: int


def places(tensors: Mapping[str, Tensor]) -> dict[str, Place]:
    """A place for each tensor; small neighbours share a part, as every part has a cost."""
    groups: list[list[str]] = []
    size = 0
    for name, tensor in tensors.items():
        size += tensor.numel()
        if not groups or size > (_SMALL if tensor.device.type == "cpu" else _SMALL_ON_DEVICE):
            groups.append([])
            size = tensor.numel()
        groups[-1].append(name)
    found = {}
    for part, names in enumerate(groups):
        ends = list(accumulate(tensors[name].numel() for name in names))
        for name, end in zip(names, ends, strict=True):
            start = end - tensors[name].numel()
            found[name] = Place(part=part, size=ends[-1], start=start)
    return found


def normals_at(place: Place, draws: Sequence[Draw], tensor: Tensor) -> Tensor:
    """Variates of each draw for the tensor at a place, shape (draws, tensor.numel())."""
    made = standard_normals(draws, place.size, part=place.part, device=tensor.device)
    return made[:, place.start : place.start + tensor.numel()]


def drawn(centre: Tensor, sigma: float | Tensor, normals: Tensor) -> Tensor:
    """The centre plus sigma times each row of normals, in the centre's type.

    Args:
        centre: The values without noise.
        sigma: Standard deviation.
        normals: Standard normals, shape (draws, centre.numel()).

    Returns:
        Shape (draws, *centre.shape).
    """
    noise = normals.view(len(normals), *centre.shape)
    if isinstance(sigma, Tensor):
        return (centre + sigma * noise).to(centre.dtype)
    if torch.is_grad_enabled():
        return torch.add(centre, noise, alpha=sigma).to(centre.dtype)
    # added in float32 all the same, but a GPU then writes the sum once, in the type of the centre
    out = torch.empty(noise.shape, dtype=centre.dtype, device=centre.device)
    return torch.add(centre, noise, alpha=sigma, out=out)


class WeightNoise:
    """One draw for the whole model, written into its parameters and taken out bit for bit.

    The centre is kept apart and copied back, never recovered by subtraction.
    """

    per_row = False

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.tensors: dict[str, Tensor] = dict(parameters)
        self._places = places(self.tensors)
        self._centre = {name: p.detach().clone() for name, p in self.tensors.items()}

    def recentre(self, centre: Mapping[str, Tensor]) -> None:
        """See `Noise.recentre`."""
        overwrite(self.tensors, centre)
        self._centre |= {name: self.tensors[name].detach().clone() for name in centre}

    @contextmanager
    def applied(
        self,
        draws: Sequence[Draw],
        sigmas: Mapping[str, float],
        lengths: Sequence[int] = (),
    ) -> Iterator[None]:
        """See `Noise.applied`."""
        noisy = {name: sigma for name, sigma in sigmas.items() if sigma != 0}
        try:
            with torch.no_grad():
                for name, sigma in noisy.items():
                    normals = normals_at(self._places[name], draws, self.tensors[name])
                    (value,) = drawn(self._centre[name], sigma, normals)
                    self.tensors[name].copy_(value)
            yield
        finally:
            overwrite(self.tensors, {name: self._centre[name] for name in noisy})
