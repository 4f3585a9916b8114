"""The checks by name, and running them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from pacbayes.errors import InputError
from pacbayes.selftest import adversary, agreement, coverage, identities, noise, shuffled
from pacbayes.selftest.bench import Bench
from pacbayes.selftest.finding import Finding

Check = Callable[[Bench], Iterator[Finding]]

CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "identities": identities.check,
        "adversary": adversary.check,
        "noise": noise.check,
        "agreement": agreement.check,
        "shuffled": shuffled.check,
        "coverage": coverage.check,
    }
)
"""In the order in which they run: what takes longest comes last."""


def chosen(names: Sequence[str]) -> list[str]:
    """The names in the order of `CHECKS`; all if none is given.

    Raises:
        InputError: There is no such check.
    """
    for name in names:
        if name not in CHECKS:
            raise InputError(f"--check must be one of {', '.join(CHECKS)}, got {name!r}.")
    return [name for name in CHECKS if name in names or not names]


def run_checks(bench: Bench, names: Sequence[str] = ()) -> Iterator[tuple[str, Finding]]:
    """Findings with the name of their check, as they come.

    An error ends its check, which then fails; the others go on.

    Args:
        bench: Where to run.
        names: Checks; all by default.

    Raises:
        InputError: There is no such check.
    """
    for name in chosen(names):
        try:
            for finding in CHECKS[name](bench):
                yield name, finding
        except Exception as error:  # a machine can be broken in as many ways as there are machines
            yield name, Finding.stopped(error)
