"""Density ratio of target to training strata, with disagreement on unlabelled target data."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from pacbayes.bounds._domain import require
from pacbayes.bounds._rounding import up
from pacbayes.gaps._domain import equal_share, input_errors, require_pair
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.pairs import Pairs
from pacbayes.gaps.shared import HELD_OUT, shared


@input_errors()
def beta(train_weights: ArrayLike, target_weights: ArrayLike, q: float) -> float:
    """β_q = (Σ_k v_k (w_k/v_k)^q)^{1/q} over strata with v_k > 0; β_∞ = max w_k/v_k.

    At least the true value, and at least the target's mass on those strata (equal at q = 1).

    Args:
        train_weights: v_k, shape (strata,), summing to 1.
        target_weights: w_k of the same strata.
        q: Above 0, infinity allowed.

    Raises:
        InputError: An argument outside its domain.

    >>> v, w = [0.4, 0.3, 0.2, 0.1], [0.2, 0.3, 0.3, 0.2]
    >>> round(beta(v, w, math.inf), 9), round(beta(v, w, 2), 6)
    (2.0, 1.118034)
    """
    train, target = require_pair(train_weights, target_weights)
    order = np.asarray(q, dtype=np.float64)
    require(order > 0, order, "q", "be above 0")
    covered = train > 0
    ratio = target[covered] / train[covered]
    largest = float(ratio.max())
    if largest == 0:
        return 0.0
    if math.isinf(q):
        return float(up(largest))
    # powers of ratios of at most 1 do not overflow
    inside = math.fsum((train[covered] * (ratio / largest) ** float(q)).tolist())
    return float(up(largest * inside ** (1 / float(q)), 1e-13))


@input_errors()
def density_ratio(
    *,
    train_weights: ArrayLike,
    target_weights: ArrayLike,
    target_pairs: Pairs,
    train_pairs: Pairs,
    delta: float,
    q: float = math.inf,
    shared_conditionals: bool = False,
) -> Gap:
    """R_target ≤ ½ d_target + β_q e_train^{1 − 1/q} + η, less R_train, with probability ≥ 1 − δ.

    d is the probability that two posterior draws answer differently, e that both are wrong, η the
    target's mass on strata without training data. Proof, for 0-1 losses and any number of
    answers: let u(x) be the probability that a draw is wrong on x. One draw is wrong and its twin
    right with probability u (1 − u), which is at most half of that of a disagreement, so that

        R_target = E u (1 − u) + E u² ≤ ½ d_target + e_target.

    With strata in common, e_target = Σ_k w_k E_k u² ≤ η + E_train[(w/v) u²], and by Hölder's
    inequality with exponents q and p = q/(q − 1) this is at most η + β_q (E_train u^{2p})^{1/p},
    where u^{2p} ≤ u². Below, of two answers that differ at least one is wrong, so that
    R_target ≥ ½ d_target.

    Five sides are measured, each at δ/5: d_target both ways, e_train above, R_train both ways.

    Args:
        train_weights: v_k, shape (strata,), summing to 1.
        target_weights: w_k of the same strata, known without error.
        target_pairs: Counts on target examples; labels are not needed.
        train_pairs: Counts on held-out examples from the training distribution, with labels.
        delta: Failure probability in (0, 1).
        q: At least 1, infinity allowed, fixed before the data. At infinity the joint error enters
            linearly; smaller q forgive a large ratio on a rare stratum.
        shared_conditionals: As `total_variation`; the labels' distribution included.

    Raises:
        InputError: An argument outside its domain, or training pairs without labels.

    Reference: Germain, Habrard, Laviolette & Morvant (2016), A New PAC-Bayesian Perspective on
    Domain Adaptation, Theorem 3.

    >>> gap = density_ratio(
    ...     train_weights=[0.5, 0.5],
    ...     target_weights=[0.25, 0.75],
    ...     target_pairs=Pairs(n=10000, disagreements=2000),
    ...     train_pairs=Pairs(n=10000, disagreements=1500, joint_errors=500, errors=2500),
    ...     delta=0.05,
    ...     shared_conditionals=True,
    ... )
    >>> gap.status, [round(end, 3) for end in gap.interval]
    ('certificate', [-0.04, 0.072])
    """
    train, target = require_pair(train_weights, target_weights)
    order = np.asarray(q, dtype=np.float64)
    require(order >= 1, order, "q", "be at least 1")
    share = equal_share(delta, 5)
    ratio, uncovered = beta(train, target, q), math.fsum(target[train == 0].tolist())
    d_low, d_high = target_pairs.disagreement(share)
    joint = train_pairs.joint_error(share)[1]
    risk_low, risk_high = train_pairs.risk(share)
    # 1 − 1/q: smaller than the exact value is safe, as joint ≤ 1
    power = 1.0 if math.isinf(q) else (1 - 1 / float(q)) * (1 - 1e-15)
    target_high = min(1.0, 0.5 * d_high + ratio * joint**power + uncovered)
    status, assumption = shared(shared_conditionals)
    return Gap(
        model="density_ratio",
        interval=outward(0.5 * d_low - risk_high, target_high - risk_low, len(train)),
        status=status,
        assumption=f"{assumption} {HELD_OUT}",
        delta=float(delta),
        detail={"beta": ratio, "q": float(q), "uncovered": uncovered, "joint_error": joint},
    )
