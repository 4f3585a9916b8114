"""Certificates of made-up losses and plans of made-up runs, by the package's own means."""

from datetime import UTC, datetime

import numpy as np

from pacbayes.certificate import (
    Centre,
    Certificate,
    CertifiedObject,
    DataFile,
    Delta,
    Environment,
    HeldOut,
    LedgerEntry,
    Loss,
    Posterior,
    Prior,
    ScaleGrid,
    TensorGroup,
)
from pacbayes.data.assumptions import INDEPENDENT
from pacbayes.data.sample import Part
from pacbayes.draws import Draws
from pacbayes.ledger import DeltaLedger
from pacbayes.losses import LOSSES
from pacbayes.models.loading import TRAINED_SET
from pacbayes.plan import Plan, Target
from pacbayes.planning.planner import PlanSettings, plan
from pacbayes.posteriors.gaussian import group_kl, kl_divergence
from pacbayes.posteriors.prior_scale import GRID
from pacbayes.runs import RunSet
from pacbayes.settings import Shares
from pacbayes.stratum import EncodedPart, certify_stratum, held_out_risk
from pacbayes.weight_perturbation import Scales
from tests.pilots import TARGET, make_runs

HASH = "0123456789abcdef" * 4


def make_certificate(
    sizes, *, rates=(0.1,), graded=False, passes=2, block=1, n_held_out=50, delta=0.05, seed=0
):
    """A posterior's certificate with strata of these sizes, losses drawn at these rates in turn."""
    rng = np.random.default_rng(seed)
    groups = tuple(
        TensorGroup(
            name=f"layers.{i}.weight",
            size=64 * (i + 1),
            sigma_prior=0.1 * (i + 1),
            sigma_posterior=0.07 * (i + 1),
            distance_squared=0.3,
        )
        for i in range(3)
    )
    scales = Scales(
        groups=groups, kl=kl_divergence(groups), grid=GRID, prior_index=5, rule="made", noise={}
    )
    ledger = DeltaLedger(delta)
    names = [f"stratum {i}" for i in range(len(sizes))]
    shares = Shares.spent(ledger, names)

    def losses(n, rate, shape=()):
        if graded:
            return rng.beta(40 * rate, 40 * (1 - rate), (*shape, n))
        return (rng.random((*shape, n)) < rate).astype(float)

    strata = []
    for i, (name, n) in enumerate(zip(names, sizes, strict=True)):
        rate = rates[i % len(rates)]
        draws = Draws(losses=losses(n, rate, (passes,)), block=block)
        apart = losses(n_held_out, rate)
        held_out = HeldOut(
            path="held_out.jsonl",
            sha256=HASH,
            n=n_held_out,
            stochastic=held_out_risk(apart, delta),
            unperturbed=held_out_risk(apart, delta),
        )
        part = Part(name=name, units=((None,),) * n)
        strata.append(
            certify_stratum(
                EncodedPart(part=part, units=()),
                draws.estimate(shares[i].monte_carlo, (0.9, -9.0) if graded else ()),
                losses(n, rate),
                scales,
                shares[i],
                held_out if n_held_out else None,
                None,
            )
        )
    loss = LOSSES["token" if graded else "exact"]
    return Certificate(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version="0.1.0",
        seed=seed,
        delta=Delta(
            total=delta, ledger=tuple(LedgerEntry(event=e, delta=d) for e, d in ledger.entries)
        ),
        loss=Loss(name=loss.name, range=(0.0, 1.0), parameters={"statement": loss.statement}),
        object=CertifiedObject.posterior(),
        prior=Prior(
            centre=Centre(path="before", sha256=HASH),
            base=None,
            family="gaussian",
            scale_grid=ScaleGrid(size=GRID.size, index=5, log_cost=GRID.log_cost),
            data=(),
        ),
        posterior=Posterior(
            centre=Centre(path="after", sha256=HASH),
            family="gaussian",
            choice="made",
            groups=groups,
        ),
        kl=scales.kl,
        kl_by_group={group.name: group_kl(group) for group in groups},
        strata=tuple(strata),
        joint={},
        data=(DataFile(path="data.jsonl", sha256=HASH, n_records=sum(sizes), excluded=()),),
        assumptions=(
            INDEPENDENT,
            "The prior's weights were fixed without the certification data.",
            TRAINED_SET,
            "The seed was fixed in advance: the best of several runs is not certified.",
        ),
        environment=Environment(packages={}, device="cpu", dtype="float32"),
    )


def made_plan(runs=None, *, target=TARGET, budgets=(), n_fits=60, grid=7) -> Plan:
    """A plan from pilot runs on three strata."""
    made = make_runs(seeds=1) if runs is None else runs
    return plan(
        RunSet(runs=tuple(made), path="runs.jsonl", sha256=HASH),
        Target(weights=target, path=None, sha256=None, n=None),
        PlanSettings(budgets=budgets, n_fits=n_fits, grid=grid),
    )
