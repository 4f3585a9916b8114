"""What the tensors that describe a Gaussian must be; anything else is an InputError naming it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from pacbayes.errors import InputError


def require_weights(what: str, tensors: Mapping[str, Tensor]) -> None:
    """At least one tensor, all of them of floating point and not empty."""
    if not tensors:
        raise InputError(f"`{what}` must name at least one tensor.")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise InputError(f"`{what}`: {name!r} must be of floating point, got {tensor.dtype}.")
        if tensor.numel() == 0:
            raise InputError(f"`{what}`: {name!r} must not be empty.")


def require_names(what: str, found: Iterable[str], expected: Iterable[str]) -> None:
    """The names are the expected ones."""
    found, expected = set(found), set(expected)
    for name in sorted(found ^ expected):
        problem = "is unknown" if name in found else "is missing"
        raise InputError(f"`{what}`: {name!r} {problem}.")


def require_shape(what: str, tensor: Tensor, *shapes: tuple[int, ...]) -> None:
    """The tensor is of floating point and of one of the shapes."""
    if tuple(tensor.shape) not in {tuple(shape) for shape in shapes}:
        wanted = " or ".join(str(list(shape)) for shape in shapes)
        raise InputError(f"{what} must have the shape {wanted}, got {list(tensor.shape)}.")
    if not tensor.is_floating_point():
        raise InputError(f"{what} must be of floating point, got {tensor.dtype}.")


def require_finite(what: str, tensor: Tensor) -> None:
    """No NaN or infinity."""
    if not bool(torch.isfinite(tensor.detach()).all()):
        raise InputError(f"{what} must be finite, but holds NaN or infinity.")


def require_scale(what: str, scale: Tensor, *shapes: tuple[int, ...]) -> None:
    """Standard deviations: of one of the shapes, positive, finite."""
    require_shape(what, scale, *shapes)
    require_finite(what, scale)
    least = scale.detach().min()
    if not bool(least > 0):
        raise InputError(
            f"{what} must be positive, got {float(least)}; a scale of 0 makes the KL infinite."
        )


def require_partition(groups: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> None:
    """Each tensor is in exactly one group, and no group is empty."""
    count = Counter(name for members in groups.values() for name in members)
    known = set(names)
    for name in sorted(known - count.keys()):
        raise InputError(f"the tensor {name!r} is in no group.")
    for name, times in count.items():
        if name not in known:
            raise InputError(f"a group names {name!r}, which is not a tensor of the centre.")
        if times > 1:
            holders = [group for group, members in groups.items() if name in members]
            raise InputError(f"the tensor {name!r} is in several groups: {', '.join(holders)}.")
    for group, members in groups.items():
        if not members:
            raise InputError(f"the group {group!r} is empty.")
