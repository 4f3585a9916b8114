"""How to certify, and how δ is shared out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pacbayes.ledger import DeltaLedger
from pacbayes.losses import LOSSES
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.posteriors.prior_scale import GRID, Grid
from pacbayes.risk import Scorer
from pacbayes.team import ALONE, Team
from pacbayes.weight_perturbation import Family

MONTE_CARLO_SHARE = 0.2
"""Share of δ that pays for estimating the posterior's empirical risk by sampling."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to certify; the names are those of the command line.

    Attributes:
        losses: Names of the losses, see `pacbayes.losses.LOSSES`; the noise is chosen for
            the geometric mean of their bounds.
        delta: Probability with which any of the certificate's statements may be wrong.
        seed: Of all noise.
        passes: Whole passes of posterior draws over each stratum.
        tolerance: Instead of whole passes, draw until the upper bound on the posterior's empirical
            risk is so near its estimate, at most as many draws as the passes would take.
        draws: At least so many draws for each stratum, in whole passes, instead of `passes`.
        batch_size: Examples in one forward pass.
        block: Units that share a draw where each cannot have its own.
        pilot: Units of each stratum that the choice of the posterior's scales looks at.
        dtype: The model's floating-point type.
        prior_scale: The prior's scale relative to the tensors' own, fixed without the data; None
            to choose it from a grid, which is paid for.
        family: Which posteriors are searched.
        groups: Patterns of tensor names by group, for the family `per-group`.
        gauge: Whether other LoRA factors of the same product are tried.
        team: The processes that certify together.
        optimize: Gradient steps towards a smaller bound before certifying, see
            `pacbayes.optimize`.
        optimize_rate: Their learning rate, in units of the posterior's scales.
    """

    losses: tuple[str, ...] = ("exact",)
    delta: float = 0.05
    seed: int = 0
    passes: int = 4
    tolerance: float | None = None
    draws: int | None = None
    batch_size: int = 64
    block: int = 16
    pilot: int = 256
    dtype: str = "float32"
    prior_scale: float | None = None
    family: Family = "per-tensor"
    groups: Mapping[str, str] = field(default_factory=dict)
    gauge: bool = True
    team: Team = ALONE
    optimize: int = 0
    optimize_rate: float = 0.02

    @property
    def prior_grid(self) -> Grid:
        """The scales that the prior may have."""
        return GRID if self.prior_scale is None else Grid((self.prior_scale,))

    def scorer(self, model: FineTuned) -> Scorer:
        """Scores with these losses and sizes."""
        return Scorer(
            model=model,
            losses=tuple(LOSSES[name] for name in self.losses),
            batch_size=self.batch_size,
            block=self.block,
            team=self.team,
        )

    def passes_for(self, n: int, scorer: Scorer) -> int:
        """Whole passes over n units that give the wanted number of draws."""
        if self.draws is None:
            return self.passes
        draws_in_a_pass = -(-n // scorer.units_per_draw)
        return -(-self.draws // draws_in_a_pass)


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What one stratum may spend of δ on its two events."""

    kl_bound: float
    monte_carlo: float

    @classmethod
    def spent(cls, ledger: DeltaLedger, strata: Sequence[str]) -> list[Shares]:
        """Equal parts of the ledger's total for all strata, entered in it."""
        shares = []
        for name in strata:
            events = (
                f"PAC-Bayes bound of stratum {name}, both sides, all prior scales",
                f"Monte-Carlo bounds of stratum {name}, all sides",
            )
            weights = ((1 - MONTE_CARLO_SHARE) / len(strata), MONTE_CARLO_SHARE / len(strata))
            kl_bound, monte_carlo = ledger.split(events, weights)
            shares.append(cls(kl_bound=kl_bound, monte_carlo=monte_carlo))
        return shares
