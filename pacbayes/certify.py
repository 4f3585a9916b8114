"""From a fine-tuned model and a sample to a certificate: the one place where everything meets."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from pacbayes import __version__
from pacbayes.bounds import certified, log_xi
from pacbayes.certificate import (
    Centre,
    Certificate,
    CertifiedObject,
    Complexity,
    DataFile,
    Delta,
    Environment,
    HeldOut,
    HeldOutRisk,
    LedgerEntry,
    Posterior,
    Prior,
    ScaleGrid,
    StratumCertificate,
    parts_of,
)
from pacbayes.certificate import Loss as LossNote
from pacbayes.data.records import sha256_of
from pacbayes.data.sample import Part, Sample, SourceFile, Unit
from pacbayes.draws import DrawStore, Estimate
from pacbayes.errors import InputError
from pacbayes.ledger import DeltaLedger
from pacbayes.losses import LOSSES, SMOOTHING, Loss
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source
from pacbayes.optimize import Plan, improve
from pacbayes.posteriors.gaussian import best_prior_scale, group_kl
from pacbayes.posteriors.noise import FORMAT as NOISE_FORMAT
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.posteriors.prior_scale import GRID, Grid
from pacbayes.risk import FloatArray, Scorer
from pacbayes.sampling import Sampler
from pacbayes.team import ALONE, Team
from pacbayes.weight_perturbation import (
    Family,
    Pilot,
    Scales,
    Search,
    choose_posterior,
    with_best_prior,
)

MONTE_CARLO_SHARE = 0.2
"""Share of δ that pays for estimating the posterior's empirical risk by sampling."""

_SEED_FIXED = (
    "The seed was fixed in advance: the best of several runs with different seeds is not certified."
)

Track = Callable[[str, int | None], Callable[..., None]]
"""Starts a stage, given its name and its number of steps, and returns what advances it; that may be
given a note on how the stage is going beside the steps."""


def untold(_name: str, _total: int | None) -> Callable[..., None]:
    """For runs that nobody watches."""
    return lambda _steps, _note="": None


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

    def passes_for(self, draws_in_a_pass: int) -> int:
        """Whole passes that give the wanted number of draws."""
        return self.passes if self.draws is None else -(-self.draws // draws_in_a_pass)


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
                f"kl bound of stratum {name}, both sides, all prior scales",
                f"Monte-Carlo interval of stratum {name}, both sides",
            )
            weights = ((1 - MONTE_CARLO_SHARE) / len(strata), MONTE_CARLO_SHARE / len(strata))
            kl_bound, monte_carlo = ledger.split(events, weights)
            shares.append(cls(kl_bound=kl_bound, monte_carlo=monte_carlo))
        return shares


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)


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
        posterior_folder: Where an optimised posterior and its unfinished state are kept.
        track: Told about stages and progress.

    Raises:
        InputError: The settings ask for optimisation, but there is no folder for it, or they ask
            for a family with fewer scales; or the strata are cut by difficulties that were scored
            with the model itself.
    """
    if settings.optimize and posterior_folder is None:
        raise InputError("`optimize` needs a folder to write the posterior to.")
    if settings.optimize and settings.family != "per-tensor":
        raise InputError(
            f"--optimize learns a scale for each tensor; it does not go with --family "
            f"{settings.family}."
        )
    if sample.scoring is not None and model.folder.sha256 in sample.scoring.models:
        raise InputError(
            "the strata are cut by difficulties that were scored with this very checkpoint, so "
            "they depend on the labels it was trained on; score with the base model.",
            path=model.folder.path,
        )
    strata = [_Stratum.encode(part, model) for part in sample.strata]
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
    scorer = replace(scorer, model=model)
    store = DrawStore(draws_folder, _dependencies(model, sample, settings, scales), settings.team)
    certified: list[list[StratumCertificate]] = [[] for _ in settings.losses]
    for index, stratum in enumerate(strata):
        passes = settings.passes_for(_ceil_div(stratum.part.n, scorer.units_per_draw))
        sweeps = passes + 1 + bool(sample.prior_files)
        tick = track(f"stratum {stratum.part.name}", sweeps * stratum.part.n_records)
        busy = replace(scorer, tick=tick)
        sampler = Sampler(
            scorer=busy,
            units=stratum.units,
            sigmas=scales.sigmas,
            seed=settings.seed,
            stratum=index,
            store=store,
            passes=passes,
            pilot=settings.pilot,
            delta=shares[index].monte_carlo,
        )
        if settings.tolerance is None:
            centre, estimates = sampler.whole_passes()
        else:
            centre, estimates = sampler.until(settings.tolerance)
        at_prior = _at_prior(busy, stratum.units) if sample.prior_files else None
        held_out: Sequence[HeldOut | None] = [None] * len(settings.losses)
        if sample.held_out:
            part = _Stratum.encode(sample.held_out[index], model)
            tick = track(f"held-out {part.part.name}", 2 * part.part.n_records)
            held_out = _held_out(replace(scorer, tick=tick), part, scales, settings, index)
        for place, strata_of_loss in enumerate(certified):
            strata_of_loss.append(
                _certify_stratum(
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


@dataclass(frozen=True, kw_only=True)
class _Stratum:
    """A part of the sample with its units as token ids."""

    part: Part
    units: tuple[Unit, ...]

    @classmethod
    def encode(cls, part: Part, model: FineTuned) -> _Stratum:
        return cls(part=part, units=part.encode(model.tokenizer, max_length=model.context))

    @property
    def n_unscorable(self) -> int:
        return sum(example.unscorable is not None for unit in self.units for example in unit)


def _certify_stratum(
    stratum: _Stratum,
    estimate: Estimate,
    centre: FloatArray,
    scales: Scales,
    shares: Shares,
    held_out: HeldOut | None,
    prior_held_out: HeldOutRisk | None,
) -> StratumCertificate:
    n = stratum.part.n
    kl = math.nextafter(scales.kl + scales.grid.log_cost, math.inf)
    terms: Any = {"kl": kl, "n": n, "delta": shares.kl_bound}
    low, high = estimate.interval
    upper = certified("seeger_maurer", empirical_risk=high, **terms)
    lower = certified("seeger_maurer_lower", empirical_risk=low, **terms)
    complexity = Complexity(
        kl=scales.kl / n,
        log_term=(scales.grid.log_cost + log_xi(n) - math.log(shares.kl_bound)) / n,
    )
    parts = parts_of(
        upper=upper,
        empirical_risk=estimate.mean,
        empirical_risk_upper=high,
        complexity=complexity,
    )
    return StratumCertificate(
        name=stratum.part.name,
        n=n,
        n_records=stratum.part.n_records,
        n_draws=estimate.n_draws,
        sampling=estimate.method,
        n_unscorable=stratum.n_unscorable,
        empirical_risk=estimate.mean,
        empirical_risk_bound=(low, high),
        unperturbed_risk=float(centre.mean()),
        risk_bound=(lower, upper),
        bounds={
            "seeger_maurer": upper,
            "pinsker": certified("pinsker", empirical_risk=high, **terms),
        },
        complexity=complexity,
        dominated_by=max(parts, key=lambda part: parts[part]),
        held_out=held_out,
        prior_held_out=prior_held_out,
        vacuous=upper == 1.0,
    )


def _at_prior(scorer: Scorer, units: Sequence[Unit]) -> FloatArray:
    """Losses at the prior's centre, shape (losses, units); the model is put back afterwards."""
    trained = {k: tensor.detach().clone() for k, tensor in scorer.model.noise.tensors.items()}
    at_prior = scorer.model.recentred(scorer.model.prior_centre)
    try:
        return replace(scorer, model=at_prior).at_centre(units)
    finally:
        scorer.model.recentred(trained)


def _held_out(
    scorer: Scorer, stratum: _Stratum, scales: Scales, settings: Settings, index: int
) -> list[HeldOut]:
    """Test-set bounds of the same posterior and of its centre, each at δ on its own."""
    key = NoiseKey(seed=settings.seed, stream=Stream.HELD_OUT, stratum=index)
    single = replace(scorer, block=1)  # a draw of its own for each unit: independent losses
    noisy = single.under_noise(stratum.units, scales.sigmas, key=key, draw=0)
    calm = scorer.at_centre(stratum.units)
    records = [record for unit in stratum.part.units for record in unit]
    path = Path(records[0].path)
    return [
        HeldOut(
            path=str(path),
            sha256=sha256_of(path),
            n=stratum.part.n,
            stochastic=held_out_risk(with_noise, settings.delta),
            unperturbed=held_out_risk(without, settings.delta),
        )
        for with_noise, without in zip(noisy, calm, strict=True)
    ]


def held_out_risk(losses: FloatArray, delta: float) -> HeldOutRisk:
    """Two-sided interval: Clopper–Pearson where every loss is 0 or 1, else the kl interval."""
    n, mean = len(losses), min(1.0, float(losses.mean()))
    half = delta / 2
    if bool(np.isin(losses, (0.0, 1.0)).all()):
        errors = int(losses.sum())
        interval = _both_sides("test_set_binomial", n_errors=errors, n=n, delta=half)
        return HeldOutRisk(n_errors=errors, mean=errors / n, interval=interval, delta=delta)
    interval = _both_sides("test_set_kl", empirical_risk=mean, n=n, delta=half)
    return HeldOutRisk(n_errors=None, mean=mean, interval=interval, delta=delta)


def _both_sides(name: str, **arguments: float) -> tuple[float, float]:
    return certified(f"{name}_lower", **arguments), certified(name, **arguments)


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
            family="gaussian",
            choice=scales.rule,
            groups=scales.groups,
        ),
        kl=scales.kl,
        kl_by_group={group.name: group_kl(group) for group in scales.groups},
        strata=strata,
        joint={},
        data=_files(sample.files),
        assumptions=(*sample.assumptions, *model.assumptions, _SEED_FIXED),
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
        "strata": [[part.name, part.n] for part in sample.strata],
        "losses": settings.losses,
        "pairs": None if settings.tolerance is None else settings.pilot,
        "seed": settings.seed,
        "block": 1 if model.noise.per_row else settings.block,
        "environment": asdict(_environment(model, settings)),
    }


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
        passes = settings.passes_for(_ceil_div(part.n, scorer.units_per_draw))
        forwards += (passes + 1) * part.n_records
        facts[f"stratum {part.name}"] = (
            f"n = {part.n} units, {part.n_records} records, {passes} passes"
        )
    batch = _Stratum.encode(sample.strata[-1], model).units[: settings.batch_size]
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
