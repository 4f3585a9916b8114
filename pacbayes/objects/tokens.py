"""A certificate for the tokens of documents: how well the drawn network predicts the next one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from pacbayes.bounds import certified, token_freedman
from pacbayes.bounds._complexity import complexity
from pacbayes.bounds._rounding import risk_up
from pacbayes.bounds.token_freedman import mean_v
from pacbayes.certificate import Bet, Certificate, Complexity, StratumCertificate
from pacbayes.data.sample import Unit
from pacbayes.errors import InputError
from pacbayes.ledger import DeltaLedger
from pacbayes.losses import LOSSES, SMOOTHING, nll_width
from pacbayes.models.writing import computing_with
from pacbayes.objects.drawn import DRAWN_ONCE, ROUNDED, described, write_draw
from pacbayes.objects.run import (
    OWN_STATEMENT,
    Evaluated,
    FloatArray,
    Run,
    mean_interval,
    network_stratum,
)
from pacbayes.risk import Scorer, scores_of

GRID = (*(2.0**-k for k in range(10, 0, -1)), *(1 - 2.0**-k for k in range(2, 7)))
"""The parameters s of `token_freedman`, fixed before the sample: small for many errors, near 1 for
few."""

PREDICTABLE_MEAN = (
    "The risk is that of these documents, not of fresh ones: the mean over their scored tokens of "
    "the loss to be expected given the tokens before, of this and of earlier documents, and given "
    "which documents fit the model's context. Documents need not be independent."
)

TokenLoss = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def token_error(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """1 where the token is not the most likely one, and the probability of that by the model.

    Args:
        logits: Scores, shape (tokens, vocabulary).
        targets: Token ids, shape (tokens,).

    Returns:
        Losses and their predictable guesses, shape (tokens,) each, float64.
    """
    losses = (logits.argmax(-1) != targets).double()
    guess = 1 - logits.double().softmax(-1).amax(-1)
    return losses, guess.clamp(0, 1)


def token_nll(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Smoothed negative log-likelihood in [0, 1], as `losses.nll`, and its mean by the model.

    Arguments and results as `token_error`.
    """
    size = logits.shape[-1]
    p = (1 - SMOOTHING) * logits.double().softmax(-1) + SMOOTHING / size
    highest = math.log(1 - SMOOTHING + SMOOTHING / size)
    nll = ((highest - p.log()) / nll_width(size)).clamp(0, 1)
    return nll.gather(-1, targets[:, None])[:, 0], (p * nll).sum(-1).clamp(0, 1)


TOKEN_LOSSES: Mapping[str, TokenLoss] = MappingProxyType({"token": token_error, "nll": token_nll})
"""The losses of single tokens, under the names of `losses.LOSSES`."""

_STATEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "token": "1 for a scored token that is not the most likely one, else 0",
        "nll": LOSSES["nll"].statement,
    }
)


@dataclass(frozen=True, kw_only=True)
class TokenLosses:
    """Losses X_k and guesses Y_k of the scored tokens in the order of the documents."""

    losses: FloatArray
    predictable: FloatArray


def certify_tokens(run: Run) -> tuple[Certificate, ...]:
    """Certifies the drawn network's mean loss on tokens, as was to be expected before each.

    For one network h drawn from Q, with probability ≥ 1 − δ over the documents and the draw,
    (1/n) Σ E[X_k|F_{k−1}] is at most the value of `token_freedman` with ln (dQ/dP)(h) in place of
    KL(Q‖P), for the n scored tokens of a stratum: the product in its proof is a supermartingale
    for each h, so its mean over P is at most 1, and Markov over the documents and h ~ Q does the
    rest. n is the number of tokens at which the documents end, a stopping time, at which a
    non-negative supermartingale still has mean at most 1. Y_k is the loss that the model expects.

    It is made for one network and not for the posterior: with a draw for each document the means
    of X_k and of the convex terms in it would have to be bounded from draws, at a cost in δ.

    Raises:
        InputError: None of the run's losses is one of single tokens.
    """
    names = [c.loss.name for c in run.certificates if c.loss.name in TOKEN_LOSSES]
    if not names:
        raise InputError("--also tokens needs --loss token or --loss nll, losses of single tokens.")
    found, source = write_draw(run)
    measured: dict[str, list[TokenLosses]] = {name: [] for name in names}
    with computing_with(run.model, found.weights):
        scorer = run.scorer("tokens", run.strata)
        for units in run.strata:
            for name, tokens in token_losses(scorer, units, names).items():
                measured[name].append(tokens)
    delta, shares = run.shares("token bound of stratum {}, upper side, all prior scales")
    return tuple(
        replace(
            base,
            object=described(
                source,
                target="tokens",
                mean=(
                    "the mean over the tokens of these documents of the loss to be expected given "
                    "the tokens before"
                ),
            ),
            loss=replace(
                base.loss,
                parameters=base.loss.parameters | {"statement": _STATEMENTS[base.loss.name]},
            ),
            delta=delta,
            kl=found.log_ratio,
            kl_by_group=dict(found.log_ratio_by_group),
            strata=tuple(
                token_stratum(stratum, tokens, found.log_ratio, share, base)
                for stratum, tokens, share in zip(
                    base.strata, measured[base.loss.name], shares, strict=True
                )
            ),
            joint={},
            assumptions=(
                *run.model.assumptions,
                PREDICTABLE_MEAN,
                DRAWN_ONCE,
                ROUNDED,
                OWN_STATEMENT,
            ),
        )
        for base in run.certificates
        if base.loss.name in TOKEN_LOSSES
    )


def token_losses(
    scorer: Scorer, units: Sequence[Unit], names: Sequence[str]
) -> dict[str, TokenLosses]:
    """Losses and guesses of all scored tokens by name of the loss.

    A document that cannot be scored counts as one token with loss 1, and so does every token whose
    scores are not finite; both are known before the token is, so their guess is 1 too.
    """
    documents = [example for unit in units for example in unit]
    pairs: list[dict[str, tuple[Tensor, Tensor]]] = [{} for _ in documents]
    able = [i for i, example in enumerate(documents) if example.unscorable is None]
    able.sort(key=lambda i: len(documents[i].input_ids))
    for start in range(0, len(able), scorer.batch_size):
        places = able[start : start + scorer.batch_size]
        scored = scores_of(scorer.model, [documents[i] for i in places])
        for place, (logits, targets) in zip(places, scored, strict=True):
            pairs[place] = {name: _of_tokens(name, logits, targets) for name in names}
        scorer.tick(len(places))
    scorer.tick(len(documents) - len(able))
    one = torch.ones(1, dtype=torch.float64)
    return {
        name: TokenLosses(
            losses=torch.cat([pair.get(name, (one, one))[0] for pair in pairs]).numpy(),
            predictable=torch.cat([pair.get(name, (one, one))[1] for pair in pairs]).numpy(),
        )
        for name in names
    }


def _of_tokens(name: str, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    finite = torch.isfinite(logits).all(-1)
    losses, guesses = TOKEN_LOSSES[name](logits.nan_to_num(), targets)
    return torch.where(finite, losses, 1.0).cpu(), torch.where(finite, guesses, 1.0).cpu()


def token_stratum(
    stratum: StratumCertificate,
    tokens: TokenLosses,
    log_ratio: float,
    delta: float,
    base: Certificate,
) -> StratumCertificate:
    """The certificate of the tokens of one stratum."""
    grid_cost = base.prior.scale_grid.log_cost
    kl = math.nextafter(log_ratio + grid_cost, math.inf)
    mean = mean_interval(tokens.losses)
    upper, bet = token_bound(tokens, kl=kl, delta=delta)
    n = tokens.losses.size
    found = Evaluated(
        risk_bound=(0.0, upper),
        bounds={"token_freedman": upper},
        complexity=Complexity(
            kl=log_ratio / n,
            log_term=(grid_cost + math.log(len(GRID)) - math.log(delta)) / n,
        ),
    )
    changes: dict[str, Any] = {"n": n, "bets": (bet,), "held_out": None, "prior_held_out": None}
    return network_stratum(stratum, mean, found, **changes)


def token_bound(tokens: TokenLosses, *, kl: float, delta: float) -> tuple[float, Bet]:
    """`token_freedman` on `GRID`, rigorous, and what it rests on at the best s.

    The best s is found in float64 and the enclosure, which is slow, evaluated there alone at its
    part of δ: the bound holds for all s of the grid at once. It is not below what its reader
    computes from the bet and the upper end of `mean_interval`.
    """
    data: Any = {"losses": tokens.losses, "predictable": tokens.predictable, "kl": kl}
    share = DeltaLedger(delta).split([f"s = {s:g}" for s in GRID])[0]
    best = min(GRID, key=lambda s: float(token_freedman(**data, delta=share, grid=(s,))))
    spread = mean_v(tokens.predictable - tokens.losses, best)
    cost = float(complexity(kl, tokens.losses.size, share))
    reread = float(risk_up(mean_interval(tokens.losses)[2] + (cost + spread) / best))
    upper = max(reread, certified("token_freedman", **data, delta=share, grid=(best,)))
    return upper, Bet(lam=best, mean_log=-spread)
