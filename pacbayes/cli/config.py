"""`--config FILE`: options from a TOML file, under the names of the command line."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

import typer

from pacbayes.errors import InputError


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
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror}).", path=path) from None
    except ValueError as error:
        raise InputError(f"not valid TOML: {error}.", path=path) from None
    options = {
        flag.removeprefix("--"): parameter
        for parameter in context.command.params
        for flag in parameter.opts
        if flag.startswith("--") and flag not in ("--config", "--help")
    }
    context.default_map = dict(context.default_map or {})
    for key, value in values.items():
        name = key.replace("_", "-")
        if name not in options:
            near = difflib.get_close_matches(name, options, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise InputError(f"has {key!r}, which is no option{hint}", path=path)
        parameter = options[name]
        context.default_map[str(parameter.name)] = _relative(value, parameter, path.parent)
    return path


def _relative(value: Any, parameter: Any, folder: Path) -> Any:
    if isinstance(value, list):
        return [_relative(item, parameter, folder) for item in value]
    if isinstance(value, str) and getattr(parameter.type, "name", "") == "path":
        return str(folder / value)
    return value
