"""Weights of strata as they are typed."""

from __future__ import annotations

from pacbayes.errors import InputError


def parse_weights(option: str, text: str) -> dict[str, float]:
    """Read weights written as `easy=.5,hard=.5`; whether they sum to 1 is not looked at.

    Args:
        option: What they were given as, for messages.
        text: The weights.

    Raises:
        InputError: They are not written so, or a name comes twice.

    >>> parse_weights("--weights", "easy=.2, hard=.8")
    {'easy': 0.2, 'hard': 0.8}
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = (piece.strip() for piece in part.rpartition("="))
        if not name or name in weights:
            raise InputError(f"{option} must be NAME=SHARE,... with each name once, got {text!r}.")
        try:
            weights[name] = float(share)
        except ValueError:
            raise InputError(
                f"{option}: the share of {name!r} must be a number, got {share!r}."
            ) from None
    return weights
