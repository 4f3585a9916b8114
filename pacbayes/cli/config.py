"""`--config FILE`: options from a TOML file, under the names of the command line."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

import typer

from pacbayes.errors import InputError
from pacbayes.files import read_file

_PATHS = frozenset(
    {"checkpoint", "data", "prior", "prior-data", "base", "held-out", "out", "posterior"}
    | {"model", "pool", "target", "test", "tokenizer"}
)


def apply_config(context: typer.Context, path: Path | None) -> Path | None:
    """Makes a TOML file's values the defaults of a command; what is typed still wins.

    Keys are the long options without the dashes in front (`batch-size` or `batch_size`). Paths are
    taken relative to the folder of the file.

    Raises:
        InputError: The file cannot be read, or has a key that is no option.
    """
    if path is None:
        return None
    try:
        values = tomllib.loads(read_file(path).decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", path=path) from None
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InputError(f"not valid TOML: {why}.", path=path) from None
    options = {
        flag.removeprefix("--"): option
        for option in context.command.params
        for flag in option.opts
        if flag.startswith("--") and flag not in ("--config", "--help")
    }
    context.default_map = dict(context.default_map or {})
    for key, value in values.items():
        flag = key.replace("_", "-")
        if flag not in options:
            near = difflib.get_close_matches(flag, options, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InputError(f"has {key!r}, which is no option{hint}", path=path)
        if flag in _PATHS:
            value = _beside(value, path.parent)
        if getattr(options[flag], "multiple", False) and not isinstance(value, list):
            value = [value]
        context.default_map[str(options[flag].name)] = value
    return path


def _beside(value: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_beside(item, folder) for item in value]
    return str(folder / value) if isinstance(value, str) else value
