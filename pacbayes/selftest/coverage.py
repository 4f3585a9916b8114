"""Many small certificates in a world whose true risk is known.

The world is made of losses that this machine has scored: of problems of the sample, each under
several posterior draws. An example is one of the problems, a draw one of its losses, both drawn
evenly, so the posterior's risk is the mean of all. Each certificate takes a sample, draws and bets
of its own and goes through the steps of the main job. Prior and posterior are the same: there is no
KL to make up for an error elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.stats import binom

from pacbayes.bets import choose_bets, shares_of
from pacbayes.certificate import StratumCertificate
from pacbayes.draws import Draws
from pacbayes.ledger import DeltaLedger
from pacbayes.posteriors.noise import Stream
from pacbayes.posteriors.prior_scale import Grid
from pacbayes.risk import FloatArray
from pacbayes.selftest.bench import Bench, part_of, problems, scorer, units_of
from pacbayes.selftest.finding import FALSE_ALARM, Finding
from pacbayes.settings import Shares
from pacbayes.stratum import EncodedPart, certify_stratum, complexity_of
from pacbayes.weight_perturbation import Scales

DELTA = 0.1
N, PASSES = 60, 60
"""So many passes that the Monte-Carlo interval does not make up for an error in the bound."""
CERTIFICATES = 200
N_PROBLEMS, N_DRAWS = 300, 4
LOSSES = ("exact", "token")
FILE = "medium.held_out.jsonl"

NO_KL = Scales(groups=(), kl=0.0, grid=Grid((1.0,)), prior_index=0, rule="the prior's", noise={})


@dataclass(frozen=True, kw_only=True)
class World:
    """Losses of problems under draws, shape (draws, problems), and whether they are graded."""

    losses: FloatArray
    graded: bool

    @property
    def risk(self) -> float:
        """The posterior's true risk in this world."""
        return float(self.losses.mean())

    def draw(self, chosen: np.ndarray, generator: np.random.Generator) -> FloatArray:
        """A fresh draw's loss for each of the chosen problems."""
        return self.losses[generator.integers(len(self.losses), size=chosen.shape), chosen]


def check(bench: Bench) -> Iterator[Finding]:
    """Share of certificates that miss the risk, for losses of 0 or 1 and for graded ones."""
    most = most_misses()
    for place, losses in enumerate(scored(bench)):
        world = World(losses=losses, graded=LOSSES[place] == "token")
        generator = np.random.default_rng((bench.seed, place))
        made = [one_certificate(world, generator) for _ in range(CERTIFICATES)]
        missed = [not (s.risk_bound[0] <= world.risk <= s.risk_bound[1]) for s in made]
        yield Finding(
            what=f"certificates that miss the true risk, loss {LOSSES[place]}, δ = {DELTA}",
            figure=sum(missed) / CERTIFICATES,
            limit=most / CERTIFICATES,
            false_alarm=FALSE_ALARM,
        )
        unpaid = [s.empirical_risk < world.risk for s in made]
        yield Finding(
            what=f"the same if δ were not paid, loss {LOSSES[place]}",
            figure=sum(unpaid) / CERTIFICATES,
            limit=(most + 1) / CERTIFICATES,
            at_least=True,
        )


def most_misses() -> int:
    """Misses that happen by chance with probability 1 − `FALSE_ALARM` at least."""
    return int(binom.isf(FALSE_ALARM, CERTIFICATES, DELTA))


def scored(bench: Bench) -> FloatArray:
    """Losses of problems that the adapter was not trained for, (losses, draws, problems)."""
    model = bench.model("hard")
    units = units_of(FILE, N_PROBLEMS, model)
    on_device = scorer(model, *LOSSES)
    noise, key = model.suggested_noise, bench.key(Stream.CERTIFICATE)
    return np.stack(
        [on_device.under_noise(units, noise, key=key, draw=draw) for draw in range(N_DRAWS)],
        axis=1,
    )


def one_certificate(world: World, generator: np.random.Generator) -> StratumCertificate:
    """The certificate of a sample of the world, with noise that is fresh for each pass."""
    chosen = generator.integers(world.losses.shape[1], size=N)
    (shares,) = Shares.spent(DeltaLedger(DELTA), ["world"])
    lams: tuple[float, ...] = ()
    if world.graded:
        complexity = complexity_of(N, NO_KL, shares, graded=True)
        lams = choose_bets(
            world.draw(chosen, generator),
            complexity=complexity.kl + complexity.log_term,
            n_draws=N * PASSES,
            delta=shares_of(shares.monte_carlo, 2)[1],
        )
    losses = world.draw(np.tile(chosen, (PASSES, 1)), generator)
    estimate = Draws(losses=losses, block=1).estimate(shares.monte_carlo, lams)
    return certify_stratum(_stratum(), estimate, losses[0], NO_KL, shares, None, None)


@cache
def _stratum() -> EncodedPart:
    """N records: of a stratum, its certificate only takes their number."""
    return EncodedPart(part=part_of(problems(FILE, N), "world"), units=())
