"""Configuration files, and what is typed as text: weights, mixtures, edges, windows."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import typer

from benchmarks.fuzzing.data_files import chosen, put
from benchmarks.fuzzing.mutation import RAW, spoil_bytes
from benchmarks.fuzzing.target import Target
from pacbayes.cli import app
from pacbayes.cli import sweep_options as sweep
from pacbayes.cli.weights import parse_weights
from pacbayes.errors import InputError
from pacbayes.planning.rules import Window
from pacbayes.planning.target import parse_target_weights
from pacbayes.sweep.mixtures import checked

# typer has a click of its own, of which it shows few names
_USAGE = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
_COMMANDS = ("bound", "plan", "score", "sweep")

_CONFIGS = (
    b'checkpoint = "ckpt"\ndata = ["a.jsonl", "b.jsonl"]\ndelta = 0.05\nbatch-size = 64\n'
    b'strata = 3\nloss = ["exact"]\nseed = 0\ngauge = false\nout = "runs/x"\n',
    b'# a plan\ntarget_weights = "easy=.2,hard=.8"\nbudgets = "1000,2000"\nlevel = 0.9\n',
    b'data = "a.jsonl"\nout = "b.jsonl"\nby = "field"\nfield = "level"\nmissing_value = ["0"]\n',
    b'base = "b"\npool = "p.jsonl"\nbudgets = "10"\nout = "s"\nmix = ["a:x=.5,y=.5"]\nsteps = 3\n',
)

_TOML = (
    *("nan", "inf", "-inf", "1e999", "0x7f", "1_000", "1979-05-27", "07:32:00", "[1, 2]", "[]"),
    *("{a = 1}", "[[1]]", "true", '""', "''", '"\\u0000"', '"a\\nb"', '"\\u001b[31m"', "[true]"),
    *('["a", 1]', "1979-05-27T07:32:00Z", "[" * 500 + "]" * 500, "[" * 5000, "9" * 30, "9" * 5000),
    *('"' + "x" * 5000 + '"', "[" + "1," * 2000 + "]", "{a.b.c = 1}", "1.5", "-1", "0"),
)


def _spoil_toml(rng: random.Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2))):
        place = rng.randrange(len(lines))
        key, equals, value = lines[place].partition(b" = ")
        if rng.random() < 0.2:
            name = rng.choice((*_KEYS, "config", "help", "x", '"a\\nb"', "[table]", "a.b", '""'))
            key = name.encode()
        if equals and rng.random() < 0.7:
            value = rng.choice((*_TOML, *RAW)).encode()
        lines[place] = key + equals + value
    content = b"\n".join(lines)
    return spoil_bytes(rng, content) if rng.random() < 0.3 else content


@lru_cache
def _group() -> typer.core.TyperGroup:
    group = typer.main.get_command(app)
    assert isinstance(group, typer.core.TyperGroup)
    return group


_KEYS = tuple(
    sorted(
        {
            option.removeprefix("--")
            for name in _COMMANDS
            for parameter in _group().commands[name].params
            for option in parameter.opts
        }
    )
)


def _read_config(folder: Path, content: bytes) -> None:
    path = put(folder, "options.toml", content)
    command = _group().commands[chosen(content, _COMMANDS)]
    further = ["runs"] if command.name == "plan" else []
    try:
        command.make_context(str(command.name), ["--config", str(path), *further])
    except _USAGE as error:  # is shown in a line, with exit code 2
        raise InputError(str(error.format_message())) from error


def _weights(text: str) -> None:
    parse_weights("--weights", text)


def _mixtures(text: str) -> None:
    rules = {name: Window(low=low, high=low + 1) for name, low in (("a", 1.0), ("b", 3.0))}
    checked(sweep.mixtures([text, "other:a=.1,b=.9"]), rules)


def _windows(text: str) -> None:
    sweep.rules(text, None)


def _edges(text: str) -> None:
    sweep.rules(None, text)


def _budgets(text: str) -> None:
    sweep.numbers("budgets", text, int)


_READERS: tuple[Callable[[str], object], ...] = (
    *(_weights, _mixtures, _windows, _edges, _budgets, parse_target_weights),
)


def _read_text(folder: Path, content: bytes) -> None:
    text = content.decode(errors="surrogateescape")  # as arguments are
    for reader in _READERS[:-1]:
        try:
            reader(text)
        except InputError as error:
            if not str(error).isprintable():
                raise
    _READERS[-1](text)


def _texts(_: Path) -> list[bytes]:
    return [b"a=.5,b=.5", b"both:a=.5,b=.5", b"3:4,5:7,8:10", b"4.5,7.5", b"100,200", b""]


def _spoil_text(rng: random.Random, content: bytes) -> bytes:
    if rng.random() < 0.5:
        pieces = ("nan", "inf", "-1", "1e999", "=", ":", ",", "_", "\u0663", "\x1b[31m", "9" * 5000)
        start = rng.randrange(len(content) + 1)
        return content[:start] + rng.choice(pieces).encode() + content[start + rng.randrange(3) :]
    return spoil_bytes(rng, content)


TARGETS = (
    Target(
        name="toml-config",
        seeds=lambda _: list(_CONFIGS),
        spoil=_spoil_toml,
        read=_read_config,
    ),
    Target(name="option-texts", seeds=_texts, spoil=_spoil_text, read=_read_text),
)
