"""`pacbayes score`: adds a difficulty to each record of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacbayes.cli.config import apply_config
from pacbayes.cli.echo import echo
from pacbayes.cli.scorers import flag, scorer_of
from pacbayes.errors import InputError

if TYPE_CHECKING:
    from pacbayes.difficulty import Tally

LINES_SHOWN = 10
"""Lines without a difficulty that are named on the terminal; the report has more."""

_MODEL = ("model", "base", "device", "dtype", "batch_size", "allow_pickle")
_OPTIONS_OF: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "field": ("field", "orientation", "scale", "labels", "missing_value", "rate_of"),
        "preset": ("preset",),
        "tokens": ("tokenizer",),
        "steps": ("steps", "separator"),
        "pass-rate": (
            *_MODEL,
            *("samples", "temperature", "max_new_tokens", "grade", "answer_field", "seed"),
        ),
        "loss": _MODEL,
    }
)
"""The options of each measure; those of another are refused, as they would do nothing."""


def _config(context: typer.Context, value: Path | None) -> Path | None:
    return apply_config(context, value)


def score(
    data: Annotated[Path, typer.Option(help="JSONL to score, one object a line.")],
    out: Annotated[Path, typer.Option(help="JSONL to write; OUT.report.json goes beside it.")],
    by: Annotated[
        str | None,
        typer.Option(
            help="tokens or steps (length of the completion), pass-rate (share of a model's "
            "answers that are wrong), loss (of a model on the completion), or field."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="The field of a known data set: math, omni-math, deepmath, big-math, "
            "openmathreasoning, polaris, taco, livecodebench, code-contests."
        ),
    ] = None,
    field: Annotated[str | None, typer.Option(help="Field to take the difficulty from.")] = None,
    orientation: Annotated[
        str | None,
        typer.Option(
            help="What larger values of --field mean: harder or easier. Needed: a pass rate is "
            "larger for easier records, even if the field is called difficulty."
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(
            help="How --field is read: number, rate (0.5, 4/8, 50%), level (Level 3), labels; by "
            "default as its first value looks."
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="Labels of --field in their order, as bronze,silver,gold."),
    ] = None,
    missing_value: Annotated[
        list[str] | None,
        typer.Option(help="A value of --field that stands for none, as 0; repeatable."),
    ] = None,
    rate_of: Annotated[
        int | None, typer.Option(help="Samples behind each rate of --field, to know k of m.")
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder with tokenizer.json, to count tokens.")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="What a step is: lines or sentences.")] = None,
    separator: Annotated[
        str | None, typer.Option(help="Or: regular expression of what is between two steps.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the model for pass-rate and loss: Hugging Face or PEFT adapter. It "
            "must not have been trained on --data: it would call easy what it knows by heart, "
            "and strata by such a score are no function of the inputs."
        ),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="Base model of an adapter, if not where its config says.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(help="Answers to each prompt; 1 decodes greedily. [default: 8]")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of sampling, above 0. [default: 1]")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="The most tokens of an answer. [default: 1024]")
    ] = None,
    grade: Annotated[
        str | None,
        typer.Option(
            help="exact (the reference completion) or answer (the same final answer: \\boxed, "
            "####, last number; equal as numbers or expressions). [default: answer]"
        ),
    ] = None,
    answer_field: Annotated[
        str | None, typer.Option(help="Field with the reference answer, if not the completion.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the samples. [default: 0]")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, or auto to spread over all. [default: cpu]")
    ] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16, float16. [default: float32]")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Answers or records at once. [default: 32]")
    ] = None,
    allow_pickle: Annotated[
        bool | None, typer.Option("--allow-pickle", help="Also read weights stored as pickles.")
    ] = None,
    prompt_field: Annotated[
        str | None, typer.Option(help="Field of the prompt, also written as `prompt`.")
    ] = None,
    completion_field: Annotated[
        str | None, typer.Option(help="Field of the completion, also written as `completion`.")
    ] = None,
    chat: Annotated[
        bool, typer.Option("--chat", help="Read prompt and completion as turns of a conversation.")
    ] = False,
    group_field: Annotated[
        str | None,
        typer.Option(help="Field that is the same in records of one problem; becomes `group`."),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(
            help="Records without a difficulty: error, skip (leave out) or keep (with null). "
            "[default: error, with --preset skip]"
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Replace --out, or an interrupted run with other settings."
        ),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(callback=_config, is_eager=True, help="TOML file with any of these options."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report alone.")] = False,
) -> None:
    """Add a difficulty to each record; larger is harder, whatever it comes from.

    The records are written with all their fields, in their order, and `difficulty`; `pass_rate`
    has k and m where they are known. A field whose place is taken is kept as NAME_given. A run
    that was interrupted goes on when it is started again.

    Example: pacbayes score --preset math --data math.jsonl --out scored.jsonl
    """
    given = {name: value for name, value in locals().items() if value is not None}
    measure = _measure(by, given)
    from pacbayes.cli.progress import progress
    from pacbayes.difficulty import Layout, OutputRules, check_paths, count_lines, score_file
    from pacbayes.difficulty import preset as preset_of

    found = None if preset is None else preset_of(preset)
    layout = Layout(prompt=prompt_field, completion=completion_field, chat=chat)
    rules = OutputRules(
        missing=missing or ("error" if found is None else "skip"),  # type: ignore[arg-type]
        group_field=group_field or (None if found is None else found.group_field),
        layout=layout,
    )
    check_paths(data, out, overwrite)
    total = count_lines(data)
    scorer = found.scorer() if found is not None else scorer_of(measure, given, data, layout)
    with progress() as track:
        tally = score_file(
            data,
            out,
            scorer,
            rules,
            overwrite=overwrite,
            advance=track(f"score by {measure}", total),
            note=lambda text: echo(f"note: {text}", err=True),
        )
    report = out.with_name(out.name + ".report.json")
    if as_json:
        echo(report.read_text(encoding="utf-8"), nl=False)
        return
    _show(tally, rules.missing)
    echo(f"Written: {out}, {report}")


def _measure(by: str | None, given: Mapping[str, Any]) -> str:
    """Return the measure that the options ask for; those of another are refused."""
    if by is not None and by not in _OPTIONS_OF:
        names = ", ".join(name for name in _OPTIONS_OF if name != "preset")
        raise InputError(f"--by must be one of {names}, got {by!r}.")
    if "preset" in given:
        if by not in (None, "field"):
            raise InputError(f"--preset takes the difficulty from a field, not by {by}.")
        by = "preset"
    elif by is None and "field" in given:
        by = "field"
    if by is None:
        raise InputError("say where difficulty comes from: --by, --field or --preset.")
    for name in dict.fromkeys(name for names in _OPTIONS_OF.values() for name in names):
        if name in given and given[name] != [] and name not in _OPTIONS_OF[by]:
            raise InputError(f"{flag(name)} does nothing with {_by(by)}; leave it out.")
    return by


def _by(measure: str) -> str:
    return "--preset" if measure == "preset" else f"--by {measure}"


def _show(tally: Tally, missing: str) -> None:
    echo(
        f"{tally.n_scored} of {tally.n_records} records have a difficulty, from {tally.low:g} to "
        f"{tally.high:g}, mean {tally.mean:g}."
    )
    if tally.n_rates:
        echo(
            f"Pass rates: {tally.n_none_passed} records with none right, {tally.n_all_passed} with "
            "all; more samples would tell these apart."
        )
    if tally.n_truncated:
        echo(f"{tally.n_truncated} answers were cut off before their end.")
    done = "left out" if missing == "skip" else "written without one"
    for reason, count in tally.missing.most_common():
        echo(f"{count} {done}: {reason}.")
    if tally.lines:
        more = ", ..." if tally.n_missing > LINES_SHOWN else ""
        echo(f"Their lines: {', '.join(map(str, tally.lines[:LINES_SHOWN]))}{more}")
