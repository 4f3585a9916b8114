"""Groups of tensors, chosen by patterns of their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from pacbayes.errors import InputError
from pacbayes.posteriors.checks import require_partition


def match_groups(
    names: Iterable[str], patterns: Mapping[str, str | tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Sorts tensors into groups.

    Args:
        names: Names of the tensors.
        patterns: For each group a shell pattern, or several; `*` also matches dots.

    Returns:
        The names in each group, in the order given.

    Raises:
        InputError: A tensor that is in no group or in two, or a group that has none.

    >>> match_groups(["q.lora_A", "v.lora_A", "v.lora_B"], {"in": "*.lora_A", "out": "*.lora_B"})
    {'in': ('q.lora_A', 'v.lora_A'), 'out': ('v.lora_B',)}
    """
    names = tuple(names)
    groups = {group: _matching(names, pattern) for group, pattern in patterns.items()}
    for group, members in groups.items():
        if not members:
            raise InputError(f"the group {group!r} matches no tensor; its pattern is misspelt?")
    require_partition(groups, names)
    return groups


def _matching(names: tuple[str, ...], pattern: str | tuple[str, ...]) -> tuple[str, ...]:
    choices = (pattern,) if isinstance(pattern, str) else pattern
    return tuple(name for name in names if any(fnmatchcase(name, c) for c in choices))
