"""`pacbayes-bound`: the certificate of a fine-tuned model on its own training data."""

from __future__ import annotations

import ctypes
import math
import os
import sys
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.config import apply_config
from pacbayes.cli.echo import echo
from pacbayes.cli.exit_codes import VACUOUS
from pacbayes.cli.out import check_out
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.data.sample import Sample
    from pacbayes.models.fine_tuned import FineTuned
    from pacbayes.settings import Settings


_LOSSES = ("exact", "token", "nll")
_OBJECTS = ("drawn", "compressed", "tokens")
_FAMILIES = ("isotropic", "per-group", "per-tensor", "diagonal")
_DRAW_MODES = ("auto", "example", "block")
DTYPES = ("float32", "bfloat16", "float16", "float64")


def _config(context: typer.Context, value: Path | None) -> Path | None:
    return apply_config(context, value)


def bound(
    checkpoint: Annotated[
        Path, typer.Option(help="Folder of the fine-tuned model: Hugging Face or PEFT adapter.")
    ],
    data: Annotated[
        list[Path],
        typer.Option(help="JSONL the model was fine-tuned on; repeat it for several strata."),
    ],
    prior: Annotated[
        Path | None,
        typer.Option(help="Folder before fine-tuning: pretrained model, or adapter at step 0."),
    ] = None,
    prior_data: Annotated[
        list[Path] | None,
        typer.Option(help="JSONL that the prior was trained on, apart from --data; repeatable."),
    ] = None,
    prior_scale: Annotated[
        float | None,
        typer.Option(
            help="Prior's noise relative to each tensor's own (in its pacbayes.json, else its "
            "size), fixed without the data; by default the best of a grid, which is paid for."
        ),
    ] = None,
    family: Annotated[
        str,
        typer.Option(
            help=f"Posteriors that are searched: {', '.join(_FAMILIES)} (one noise scale for all, "
            "each --group, each tensor; each weight, learned by --optimize)."
        ),
    ] = "per-tensor",
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PATTERN",
            help="A group of tensors for --family per-group, such as in=*lora_A*; repeatable.",
        ),
    ] = None,
    gauge: Annotated[bool, typer.Option(help="Try other LoRA factors of the same product.")] = True,
    base: Annotated[
        Path | None, typer.Option(help="Base model of an adapter, if not where its config says.")
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(help="Held-out JSONL for comparison, one for each --data, in that order."),
    ] = None,
    strata: Annotated[
        int | None, typer.Option(help="Cut one file into this many strata by its difficulty.")
    ] = None,
    strata_edges: Annotated[
        str | None, typer.Option(help="Cut one file at these difficulties, e.g. 4,7.")
    ] = None,
    strata_levels: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Make each distinct value of a field of one file a stratum, e.g. level.",
        ),
    ] = None,
    loss: Annotated[
        list[str] | None,
        typer.Option(help=f"{', '.join(_LOSSES)}; repeat it for several. [default: exact]"),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="Certify one network beside the posterior: drawn (from the posterior once), "
            "compressed (the fine-tuning in few bits); or tokens (those of these documents, "
            "predicted by the drawn network). Repeat it for several."
        ),
    ] = None,
    delta: Annotated[
        float, typer.Option(help="Probability that any statement of the certificate is wrong.")
    ] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of the posterior's draws.")] = 0,
    passes: Annotated[
        int, typer.Option(help="Passes over the data, each with fresh posterior draws.")
    ] = 4,
    tolerance: Annotated[
        float | None,
        typer.Option(
            help="Draw until the posterior's empirical risk is known to this, at most --passes."
        ),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="At least this many draws per stratum, instead of --passes.")
    ] = None,
    optimize: Annotated[
        int, typer.Option(help="Gradient steps towards a smaller bound before certifying.")
    ] = 0,
    optimize_rate: Annotated[
        float, typer.Option(help="Learning rate of --optimize, in units of the noise's scales.")
    ] = 0.02,
    posterior: Annotated[
        Path | None,
        typer.Option(help="Certify this saved posterior, e.g. of an earlier --optimize, as it is."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where the model runs: cpu, cuda, or auto to spread it over all.")
    ] = "cpu",
    draw_mode: Annotated[
        str,
        typer.Option(
            help="example: a posterior draw for each; block: one for --noise-batch of them; auto: "
            "the first where the model allows it."
        ),
    ] = "auto",
    dtype: Annotated[str, typer.Option(help=f"One of {', '.join(DTYPES)}.")] = "float32",
    batch_size: Annotated[int, typer.Option(help="Examples in one forward pass.")] = 64,
    noise_batch: Annotated[
        int, typer.Option(help="Units that share a draw where each cannot have its own.")
    ] = 16,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; runs/NAME by default.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(callback=_config, is_eager=True, help="TOML file with any of these options."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be run, and its cost, and stop.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the certificate to stdout, and nothing else.")
    ] = False,
    require_nonvacuous: Annotated[
        bool, typer.Option("--require-nonvacuous", help="Exit with 3 if a stratum is vacuous.")
    ] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Also read weights stored as pickles.")
    ] = False,
) -> None:
    """Certify the risk of a fine-tuned model from the data that it was fine-tuned on.

    Example: pacbayes-bound --checkpoint ckpt --data hard.jsonl
    """
    losses = tuple(dict.fromkeys(loss or ["exact"]))
    objects = tuple(dict.fromkeys(also or ()))
    _check_options(delta=delta, losses=losses, dtype=dtype, seed=seed, draw_mode=draw_mode)
    _check_objects(objects, losses)
    _check_positive(
        passes=passes, draws=draws, batch_size=batch_size, noise_batch=noise_batch, strata=strata
    )
    groups = _groups(family, group or [])
    if prior_data and prior is None:
        raise InputError("--prior-data says what a prior was trained on; give it as --prior.")
    if family == "diagonal" and not optimize:
        raise InputError(
            "--family diagonal has a scale for each weight, which --optimize STEPS learns."
        )
    if posterior is not None and family not in ("per-tensor", "diagonal"):
        raise InputError("--posterior has noise scales of its own; --family and --group search.")
    if prior_scale is not None and not 0 < prior_scale < math.inf:
        raise InputError(f"--prior-scale must be positive and finite, got {prior_scale}.")
    if tolerance is not None and not 0 < tolerance < 1:
        raise InputError(f"--tolerance must lie in (0, 1), got {tolerance}.")
    if optimize < 0:
        raise InputError(f"--optimize must be at least 0, got {optimize}.")
    if not 0 < optimize_rate < math.inf:
        raise InputError(f"--optimize-rate must be positive and finite, got {optimize_rate}.")
    from pacbayes.data.sample import read_sample

    sample = read_sample(
        data,
        held_out=held_out or (),
        prior_data=prior_data or (),
        k=strata,
        edges=_edges(strata_edges),
        levels=strata_levels,
    )
    out = out or Path("runs") / checkpoint.resolve().name
    check_out(out)
    from pacbayes.team import ALONE, join_team

    team = join_team()
    if team.size > 1 and device == "cuda":
        device = f"cuda:{team.local_rank}"
    model = _open(
        checkpoint=checkpoint,
        prior=prior,
        base=base,
        device=device,
        dtype=dtype,
        allow_pickle=allow_pickle,
        draw_mode=draw_mode,
    )
    if posterior is not None:
        from pacbayes.models.posterior_file import with_posterior

        model = with_posterior(model, posterior)
    for note in sample.notes if team.leads else ():
        echo(f"note: {note}", err=True)
    from pacbayes.settings import Settings

    settings = Settings(
        losses=losses,
        delta=delta,
        seed=seed,
        passes=passes,
        tolerance=tolerance,
        draws=draws,
        batch_size=batch_size,
        block=noise_batch,
        dtype=dtype,
        prior_scale=prior_scale,
        family=family,  # type: ignore[arg-type]
        groups=groups,
        gauge=gauge,
        team=team,
        optimize=optimize,
        optimize_rate=optimize_rate,
    )
    if dry_run:
        if team.leads:
            _show_dry_run(model, sample, replace(settings, team=ALONE))
        return
    from pacbayes.cli.results import certify_and_write
    from pacbayes.files import claimed

    with claimed(out) if team.leads else nullcontext():
        certificates, others = certify_and_write(
            model, sample, settings, out, objects, quiet=as_json
        )
    if as_json and team.leads:
        texts = [certificate.to_json() for certificate in (*certificates, *others)]
        echo(texts[0] if len(texts) == 1 else f"[{','.join(texts)}]")
    if require_nonvacuous and any(s.vacuous for found in certificates for s in found.strata):
        raise typer.Exit(VACUOUS)


def _check_options(
    *, delta: float, losses: tuple[str, ...], dtype: str, seed: int, draw_mode: str
) -> None:
    if not 0 < delta < 1:
        raise InputError(
            f"--delta must lie in (0, 1), got {delta}; 0.05 means a confidence of 95 %."
        )
    for loss in losses:
        if loss not in _LOSSES:
            raise InputError(f"--loss must be one of {', '.join(_LOSSES)}, got {loss!r}.")
    if draw_mode not in _DRAW_MODES:
        raise InputError(f"--draw-mode must be {', '.join(_DRAW_MODES)}, got {draw_mode!r}.")
    if dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}, got {dtype!r}.")
    if not 0 <= seed < 2**64:
        raise InputError(f"--seed must lie in [0, 2**64), got {seed}.")


def _groups(family: str, options: list[str]) -> dict[str, str]:
    if family not in _FAMILIES:
        raise InputError(f"--family must be one of {', '.join(_FAMILIES)}, got {family!r}.")
    if (family == "per-group") != bool(options):
        raise InputError("--family per-group and --group NAME=PATTERN must be given together.")
    groups = {}
    for option in options:
        name, separator, pattern = option.partition("=")
        if not (separator and name and pattern) or name in groups:
            raise InputError(
                f"--group must be NAME=PATTERN with a name of its own, got {option!r}; patterns "
                "are those of a shell, such as *lora_A*."
            )
        groups[name] = pattern
    return groups


def _check_objects(objects: tuple[str, ...], losses: tuple[str, ...]) -> None:
    for name in objects:
        if name not in _OBJECTS:
            raise InputError(f"--also must be one of {', '.join(_OBJECTS)}, got {name!r}.")
    if "tokens" in objects and not {"token", "nll"} & set(losses):
        raise InputError("--also tokens needs --loss token or --loss nll, losses of single tokens.")


def _check_positive(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} must be at least 1, got {value}.")


def _edges(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        edges = [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(
            f"--strata-edges must be numbers with commas between them, got {text!r}."
        ) from None
    if not all(map(math.isfinite, edges)):
        raise InputError(f"--strata-edges must be finite, got {text!r}.")
    return edges


def _open(*, device: str, **options: Any) -> FineTuned:
    prepare(device)
    from pacbayes.models.loading import OpenOptions
    from pacbayes.models.opening import open_fine_tuned

    return open_fine_tuned(OpenOptions(device=device, **options))


def prepare(device: str) -> None:
    """Make ready for models on a device: no network, no noise on the terminal.

    Raises:
        InputError: The device cannot be used.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    import warnings

    _keep_freed_memory()
    warnings.filterwarnings("ignore", module=r"(transformers|peft|torch)\.")
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        torch.zeros(1, device="cpu" if device == "auto" else device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"--device {device!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from None


def _keep_freed_memory() -> None:
    """Stops glibc from handing activations back to the system after every layer.

    Taking them anew costs page faults: a quarter of the CPU time of a forward pass on the sample.
    """
    if not sys.platform.startswith("linux"):
        return
    trim_threshold, top_pad, mmap_threshold = -1, -2, -3  # names of <malloc.h>
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(mmap_threshold, 2**25)
        libc.mallopt(trim_threshold, 2**31 - 1)
        libc.mallopt(top_pad, 2**28)


def _show_dry_run(model: FineTuned, sample: Sample, settings: Settings) -> None:
    from pacbayes.pricing import price

    facts: dict[str, Any] = price(model, sample, settings)
    width = max(map(len, facts))
    for name, value in facts.items():
        echo(f"{name:<{width}}  {value}")
