"""What is certified of finished runs on the target: certificate and gap added up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pacbayes.gaps import Evidence, Gap, HeldOut, choose_gap
from pacbayes.plan import GapModel, Objective, Observed, Optimum, Quantity, Status, Target
from pacbayes.planning.pilots import Pilots, weighted_risk
from pacbayes.runs import Run
from pacbayes.schema import Interval


@dataclass(frozen=True, kw_only=True)
class CertifiedRun:
    """A run with its gap.

    Attributes:
        run: The run.
        difficulty: Of its training data.
        gap: Its extrapolation gap.
        target_risk: Its measured risk on the target.
    """

    run: Run
    difficulty: float
    gap: Gap
    target_risk: Quantity

    @property
    def bound(self) -> Interval:
        """Where its target risk lies, with probability at least 1 - 2 delta."""
        (low, high), (least, most) = self.run.risk_bound, self.gap.interval
        return math.nextafter(low + least, -math.inf), math.nextafter(high + most, math.inf)

    def observed(self) -> Observed:
        """As a part of the plan."""
        low, high = self.bound
        return Observed(
            difficulty=self.difficulty,
            train_weights=self.run.train_weights,
            base=self.run.base,
            seed=self.run.seed,
            risk_bound=self.run.risk_bound,
            target_risk=self.target_risk,
            bound=Quantity(value=high, interval=(low, high), status=self.gap.status),
        )

    def objective(self) -> Objective:
        """The parts of its bound."""
        run, (low, high) = self.run, self.run.risk_bound
        least, most = run.empirical_risk_bound
        return Objective(
            empirical_risk=Quantity(
                value=run.empirical_risk, interval=run.empirical_risk_bound, status="certificate"
            ),
            generalization_gap=Quantity(
                value=high - run.empirical_risk,
                interval=(
                    math.nextafter(low - most, -math.inf),
                    math.nextafter(high - least, math.inf),
                ),
                status="certificate",
            ),
            extrapolation_gap=Quantity(
                value=self.gap.interval[1], interval=self.gap.interval, status=self.gap.status
            ),
        )


def certified_runs(
    pilots: Pilots, target: Target, *, shared_strata: bool, level: float
) -> tuple[CertifiedRun, ...]:
    """Every run with the gap that its held-out data allow, at the runs' delta.

    Args:
        pilots: The runs.
        target: The target.
        shared_strata: Whether target examples of a stratum are distributed as the training
            examples of it, by construction.
        level: Of the interval of the measured target risk.
    """
    rows = zip(pilots.runs, pilots.difficulty, pilots.target_risk, pilots.n_target, strict=True)
    return tuple(
        CertifiedRun(
            run=run,
            difficulty=float(difficulty),
            gap=_gap(run, target, shared_strata),
            target_risk=_measured(float(risk), float(n), level),
        )
        for run, difficulty, risk, n in rows
    )


def _gap(run: Run, target: Target, shared_strata: bool) -> Gap:
    if not target.weights:
        return choose_gap(_evidence_on_target(run))
    names = sorted({*target.weights, *run.train_weights})
    tested = all(name in run.tests for name in names)
    held_out = None
    if tested:
        held_out = HeldOut(
            mean=tuple(run.tests[name].mean for name in names),
            n=tuple(run.tests[name].n for name in names),
        )
    return choose_gap(
        Evidence(
            delta=run.delta,
            train_weights=_normalised([run.train_weights.get(name, 0.0) for name in names]),
            target_weights=_normalised([target.weights.get(name, 0.0) for name in names]),
            n_target=target.n,
            shared_conditionals=shared_strata,
            held_out=held_out,
        )
    )


def _evidence_on_target(run: Run) -> Evidence:
    """A measured target beside what was measured on the training distribution, if it was.

    Without the latter the gap may be anything: total variation between disjoint strata says so.
    """
    measured = run.target
    if measured is None or not set(run.train_weights) <= set(run.tests):
        return Evidence(delta=run.delta, train_weights=[1, 0], target_weights=[0, 1])
    if len(run.train_weights) == 1:
        (name,) = run.train_weights
        mean, n = run.tests[name].mean, run.tests[name].n
    else:
        # Hoeffding's and the kl interval of as many units as the least tested stratum are wider
        mean, _ = weighted_risk(run.tests, run.train_weights, None)
        n = min(run.tests[name].n for name in run.train_weights)
    return Evidence(
        delta=run.delta,
        held_out_target=HeldOut(mean=(measured.mean,), n=(measured.n,)),
        held_out_train=HeldOut(mean=(mean,), n=(n,)),
    )


def _normalised(weights: Sequence[float]) -> list[float]:
    total = sum(weights)
    return [weight / total for weight in weights]


def _measured(risk: float, n: float, level: float) -> Quantity:
    """A measured risk with its interval (Wilson 1927)."""
    from scipy.stats import norm

    z = float(norm.ppf((1 + level) / 2))
    centre = (risk + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * float(np.sqrt(risk * (1 - risk) / n + z**2 / (4 * n**2)))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Quantity(value=risk, interval=(min(low, risk), max(high, risk)), status="estimate")


def weakest(runs: Sequence[CertifiedRun]) -> Status:
    """The least that any of the gaps promises."""
    order: tuple[Status, ...] = ("forecast", "estimate", "certificate")
    return min((run.gap.status for run in runs), key=order.index)


def failure_of(runs: Sequence[CertifiedRun]) -> float:
    """Probability with which a bound of one of these runs on the target risk may fail, at most."""
    return min(1.0, math.fsum(2 * run.run.delta for run in runs))


def least_bound(runs: Sequence[CertifiedRun]) -> tuple[Optimum, CertifiedRun]:
    """The run of least bound, and the difficulties whose bounds do not exclude that they are best.

    A difficulty stays if the lower end of the bound of one of its runs is at most the least upper
    end. With K runs all bounds hold together with probability at least 1 - 2 K delta; where that is
    nothing, the best of them is an estimate.
    """
    best = min(runs, key=lambda run: (run.bound[1], run.difficulty))
    kept = sorted({run.difficulty for run in runs if run.bound[0] <= best.bound[1]})
    optimum = Optimum(
        value=best.difficulty,
        interval=(kept[0], kept[-1]),
        indistinguishable=tuple(kept),
        status=weakest(runs) if failure_of(runs) < 1 else "estimate",
    )
    return optimum, best


def gap_model(runs: Sequence[CertifiedRun]) -> GapModel:
    """How the gaps of runs were found, with the weakest of their statuses."""
    gap = next(run.gap for run in runs if run.gap.status == weakest(runs))
    return GapModel(
        model=gap.model,
        reason=f"{gap.reason} So for the runs; in forecasts the gap is the difference of two "
        "fitted risks.",
        status=gap.status,
        assumption=gap.assumption,
    )
