"""Disagreement of posterior draws on unlabelled target data."""

from __future__ import annotations

import numpy as np

from pacbayes.bounds._domain import require, require_finite
from pacbayes.gaps._domain import equal_share, input_errors
from pacbayes.gaps.gap import Gap, outward
from pacbayes.gaps.pairs import Pairs


@input_errors()
def disagreement(
    *,
    target_pairs: Pairs,
    train_pairs: Pairs,
    delta: float,
    joint_error_change: float = 0.0,
) -> Gap:
    """R_target − R_train = ½ (d_target − d_train) ± λ, of which labels alone could show λ.

    With 0-1 losses R = ½ d + e′, where d is the probability that two draws from the posterior
    answer differently, and e′ that both are wrong, counted half where they are wrong in different
    ways (both sides count half of a wrong answer for each of the two draws). So the gap is half
    the change of d plus the change of e′, at most λ. d is bounded by Clopper–Pearson, each of the
    four sides at δ/4.

    Args:
        target_pairs: Counts on target examples; labels are not needed.
        train_pairs: Counts on held-out examples from the training distribution.
        delta: Failure probability in (0, 1), of all that is measured.
        joint_error_change: λ in [0, 1], an assumption: |e′_target − e′_train| is at most this.

    Raises:
        InputError: An argument outside its domain.

    Reference: Germain, Habrard, Laviolette & Morvant (2013), A PAC-Bayesian Approach for Domain
    Adaptation with Specialization to Linear Classifiers, Theorem 4, with the sign kept.

    >>> gap = disagreement(
    ...     target_pairs=Pairs(n=10000, disagreements=3000),
    ...     train_pairs=Pairs(n=10000, disagreements=1000),
    ...     delta=0.05,
    ... )
    >>> gap.status, round(gap.estimate, 3), [round(end, 3) for end in gap.interval]
    ('forecast', 0.1, [0.091, 0.109])
    """
    change = require_finite(np.asarray(joint_error_change), "joint_error_change")
    require((change >= 0) & (change <= 1), change, "joint_error_change", "lie in [0, 1]")
    share = equal_share(delta, 4)
    target_low, target_high = target_pairs.disagreement(share)
    train_low, train_high = train_pairs.disagreement(share)
    slack = float(change)
    return Gap(
        model="disagreement",
        interval=outward(
            0.5 * (target_low - train_high) - slack, 0.5 * (target_high - train_low) + slack, 2
        ),
        estimate=0.5
        * (target_pairs.disagreements / target_pairs.n - train_pairs.disagreements / train_pairs.n),
        status="forecast",
        assumption=_assumption(slack),
        delta=float(delta),
        detail={"joint_error_change": slack},
    )


def _assumption(change: float) -> str:
    what = (
        "draws are wrong together as often on the target as on the training data"
        if change == 0
        else f"how often draws are wrong together differs by at most {change:.6g} between target "
        "and training data"
    )
    return f"Assumes that {what}, which unlabelled data cannot show."
