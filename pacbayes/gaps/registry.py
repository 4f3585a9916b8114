"""The models of the extrapolation gap on offer: what each states, needs and can promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from pacbayes.errors import InputError
from pacbayes.gaps.density_ratio import density_ratio
from pacbayes.gaps.disagreement import disagreement
from pacbayes.gaps.fitted import fitted
from pacbayes.gaps.gap import Gap, Status
from pacbayes.gaps.measured import measured
from pacbayes.gaps.measured_on_target import measured_on_target
from pacbayes.gaps.one_sided_lipschitz import one_sided_lipschitz
from pacbayes.gaps.total_variation import total_variation


@dataclass(frozen=True, kw_only=True)
class GapModel:
    """A model of R_target − R_train.

    Attributes:
        function: Computes the gap, keyword arguments only.
        statement: What it says.
        needs: What must be at hand, in words.
        best_status: The most it can promise, where its assumptions are so by construction.
        signed: Whether the interval need not be symmetric about 0.
        reference: Where it is proved, or from.
    """

    function: Callable[..., Gap]
    statement: str
    needs: str
    best_status: Status
    signed: bool
    reference: str


GAPS: Mapping[str, GapModel] = MappingProxyType(
    {
        "measured_on_target": GapModel(
            function=measured_on_target,
            statement="R_target − R_train within the intervals of the two risks",
            needs="held-out labels of the target, and of the training data or a certificate",
            best_status="certificate",
            signed=True,
            reference="Clopper & Pearson 1934; Hoeffding 1963",
        ),
        "measured": GapModel(
            function=measured,
            statement="Σ_k (w_k − v_k) R_k within the intervals of held-out means of the strata",
            needs="held-out labels of each stratum, weights of target and training data",
            best_status="certificate",
            signed=True,
            reference="Clopper & Pearson 1934; Hoeffding 1963",
        ),
        "density_ratio": GapModel(
            function=density_ratio,
            statement="R_target ≤ ½ d_target + β_q e_train^(1 − 1/q) + η",
            needs="pairs of posterior draws on unlabelled target and labelled training examples, "
            "weights of target and training data",
            best_status="certificate",
            signed=True,
            reference="Germain, Habrard, Laviolette & Morvant 2016",
        ),
        "fitted": GapModel(
            function=fitted,
            statement="difference of two risks on a surface fitted to a grid of runs",
            needs="runs at several difficulties and budgets with target and training risks",
            best_status="forecast",
            signed=True,
            reference="bootstrap, Efron 1979",
        ),
        "disagreement": GapModel(
            function=disagreement,
            statement="½ (d_target − d_train) ± λ",
            needs="pairs of posterior draws on unlabelled target and training examples",
            best_status="forecast",
            signed=True,
            reference="Germain, Habrard, Laviolette & Morvant 2013",
        ),
        "one_sided_lipschitz": GapModel(
            function=one_sided_lipschitz,
            statement="−L ∫(F_target − F_train)₊ ≤ R_target − R_train ≤ L ∫(F_train − F_target)₊",
            needs="weights and difficulties of the strata, and a slope L or labels to certify it",
            best_status="certificate",
            signed=True,
            reference="Villani 2003",
        ),
        "total_variation": GapModel(
            function=total_variation,
            statement="|R_target − R_train| ≤ ½ Σ_k |w_k − v_k|",
            needs="weights of target and training data",
            best_status="certificate",
            signed=False,
            reference="Liu et al. 2026",
        ),
    }
)
"""In the order in which `choose_gap` prefers them."""


def lookup_gap(name: str) -> GapModel:
    """The model of that name.

    Raises:
        InputError: There is none; the message names the nearest.
    """
    if name not in GAPS:
        near = get_close_matches(name, GAPS, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(GAPS)}."
        raise InputError(f"There is no gap model named `{name}`.{hint}")
    return GAPS[name]
