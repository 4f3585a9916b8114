"""The families on offer."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from pacbayes.errors import InputError
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.family import Family
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup

FAMILIES: Mapping[str, type[Family]] = MappingProxyType(
    {
        "isotropic": Isotropic,
        "per-group": PerGroup,
        "diagonal": Diagonal,
        "low-rank": LowRank,
        "kronecker": Kronecker,
    }
)


def lookup(name: str) -> type[Family]:
    """The family of that name.

    Raises:
        InputError: There is none; the message names the nearest and all others.

    >>> lookup("diagnal")
    Traceback (most recent call last):
    pacbayes.errors.InputError: There is no posterior family named `diagnal`. Did you mean \
diagonal? There are: isotropic, per-group, diagonal, low-rank, kronecker.
    """
    if name not in FAMILIES:
        near = get_close_matches(name, FAMILIES, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise InputError(
            f"There is no posterior family named `{name}`.{hint} There are: {', '.join(FAMILIES)}."
        )
    return FAMILIES[name]


def name_of(posterior: Family) -> str:
    """The name of a posterior's family."""
    return next(name for name, family in FAMILIES.items() if type(posterior) is family)
