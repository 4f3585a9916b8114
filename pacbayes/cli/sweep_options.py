"""What `pacbayes sweep` is given as text, read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pacbayes.cli.weights import parse_weights
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.planning.rules import Rule


def one_rule(**rules: str | None) -> None:
    """Refuse none or several of the options that say what the strata are."""
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) != 1:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in rules)
        raise InputError(f"the strata are given by exactly one of {options}.")


def rules(windows: str | None, edges: str | None) -> dict[str, Rule] | None:
    """The strata of --windows or --strata-edges; None for those of labels."""
    from pacbayes.sweep.strata import edge_rules, window_rules

    if windows is not None:
        return window_rules(_windows(windows))
    return None if edges is None else edge_rules(numbers("strata-edges", edges, float))


def _windows(text: str) -> list[tuple[float, float]]:
    windows = []
    for part in text.split(","):
        try:
            low, high = map(float, part.split(":"))
        except ValueError:
            raise InputError(
                f"--windows must be LOW:HIGH with commas between them, got {text!r}."
            ) from None
        windows.append((low, high))
    return windows


def mixtures(texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """The mixtures of --mix by name, with the share of each stratum."""
    mixtures: dict[str, dict[str, float]] = {}
    for text in texts:
        name, colon, weights = (part.strip() for part in text.partition(":"))
        if not (name and colon) or name in mixtures:
            raise InputError(
                f"--mix must be NAME:STRATUM=SHARE,... with each name once, got {text!r}."
            )
        mixtures[name] = parse_weights(f"--mix {name}", weights)
    return mixtures


def wanted(names: Sequence[str], only: Sequence[str] | None) -> list[str]:
    """Those of the names that --only has, or all."""
    for name in only or []:
        if name not in names:
            raise InputError(
                f"--only: there is no stratum or mixture {name!r}; there are "
                f"{', '.join(map(repr, names))}."
            )
    return [name for name in names if not only or name in only]


def numbers(name: str, text: str, kind: Callable[[str], Any]) -> list[Any]:
    """The numbers of the option of this name."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        whole = "whole numbers" if kind is int else "numbers"
        raise InputError(
            f"--{name} must be {whole} with commas between them, got {text!r}."
        ) from None
