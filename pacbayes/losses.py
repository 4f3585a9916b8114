"""Losses in [0, 1] of one example, from the model's scores of the completion tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

SMOOTHING = 0.01
"""Share α of the uniform distribution mixed into every prediction of the `nll` loss. Fixed in
advance: choosing it on the certification data would cost a union bound."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss with its range before rescaling.

    Attributes:
        name: Its name in certificates and on the command line.
        statement: What it measures, in one sentence.
        compute: Takes the scores (tokens, vocabulary) of one completion and its token ids
            (tokens,), and gives a loss in [0, 1].
        width: Nats that one unit of the loss stands for, as a function of the vocabulary's size;
            None where the loss has no unit.
        graded: Whether one record's loss may lie strictly between 0 and 1.
    """

    name: str
    statement: str
    compute: Callable[[Tensor, Tensor], float]
    width: Callable[[int], float] | None = None
    graded: bool = True


def exact(logits: Tensor, targets: Tensor) -> float:
    """1 unless every completion token, the end token too, is the argmax.

    0 exactly when greedy decoding from the prompt reproduces the reference completion.
    """
    return float(bool((logits.argmax(-1) != targets).any()))


def token(logits: Tensor, targets: Tensor) -> float:
    """Share of completion tokens that are not the argmax, given the reference before them."""
    return int((logits.argmax(-1) != targets).sum()) / targets.numel()


def nll(logits: Tensor, targets: Tensor) -> float:
    """Mean negative log-likelihood under the smoothed prediction, rescaled to [0, 1].

    With V tokens a prediction p becomes (1 − α) p + α/V, whose negative logarithm lies in an
    interval of width ln(1 + (1 − α)V/α) nats; that interval is mapped to [0, 1].
    """
    size = logits.shape[-1]
    log_p = logits.double().log_softmax(-1).gather(-1, targets[:, None])[:, 0]
    smoothed = torch.log((1 - SMOOTHING) * log_p.exp() + SMOOTHING / size)
    highest = math.log(1 - SMOOTHING + SMOOTHING / size)
    loss = float((highest - smoothed).mean()) / nll_width(size)
    return min(1.0, max(0.0, loss))


def margin(logits: Tensor, targets: Tensor) -> float:
    """How far the scores are from another `exact` loss: not a loss, and not in [0, 1].

    The least lead of a target over the best other token, without its sign.
    """
    wanted = logits.gather(-1, targets[:, None])[:, 0]
    others = logits.scatter(-1, targets[:, None], -math.inf).amax(-1)
    return abs(float((wanted - others).min()))


def nll_width(size: int) -> float:
    """Nats between the best and the worst smoothed prediction over `size` tokens."""
    return math.log1p((1 - SMOOTHING) * size / SMOOTHING)


def is_graded(loss: Loss, units: Sequence[Sequence[object]]) -> bool:
    """Whether a unit's loss, the mean over its records, may lie strictly between 0 and 1."""
    return loss.graded or any(len(unit) > 1 for unit in units)


MARGIN = Loss(
    name="margin",
    statement="least lead of a target over the best other token, without its sign",
    compute=margin,
)
"""Scored like a loss, to know which examples noise may change; no loss, and not in [0, 1]."""

LOSSES: Mapping[str, Loss] = MappingProxyType(
    {
        "exact": Loss(
            name="exact",
            statement="1 unless greedy decoding reproduces the reference completion, else 0",
            compute=exact,
            graded=False,
        ),
        "token": Loss(
            name="token",
            statement="share of completion tokens that are not the most likely one",
            compute=token,
        ),
        "nll": Loss(
            name="nll",
            statement=(
                f"negative log-likelihood per token, predictions smoothed with {SMOOTHING}, "
                "rescaled to [0, 1]"
            ),
            compute=nll,
            width=nll_width,
        ),
    }
)
