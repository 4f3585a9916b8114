"""Differentiable stand-ins in [0, 1] for the losses, to train with; never certified themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from pacbayes.losses import SMOOTHING, nll_width

IGNORED = -100
"""Label of a token that is not part of the completion, as in transformers."""


def exact(logits: Tensor, labels: Tensor) -> Tensor:
    """Probability that sampling at temperature 1 does not give the completion, 1 − Π p.

    The loss `exact` asks for greedy decoding instead. Twice this is an upper bound on it: a
    completion of probability above ½ is greedy's. Unlike the negative log-likelihood it is bounded,
    so that examples which the noise has spoilt beyond repair do not take over the gradient.

    Args:
        logits: Scores, shape (rows, tokens, vocabulary), as a causal model gives them.
        labels: Token ids, shape (rows, tokens); `IGNORED` outside the completion.

    Returns:
        One value in [0, 1] for each row.
    """
    log_p, _ = _log_probabilities(logits, labels)
    return -torch.expm1(log_p.sum(-1))


def token(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean probability of a wrong token over the completion; otherwise as `exact`."""
    log_p, mask = _log_probabilities(logits, labels)
    return -torch.expm1(log_p).sum(-1) / mask.sum(-1)


def nll(logits: Tensor, labels: Tensor) -> Tensor:
    """The loss `nll` itself, which has a gradient; otherwise as `exact`."""
    log_p, mask = _log_probabilities(logits, labels)
    size = logits.shape[-1]
    smoothed = torch.log((1 - SMOOTHING) * log_p.exp() + SMOOTHING / size)
    highest = math.log(1 - SMOOTHING + SMOOTHING / size)
    mean = ((highest - smoothed) * mask).sum(-1) / mask.sum(-1)
    return (mean / nll_width(size)).clamp(0.0, 1.0)


SURROGATES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType(
    {"exact": exact, "token": token, "nll": nll}
)
"""By the name of the loss that they stand for, `pacbayes.losses.LOSSES`."""


def _log_probabilities(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of each label given the tokens before it, 0 where ignored, and the mask."""
    targets = labels[:, 1:]
    mask = targets != IGNORED
    scores = logits[:, :-1][mask]
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    picked = scores.log_softmax(-1).gather(-1, targets[mask][:, None])[:, 0]
    return picked.new_zeros(mask.shape).masked_scatter(mask, picked), mask
