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

from pacbayes.posteriors.family import Family, Spread
from pacbayes.posteriors.noise import Draw, standard_normals
from pacbayes.posteriors.spread import is_none

OTHER = 1 << 24
"""Parts of a draw from here on are noise that is not made as a whole tensor; from twice this on,
the second piece of noise of an embedding that is a head as well; from three times this on, variates
beyond one for each weight."""

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
        sigmas: Mapping[str, Spread],
        lengths: Sequence[int] = (),
    ) -> AbstractContextManager[None]:
        """A context in which the model computes with its weights plus noise from the draw.

        Args:
            draws: The draw of each row of the batch; a single one for all rows if not `per_row`.
                Rows with equal draws compute with the same weights.
            sigmas: The law of each tensor's noise, for most a standard deviation; a tensor that is
                not named gets none. A negative number gives the mirrored draw.
            lengths: Tokens of each row before its padding; needed if `per_row`.
        """
        ...


def overwrite(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copies values into the tensors of the same names."""
    with torch.no_grad():
        for name, value in values.items():
            tensors[name].copy_(value)


def beside(noise: Mapping[str, Spread], tensors: Mapping[str, Tensor]) -> dict[str, Spread]:
    """Scales of single weights on the devices of their tensors, where they are needed."""
    return {
        name: spread.to(tensors[name].device) if isinstance(spread, Tensor) else spread
        for name, spread in noise.items()
    }


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the noise of a tensor lies in a draw.

    Attributes:
        part: The part of the draw.
        size: Variates in the part.
        start: The tensor's first one.
        index: Which of the tensors it is.
    """

    part: int
    size: int
    start: int
    index: int


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
    found: dict[str, Place] = {}
    for part, names in enumerate(groups):
        ends = list(accumulate(tensors[name].numel() for name in names))
        for name, end in zip(names, ends, strict=True):
            start = end - tensors[name].numel()
            found[name] = Place(part=part, size=ends[-1], start=start, index=len(found))
    return found


def normals_at(place: Place, draws: Sequence[Draw], tensor: Tensor) -> Tensor:
    """Variates of each draw for the tensor at a place, shape (draws, tensor.numel())."""
    made = standard_normals(draws, place.size, part=place.part, device=tensor.device)
    return made[:, place.start : place.start + tensor.numel()]


def with_further(
    normals: Tensor, sigma: Spread, place: Place, draws: Sequence[Draw], tensor: Tensor
) -> Tensor:
    """The variates of the draws for a tensor with those added that its noise takes beyond them."""
    further = sigma.n_normals - tensor.numel() if isinstance(sigma, Family) else 0
    if not further:
        return normals
    part = 3 * OTHER + place.index
    return torch.cat(
        [normals, standard_normals(draws, further, part=part, device=tensor.device)], dim=1
    )


def drawn(centre: Tensor, sigma: Spread, normals: Tensor) -> Tensor:
    """The centre plus noise from each row of normals, in the centre's type.

    Args:
        centre: The values without noise.
        sigma: The law of the noise.
        normals: Standard normals, shape (draws, centre.numel()) or what its family takes.

    Returns:
        Shape (draws, *centre.shape).
    """
    if isinstance(sigma, Family):
        (noise,) = sigma.noise(normals).values()
        return (centre + noise).to(centre.dtype)
    noise = normals.view(len(normals), *centre.shape)
    if isinstance(sigma, Tensor):
        wide = torch.promote_types(centre.dtype, noise.dtype)
        sigma = sigma.to(noise.device, wide) if sigma.ndim else sigma
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
        sigmas: Mapping[str, Spread],
        lengths: Sequence[int] = (),
    ) -> Iterator[None]:
        """See `Noise.applied`."""
        noisy = {name: sigma for name, sigma in sigmas.items() if not is_none(sigma)}
        try:
            with torch.no_grad():
                for name, sigma in noisy.items():
                    tensor, place = self.tensors[name], self._places[name]
                    normals = normals_at(place, draws, tensor)
                    normals = with_further(normals, sigma, place, draws, tensor)
                    (value,) = drawn(self._centre[name], sigma, normals)
                    tensor.copy_(value)
            yield
        finally:
            overwrite(self.tensors, {name: self._centre[name] for name in noisy})
