"""From a fine-tuned model and a sample to a certificate: the one place where everything meets."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pacbayes.bets import choose_bets, shares_of
from pacbayes.certificate import (
    Centre,
    Certificate,
    CertifiedObject,
    DataFile,
    Delta,
    Environment,
    HeldOut,
    LedgerEntry,
    Posterior,
    Prior,
    ScaleGrid,
    StratumCertificate,
)
from pacbayes.certificate import Loss as LossNote
from pacbayes.data.sample import Part, Sample, SourceFile
from pacbayes.draws import DrawStore
from pacbayes.errors import InputError
from pacbayes.ledger import DeltaLedger
from pacbayes.losses import LOSSES, SMOOTHING, Loss, is_graded
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source
from pacbayes.models.posterior_file import NAME, kept_in, write_posterior
from pacbayes.models.trainable import LEARNED
from pacbayes.optimize import Plan, improve
from pacbayes.posteriors.gaussian import group_kl
from pacbayes.posteriors.noise import FORMAT as NOISE_FORMAT
from pacbayes.posteriors.spread import family_name
from pacbayes.risk import FloatArray
from pacbayes.sampling import Sampler
from pacbayes.settings import Settings, Shares
from pacbayes.stratum import (
    EncodedPart,
    certify_stratum,
    complexity_of,
    held_out_of,
    held_out_risk,
    losses_at_prior,
)
from pacbayes.version import __version__
from pacbayes.weight_perturbation import (
    Pilot,
    Scales,
    Search,
    choose_posterior,
)

_SEED_FIXED = (
    "The seed was fixed in advance: the best of several runs with different seeds is not certified."
)
_LAYER_NOISE = (
    "The posterior's noise was added inside the layers' products, with their rounding in {}: the "
    "certificate takes what that rounding changes in a loss for nothing. (--draw-mode block writes "
    "it into the weights, whose rounding is a map of both distributions and costs nothing.)"
)

Track = Callable[[str, int | None], Callable[..., None]]
"""Starts a stage, given its name and its number of steps, and returns what advances it; that may be
given a note on how the stage is going beside the steps."""


def untold(_name: str, _total: int | None) -> Callable[..., None]:
    """For runs that nobody watches."""
    return lambda _steps, _note="": None


def certify(
    model: FineTuned,
    sample: Sample,
    settings: Settings,
    *,
    draws_folder: Path | None = None,
    posterior_folder: Path | None = None,
    track: Track = untold,
) -> tuple[Certificate, ...]:
    """Certifies the risk of the posterior around a fine-tuned model, one certificate for each loss.

    With probability at least 1 − δ over the draw of the sample and the posterior draws, the risk
    of the Gaussian posterior lies in `risk_bound` for all strata at once, under the certificate's
    assumptions. Certificates of several losses are as many statements, each with its own δ; they
    come from the same forward passes.

    Args:
        model: The model and its prior.
        sample: The strata, with held-out data for comparison if there is any.
        settings: Loss, δ, seed and amount of sampling.
        draws_folder: Where losses of finished passes are kept; a second run with the same inputs
            starts from them.
        posterior_folder: Where a posterior that is not centred at the checkpoint is written, and
            its unfinished state kept; without it, factors that were moved are in no file.
        track: Told about stages and progress.

    Raises:
        InputError: The settings ask for optimisation, but there is no folder for it, or they ask
            for a family with fewer scales; or the strata are cut by difficulties that were scored
            with the model itself.
    """
    if settings.optimize and posterior_folder is None:
        raise InputError("`optimize` needs a folder to write the posterior to.")
    if settings.optimize and settings.family not in LEARNED:
        raise InputError(
            f"--optimize learns a scale for each tensor or weight; it does not go with --family "
            f"{settings.family}."
        )
    if settings.family == "diagonal" and not settings.optimize:
        raise InputError(
            "--family diagonal has a scale for each weight, which --optimize learns: give it steps."
        )
    if sample.scoring is not None and model.folder.sha256 in sample.scoring.models:
        raise InputError(
            "the strata are cut by difficulties that were scored with this very checkpoint, so "
            "they depend on the labels it was trained on; score with the base model.",
            path=model.folder.path,
        )
    strata = [EncodedPart.encode(part, model) for part in sample.strata]
    scorer = settings.scorer(model)
    ledger = DeltaLedger(settings.delta)
    shares = Shares.spent(ledger, [stratum.part.name for stratum in strata])
    pilots = [
        Pilot(
            units=stratum.units[: settings.pilot],
            n=stratum.part.n,
            delta=shares[index].kl_bound,
            stratum=index,
        )
        for index, stratum in enumerate(strata)
    ]
    tick = track("choosing the noise", None)
    search = Search(
        scorer=replace(scorer, tick=tick),
        pilots=pilots,
        seed=settings.seed,
        grid=settings.prior_grid,
        family=settings.family,
        groups=settings.groups,
    )
    model, scales = choose_posterior(search, gauge=settings.gauge)
    if settings.optimize and posterior_folder is not None:
        plan = _plan(model, sample, settings, scales, posterior_folder)
        tick = track("optimising", settings.optimize * settings.batch_size)
        whole = [replace(p, units=s.units) for p, s in zip(pilots, strata, strict=True)]
        search = replace(search, scorer=replace(scorer, model=model))
        model, scales = improve(search, whole, scales, plan, tick)
    if model.moved and posterior_folder is not None:
        path, moved, noise = posterior_folder / NAME, model, scales.noise
        model = kept_in(model, settings.team.led(lambda: write_posterior(path, moved, noise)))
    scorer = replace(scorer, model=model)
    store = DrawStore(draws_folder, _dependencies(model, sample, settings, scales), settings.team)
    certified: list[list[StratumCertificate]] = [[] for _ in settings.losses]
    for index, stratum in enumerate(strata):
        passes = settings.passes_for(stratum.part.n, scorer)
        sweeps = passes + 1 + bool(sample.prior_files)
        tick = track(f"stratum {stratum.part.name}", sweeps * stratum.part.n_records)
        busy = replace(scorer, tick=tick)
        sampler = Sampler(
            scorer=busy,
            units=stratum.units,
            sigmas=scales.noise,
            seed=settings.seed,
            stratum=index,
            store=store,
            passes=passes,
            pilot=settings.pilot,
            delta=shares[index].monte_carlo,
        )
        graded = [is_graded(loss, stratum.units) for loss in scorer.losses]
        wanted = settings.tolerance is not None or any(graded)
        pilot = sampler.pilot_losses() if wanted else None
        lams = _bets(stratum, graded, pilot, scales, shares[index], sampler.n_draws)
        if settings.tolerance is None or pilot is None:
            centre, estimates = sampler.whole_passes(lams)
        else:
            centre, estimates = sampler.until(settings.tolerance, pilot, lams)
        at_prior = losses_at_prior(busy, stratum.units) if sample.prior_files else None
        held_out: Sequence[HeldOut | None] = [None] * len(settings.losses)
        if sample.held_out:
            part = EncodedPart.encode(sample.held_out[index], model)
            tick = track(f"held-out {part.part.name}", 2 * part.part.n_records)
            held_out = held_out_of(replace(scorer, tick=tick), part, scales, settings, index)
        for place, strata_of_loss in enumerate(certified):
            strata_of_loss.append(
                certify_stratum(
                    stratum,
                    estimates[place],
                    centre[place],
                    scales,
                    shares[index],
                    held_out[place],
                    None if at_prior is None else held_out_risk(at_prior[place], settings.delta),
                )
            )
    return tuple(
        _assemble(model, sample, settings, LOSSES[name], scales, ledger, tuple(found))
        for name, found in zip(settings.losses, certified, strict=True)
    )


def _bets(
    stratum: EncodedPart,
    graded: Sequence[bool],
    pilot: FloatArray | None,
    scales: Scales,
    shares: Shares,
    n_draws: int,
) -> list[tuple[float, ...]]:
    """Bets for each loss that is graded, from its losses on the pilot."""
    if pilot is None:
        return [() for _ in graded]
    complexity = complexity_of(stratum.part.n, scales, shares, graded=True)
    terms: Any = {
        "complexity": complexity.kl + complexity.log_term,
        "n_draws": n_draws,
        "delta": shares_of(shares.monte_carlo, 2)[1],
    }
    return [
        choose_bets(losses, **terms) if wanted else ()
        for losses, wanted in zip(pilot, graded, strict=True)
    ]


def _assemble(
    model: FineTuned,
    sample: Sample,
    settings: Settings,
    loss: Loss,
    scales: Scales,
    ledger: DeltaLedger,
    strata: tuple[StratumCertificate, ...],
) -> Certificate:
    return Certificate(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
        seed=settings.seed,
        delta=Delta(
            total=settings.delta,
            ledger=tuple(LedgerEntry(event=event, delta=share) for event, share in ledger.entries),
        ),
        loss=_describe_loss(loss, len(model.tokenizer)),
        object=CertifiedObject.posterior(),
        prior=Prior(
            centre=_centre(model.prior),
            base=None if model.base is None else _centre(model.base),
            family="gaussian",
            scale_grid=ScaleGrid(
                size=scales.grid.size, index=scales.prior_index, log_cost=scales.grid.log_cost
            ),
            data=_files(sample.prior_files),
        ),
        posterior=Posterior(
            centre=_centre(model.posterior),
            family=family_name(scales.noise),
            choice=scales.rule,
            groups=scales.groups,
        ),
        kl=scales.kl,
        kl_by_group={group.name: group_kl(group) for group in scales.groups},
        strata=strata,
        joint={},
        data=_files(sample.files),
        assumptions=(
            *sample.assumptions,
            *model.assumptions,
            _SEED_FIXED,
            *([_LAYER_NOISE.format(settings.dtype)] if model.noise.per_row else []),
        ),
        environment=_environment(model, settings),
    )


def _files(files: Sequence[SourceFile]) -> tuple[DataFile, ...]:
    return tuple(
        DataFile(path=f.path, sha256=f.sha256, n_records=f.n_records, excluded=()) for f in files
    )


def _centre(source: Source) -> Centre:
    return Centre(path=source.path, sha256=source.sha256)


def _describe_loss(loss: Loss, vocabulary: int) -> LossNote:
    width = 1.0 if loss.width is None else loss.width(vocabulary)
    parameters: dict[str, Any] = {"statement": loss.statement}
    if loss.width is not None:
        parameters |= {"unit": "nats per token above the least", "smoothing": SMOOTHING}
    return LossNote(name=loss.name, range=(0.0, width), parameters=parameters)


def _environment(model: FineTuned, settings: Settings) -> Environment:
    packages = {name: version(name) for name in ("numpy", "torch", "transformers", "peft")}
    packages["python"] = platform.python_version()
    device = str(next(model.model.parameters()).device)
    return Environment(packages=packages, device=device, dtype=settings.dtype)


def _dependencies(
    model: FineTuned, sample: Sample, settings: Settings, scales: Scales
) -> Mapping[str, Any]:
    """Everything that the losses of a pass are a function of."""
    return {
        "version": __version__,
        "noise": NOISE_FORMAT,
        "posterior": model.posterior.sha256,
        "checkpoint": model.folder.sha256,
        "base": None if model.base is None else model.base.sha256,
        "sigmas": scales.sigmas,
        "choice": scales.rule,
        "data": [file.sha256 for file in sample.files],
        "strata": [[part.name, part.n, _places(part)] for part in sample.strata],
        "losses": settings.losses,
        "seed": settings.seed,
        "block": None if model.noise.per_row else settings.block,
        "environment": asdict(_environment(model, settings)),
    }


def _places(part: Part) -> str:
    """Hash of which records are in which unit."""
    places = [[(record.path, record.line) for record in unit] for unit in part.units]
    return hashlib.sha256(json.dumps(places).encode()).hexdigest()[:16]


def _plan(
    model: FineTuned, sample: Sample, settings: Settings, scales: Scales, folder: Path
) -> Plan:
    return Plan(
        steps=settings.optimize,
        rate=settings.optimize_rate,
        seed=settings.seed,
        folder=folder,
        dependencies={
            "prior": model.prior.sha256,
            **_dependencies(model, sample, settings, scales),
        },
    )
