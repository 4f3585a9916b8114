"""The extrapolation gap R_target − R_train: models with one interface, none of which needs torch.

Each takes keyword arguments and returns a `Gap`: an interval, what it rests on in words, and
whether it is a certificate, an estimate or a forecast. `GAPS` lists them; `choose_gap` takes the
first that the evidence allows and says why.
"""

from pacbayes.gaps.choice import Evidence, Predictions, choose_gap
from pacbayes.gaps.density_ratio import beta, density_ratio
from pacbayes.gaps.disagreement import disagreement
from pacbayes.gaps.events import EVENTS
from pacbayes.gaps.fitted import FittedGaps, fitted, fitted_gaps
from pacbayes.gaps.gap import Gap, Status
from pacbayes.gaps.held_out import HeldOut
from pacbayes.gaps.measured import measured
from pacbayes.gaps.measured_on_target import CertifiedRisk, measured_on_target
from pacbayes.gaps.one_sided_lipschitz import harder_mass, one_sided_lipschitz, slopes
from pacbayes.gaps.pairs import PairRisks, Pairs, pair_risks
from pacbayes.gaps.registry import GAPS, GapModel, lookup_gap
from pacbayes.gaps.total_variation import total_variation, total_variation_distance

__all__ = [
    "EVENTS",
    "GAPS",
    "CertifiedRisk",
    "Evidence",
    "FittedGaps",
    "Gap",
    "GapModel",
    "HeldOut",
    "PairRisks",
    "Pairs",
    "Predictions",
    "Status",
    "beta",
    "choose_gap",
    "density_ratio",
    "disagreement",
    "fitted",
    "fitted_gaps",
    "harder_mass",
    "lookup_gap",
    "measured",
    "measured_on_target",
    "one_sided_lipschitz",
    "pair_risks",
    "slopes",
    "total_variation",
    "total_variation_distance",
]
