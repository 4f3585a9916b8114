"""What certifying would cost, before it is done."""

from __future__ import annotations

import time

from pacbayes.data.sample import Sample
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.posteriors.gaussian import best_prior_scale
from pacbayes.settings import Settings
from pacbayes.stratum import EncodedPart
from pacbayes.weight_perturbation import with_best_prior


def price(model: FineTuned, sample: Sample, settings: Settings) -> dict[str, str]:
    """What certifying would do and cost, measured on one batch; nothing is written.

    Returns:
        Facts to be shown, each with its name.
    """
    scorer = settings.scorer(model)
    facts = {
        "checkpoint": f"{model.kind}, {model.posterior.path}",
        "perturbed": f"{len(model.sizes)} tensors, {sum(model.sizes.values())} weights",
        "losses": "; ".join(f"{loss.name}: {loss.statement}" for loss in scorer.losses),
    }
    forwards = 0
    for part in sample.strata:
        passes = settings.passes_for(part.n, scorer)
        forwards += (passes + 1) * part.n_records
        facts[f"stratum {part.name}"] = (
            f"n = {part.n} units, {part.n_records} records, {passes} passes"
        )
    batch = EncodedPart.encode(sample.strata[-1], model).units[: settings.batch_size]
    started = time.perf_counter()
    scorer.at_centre(batch)
    seconds = (time.perf_counter() - started) / sum(map(len, batch))
    wanted = best_prior_scale(
        model.sizes,
        model.distances_squared,
        dict.fromkeys(model.sizes, 0.0),
        model.relative_scales,
    )
    kls = [
        with_best_prior(
            model, {k: m * wanted * c for k, c in model.relative_scales.items()}, "dry run"
        ).kl
        for m in (8.0, 0.125)
    ]
    facts["forward passes"] = f"{forwards} examples to certify, and some to choose the noise"
    if settings.optimize:
        # a backward pass costs about two forward passes
        forwards += 3 * settings.optimize * settings.batch_size
        facts["optimising"] = f"{settings.optimize} gradient steps of {settings.batch_size} units"
    facts["time"] = f"about {forwards * seconds:.0f} s on {next(model.model.parameters()).device}"
    facts["KL range"] = (
        f"{kls[0]:.0f} nats with noise 8 times as long as the step from the prior, "
        f"{kls[1]:.0f} nats with noise 8 times as short"
    )
    return facts
