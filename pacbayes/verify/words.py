"""What certificates say in fixed words: parts of δ, objects, losses, ways to sample."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FRESH = ("The units of each stratum", "The seed was fixed in advance", "Which tensors to train")
_ALONE = "This certificate is a statement of its own"
_DRAWN = ("The network was drawn from the posterior once", "The density ratio is", _ALONE)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a certificate of one kind says in words: of its object, its parts of δ, itself."""

    description: str
    events: tuple[str, ...]
    assumptions: tuple[str, ...]


KINDS = {
    ("posterior", "fresh"): Kind(
        description="the posterior: weights drawn afresh for every prediction",
        events=(
            "PAC-Bayes bound of stratum {}, both sides, all prior scales",
            "Monte-Carlo bounds of stratum {}, all sides",
        ),
        assumptions=_FRESH,
    ),
    ("drawn", "fresh"): Kind(
        description="one network drawn once from the posterior; its mean loss on fresh units",
        events=("kl bound of stratum {} for the drawn network, both sides, all prior scales",),
        assumptions=(*_FRESH, *_DRAWN),
    ),
    ("compressed", "fresh"): Kind(
        description="one network, the fine-tuning compressed to {} bits; its mean loss on fresh "
        "units",
        events=("Occam bound of stratum {}, upper side, all codes",),
        assumptions=(*_FRESH, "The code (its decoder,", _ALONE),
    ),
    ("drawn", "tokens"): Kind(
        description="one network drawn once from the posterior; the mean over the tokens of these "
        "documents of the loss to be expected given the tokens before",
        events=("token bound of stratum {}, upper side, all prior scales",),
        assumptions=("The risk is that of these documents", "Which tensors to train", *_DRAWN),
    ),
}
LOSSES = {
    ("exact", "fresh"): "1 unless greedy decoding reproduces the reference completion, else 0",
    ("token", "fresh"): "share of completion tokens that are not the most likely one",
    ("token", "tokens"): "1 for a scored token that is not the most likely one, else 0",
}
NLL = "negative log-likelihood per token, predictions smoothed with {}, rescaled to [0, 1]"
CODE_CHOICE = "number of code words with the least bound"
FAMILIES = ("gaussian", "diagonal", "low-rank", "kronecker")
PASSES = re.compile(
    r"kl interval over (\d{1,9}) passes with fresh draws(?:, each for (\d{1,9}) units)?"
)
PAIRS = "betting interval on differences from unperturbed losses, units drawn by their margins"
MEASURED = "loss of the one network, measured on every unit"
TOKEN_BETS = (*(2.0**-k for k in range(1, 11)), *(1 - 2.0**-k for k in range(2, 7)))
