"""Losses are what they should be on this device: without noise, and under the same noise.

The reference is a plain forward pass on the CPU in float64, one example at a time and without
padding. The device's float32 may differ from it by rounding, and give another `exact` loss only
where the reference's scores are within rounding of a tie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.stats import binom

from pacbayes.data.sample import Unit
from pacbayes.losses import LOSSES, MARGIN
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import OpenOptions
from pacbayes.models.plain import open_plain
from pacbayes.posteriors.noise import Draw
from pacbayes.risk import FloatArray
from pacbayes.selftest.bench import SAMPLE, Bench, scorer, units_of
from pacbayes.selftest.finding import FALSE_ALARM, Finding

ADAPTER, FILE = "hard", "medium.held_out.jsonl"
N, N_FOR_RISK = 48, 256

ROUNDING = 1e-4
"""In the rescaled `nll` loss. Scores of about 20 through a few layers in float32 are right to about
1e-5; a matrix product in TF32 or bfloat16 is not right to a tenth of this."""

TIE = 1e-2
"""Leads in which float32 may find another best token."""


def check(bench: Bench) -> Iterator[Finding]:
    """Without noise, then with the same noise, then with noise of the device's own."""
    model = bench.model(ADAPTER)
    yield from without_noise(model)
    yield from in_any_batch(bench, model)
    yield from inside_the_layers(bench, model)
    yield from with_noise_of_the_cpu(bench, model)
    yield risk_on_both(bench, model)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What losses should be, each of shape (units,)."""

    nll: FloatArray
    exact: FloatArray
    margin: FloatArray

    def compared(self, found: FloatArray, what: str) -> Iterator[Finding]:
        """Differences of `nll` and `exact` losses, shape (2, units), from these."""
        nll, exact = found
        yield Finding(
            what=f"{what}: nll loss, largest difference",
            figure=float(np.abs(nll - self.nll).max()),
            limit=ROUNDING,
        )
        yield Finding(
            what=f"{what}: exact losses that differ without a tie",
            figure=float(((exact != self.exact) & (self.margin > TIE)).sum()),
            limit=0.0,
        )


def without_noise(model: FineTuned) -> Iterator[Finding]:
    """The scorer's unperturbed losses against plain forward passes."""
    units = units_of(FILE, N, model)
    found = scorer(model, "nll", "exact").at_centre(units)
    yield from plain_losses(units).compared(found, "unperturbed, and a plain forward")


@torch.inference_mode()
def plain_losses(units: Sequence[Unit]) -> Reference:
    """Losses by a model without any machinery, in float64 on the CPU."""
    options = OpenOptions(checkpoint=SAMPLE / "adapters" / ADAPTER, dtype="float64")
    model = open_plain(options).model
    rows = []
    for (example,) in units:
        ids = torch.tensor([example.input_ids])
        scores = model(input_ids=ids).logits[0]
        places = [i for i, wanted in enumerate(example.scored) if wanted]
        scores, targets = scores[[i - 1 for i in places]], ids[0, places]
        rows.append([loss.compute(scores, targets) for loss in _REFERENCE_LOSSES])
    nll, exact, margin = np.array(rows).T
    return Reference(nll=nll, exact=exact, margin=margin)


_REFERENCE_LOSSES = (LOSSES["nll"], LOSSES["exact"], MARGIN)


def in_any_batch(bench: Bench, model: FineTuned) -> Iterator[Finding]:
    """A draw is a function of its key, so its losses do not depend on the batch."""
    units = units_of(FILE, N, model)
    found = [
        scorer(model, "nll", batch_size=size).under_noise(
            units, model.suggested_noise, key=bench.key(), draw=0
        )
        for size in (N, 7)
    ]
    yield Finding(
        what="keyed draws in batches of 48 and of 7: nll loss, largest difference",
        figure=float(np.abs(found[0] - found[1]).max()),
        limit=ROUNDING,
    )


def inside_the_layers(bench: Bench, model: FineTuned) -> Iterator[Finding]:
    """Noise made for each row inside the layers is what the same draw in the weights gives."""
    units = units_of(FILE, N, model)
    written = bench.model(ADAPTER, draw_mode="block")
    found = [
        scorer(each, "nll", block=1).under_noise(
            units, model.suggested_noise, key=bench.key(), draw=0
        )
        for each in (model, written)
    ]
    yield Finding(
        what="draws inside layers and draws in weights: nll loss, largest difference",
        figure=float(np.abs(found[0] - found[1]).max()),
        limit=ROUNDING,
    )


def with_noise_of_the_cpu(bench: Bench, model: FineTuned) -> Iterator[Finding]:
    """One draw of the CPU in float64, its weights then given to the device."""
    units = units_of(FILE, N, model)
    exact = bench.model(ADAPTER, device="cpu", dtype="float64", draw_mode="block")
    draw = Draw(key=bench.key(), number=0, unit=0)
    with exact.noise.applied([draw], model.suggested_noise):
        weights = {name: t.detach().clone() for name, t in exact.noise.tensors.items()}
        rows = replace(scorer(exact), losses=_REFERENCE_LOSSES).at_centre(units)
    before = {name: t.detach().clone() for name, t in model.noise.tensors.items()}
    try:
        found = scorer(model.recentred(weights), "nll", "exact").at_centre(units)
    finally:
        model.recentred(before)
    reference = Reference(nll=rows[0], exact=rows[1], margin=rows[2])
    yield from reference.compared(found, "one draw here in float32, and in float64 on the CPU")


def risk_on_both(bench: Bench, model: FineTuned) -> Finding:
    """Whether the device's own draws have the law of the CPU's: a sign test, pair by pair."""
    what = "P(as many more errors on one of CPU and device | same law)"
    if torch.device(bench.device).type == "cpu":
        return Finding.skipped(what, "there is only the CPU, whose draws are equal to themselves")
    models = (model, bench.model(ADAPTER, device="cpu"))
    units = units_of(FILE, N_FOR_RISK, model)
    here, there = (
        scorer(each, "exact").under_noise(units, model.suggested_noise, key=bench.key(), draw=1)[0]
        for each in models
    )
    return Finding(
        what=what,
        figure=sign_test(here, there),
        limit=FALSE_ALARM,
        at_least=True,
        false_alarm=FALSE_ALARM,
    )


def sign_test(here: FloatArray, there: FloatArray) -> float:
    """Two-sided p-value of losses of 0 or 1 that were drawn independently in pairs."""
    more, less = int((here > there).sum()), int((here < there).sum())
    return min(1.0, 2 * float(binom.cdf(min(more, less), more + less, 0.5)))
