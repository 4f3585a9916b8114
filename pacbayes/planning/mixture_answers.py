"""The best mixture of strata for one budget, as a part of the plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pacbayes.bounds import seeger_maurer
from pacbayes.learning_curves import Curves
from pacbayes.plan import Mixture, Quantity
from pacbayes.planning.forecast import Forecaster
from pacbayes.planning.mixtures import (
    MixingCheck,
    MixtureForecast,
    TriedMixtures,
    check_mixing,
    forecast_certificate,
    recommend_mixture,
    try_mixtures,
)
from pacbayes.planning.mixtures.by_forecast import central_interval, in_words
from pacbayes.planning.pilots import Pilots

Floats = NDArray[np.float64]

_MIXTURE_STREAM = 4
"""Beside those of `forecast`."""

_CERTIFIED_FITS = 8
"""A joint certificate takes 20 ms a fit; 8 of them keep plans of 200 budgets below a minute."""


@dataclass(frozen=True, kw_only=True)
class Mixer:
    """What mixtures are judged with.

    Attributes:
        strata: Those that runs were trained on alone, from easy to hard.
        places: Their places on the forecaster's grid, shape (K,).
        curves: Target risk after training on each of the K strata.
        check: What runs on mixtures say of how strata add up.
        tried: Mixtures with learning curves of their own, or None.
        fitted: Empirical risk and KL, for the certificate.
        level: Of the intervals.
    """

    strata: tuple[str, ...]
    places: NDArray[np.intp]
    curves: Curves
    check: MixingCheck
    tried: TriedMixtures | None
    fitted: Forecaster
    level: float

    def at(self, budget: int) -> Mixture:
        """The best mixture for a budget; a forecast."""
        found = recommend_mixture(
            curves=(self.curves,),
            target_weights=np.ones(1),
            strata=self.strata,
            budget=budget,
            check=self.check,
            level=self.level,
        )
        ran = self._ran(budget, found)
        if ran is not None and ran.predicted_risk.value < found.predicted_risk:
            return ran
        return Mixture(
            weights=found.weights,
            predicted_risk=_forecast(found.predicted_risk, found.predicted_risk_interval),
            best_single_stratum=found.best_single_stratum,
            marginal_value=found.marginal_value,
            joint_certificate=self._certificate(budget, np.array(list(found.weights.values()))),
            statement=found.statement,
        )

    def _ran(self, budget: int, found: MixtureForecast) -> Mixture | None:
        """The best of the mixtures that were run, by its own learning curve."""
        if self.tried is None:
            return None
        place, risk = self.tried.best(budget)
        weights = self.tried.weights[place]
        more = float(self.tried.curves.by_log_budget(budget)[:, place].mean()) / budget
        single = found.best_single_stratum
        alone = found.single_risk[single]
        return Mixture(
            weights=dict(zip(self.strata, weights.tolist(), strict=True)),
            predicted_risk=_forecast(float(risk.mean()), central_interval(risk, self.level)),
            best_single_stratum=single,
            # runs at one set of shares do not tell one stratum's examples from another's
            marginal_value={
                name: more if share else 0.0
                for name, share in zip(self.strata, weights, strict=True)
            },
            joint_certificate=self._certificate(budget, weights),
            statement=(
                f"Of the mixtures that were run, {in_words(self.strata, weights)} is predicted to "
                f"have a risk of {risk.mean():.4f} by its own {self.tried.n_runs[place]} runs, "
                f"against {alone:.4f} of {single} alone: train on this mixture. Its marginal value "
                "is that of one more example of the mixture."
            ),
        )

    def _certificate(self, budget: int, weights: Floats) -> Quantity:
        """Forecast the certificate of the mixture's own risk; of one stratum it is the kl bound."""
        risk = self.fitted.empirical.risk(budget)[:, self.places]
        kl = self.fitted.kl(budget)[:, self.places]
        if weights.max() == 1:
            alone = int(weights.argmax())
            bound = np.asarray(
                seeger_maurer(
                    empirical_risk=risk[:, alone],
                    kl=kl[:, alone],
                    n=budget,
                    delta=self.fitted.delta,
                )
            )
            return _forecast(float(bound.mean()), central_interval(bound, self.level))
        few = np.linspace(0, len(risk) - 1, _CERTIFIED_FITS).astype(int)
        found = forecast_certificate(
            weights=weights,
            train_weights=weights,
            budget=budget,
            empirical_risk=risk[few],
            kl=kl[few],
            delta=self.fitted.delta,
            level=self.level,
        )
        # too few fits for an interval
        return Quantity(value=found.value, interval=None, status="forecast")


def fit_mixer(pilots: Pilots, fitted: Forecaster, *, seed: int, level: float) -> Mixer | None:
    """Try runs on mixtures against rules of how strata add up.

    Args:
        pilots: The runs.
        fitted: What was fitted to them; of the target's risk as a whole, as curves for each of its
            strata would add up the errors of as many guessed starts.
        seed: Of the bootstrap of mixtures that were run.
        level: Of the intervals.

    Returns:
        None unless all runs that the curves rest on were trained on single strata.
    """
    trained = pilots.strata()
    if trained is None:
        return None
    difficulties = np.array(list(trained.values()))
    curves = fitted.target.fits.at(difficulties)
    names = tuple(trained)
    rows = zip(pilots.mixed, pilots.mixed_risk, pilots.mixed_n, strict=True)
    tried = [row for row in rows if set(row[0].train_weights) <= set(names)]
    ran: dict[str, Any] = {
        "train_weights": np.array(
            [[run.train_weights.get(name, 0.0) for name in names] for run, _, _ in tried]
        ).reshape(-1, len(names)),
        "budget": [run.budget for run, _, _ in tried],
        "risk": [risk for _, risk, _ in tried],
        "n_test": [n for _, _, n in tried],
    }
    check = check_mixing(
        curves=(curves,),
        target_weights=np.ones(1),
        seed_correlation=fitted.target.seed_correlation,
        **ran,
    )
    return Mixer(
        strata=names,
        places=np.searchsorted(fitted.difficulties, difficulties),
        curves=curves,
        check=check,
        tried=try_mixtures(
            **ran,
            base_risk=pilots.base_risk,
            n_base=pilots.n_base,
            n_fits=len(curves),
            seed=seed + _MIXTURE_STREAM,
        ),
        fitted=fitted,
        level=level,
    )


def _forecast(value: float, interval: tuple[float, float] | None) -> Quantity:
    # a mean may lie outside quantiles where the fits are few or skewed
    if interval is not None:
        interval = min(interval[0], value), max(interval[1], value)
    return Quantity(value=value, interval=interval, status="forecast")
