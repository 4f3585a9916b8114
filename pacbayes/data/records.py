"""JSONL records, read strictly: what cannot be understood is an error with its file and line.

One JSON object a line, UTF-8 (a byte-order mark and CRLF are accepted, blank lines are skipped), in
exactly one of three forms:

=====================  ===========================================================
`prompt`+`completion`  strings; the loss is on the completion
`messages`             list of `{"role": ..., "content": ...}`; the loss is on assistant turns
`text`                 a string; the loss is on all of it
=====================  ===========================================================

and optionally `difficulty` (a number, up to 1e100 in size), `stratum`, `group`, `id` (strings or
numbers), and `pass_rate` as `pacbayes score` writes it: `{"k": 3, "m": 8}`, for 3 of 8 samples
right. A key whose value is null counts as absent; other keys, and a `pass_rate` of another form,
are left alone.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pacbayes.data.jsonl import parse_object, read_raw, unreadable
from pacbayes.errors import InputError
from pacbayes.files import open_file
from pacbayes.strict_json import kind

_FORM_OF_KEY = {"prompt": "prompt", "completion": "prompt", "messages": "messages", "text": "text"}
LARGEST_DIFFICULTY = 1e100
"""Sums and products of a few such numbers are finite."""
_FORMS = "`prompt` and `completion`, or `messages`, or `text`"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """One example as its author wrote it, with the place it was read from.

    Attributes:
        prompt: What the model is given; may be empty. Set exactly when `completion` is.
        completion: What the model should answer.
        messages: A conversation, instead of `prompt` and `completion`; empty if not in this form.
        text: A plain text, instead of the others.
        difficulty: A finite number, higher meaning what the author of the data says.
        stratum: Name of the stratum the record belongs to.
        group: Records of one group are one independent unit, such as answers to one problem.
        id: The author's name of the record.
        pass_rate: k and m, where k of m samples of a model were right.
        path: The file the record was read from.
        line: The 1-based line in that file.
    """

    prompt: str | None = None
    completion: str | None = None
    messages: tuple[Message, ...] = ()
    text: str | None = None
    difficulty: float | None = None
    stratum: str | None = None
    group: str | None = None
    id: str | None = None
    pass_rate: tuple[int, int] | None = None
    path: str
    line: int

    @property
    def content(self) -> tuple[object, ...]:
        """What is scored, without labels and place: equal for exact duplicates."""
        return (self.prompt, self.completion, self.messages, self.text)

    def error(self, message: str) -> InputError:
        """Return an `InputError` that names this record's file and line."""
        return InputError(message, path=self.path, line=self.line)


def read_jsonl(path: str | Path, *, stratum_field: str = "stratum") -> list[Record]:
    """Read all records of a JSONL file.

    Args:
        path: The file.
        stratum_field: The key whose value is a record's stratum.

    Returns:
        The records in the order of the file; at least one.

    Raises:
        InputError: The file cannot be read or has no record, or a line (named) is not valid UTF-8
            or JSON, or is not a record in exactly one of the known forms.
    """
    records = []
    for line, text in read_raw(path):
        raw = parse_object(text, path, line)
        if raw is not None:
            records.append(record_of(raw, path, line, stratum_field=stratum_field))
    if not records:
        raise InputError("no records; the file is empty or has only blank lines.", path=path)
    return records


def sha256_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def form_of(raw: dict[str, Any], path: str | Path, line: int) -> Record:
    """Return the record that a JSON object is, without its labels, which are not looked at.

    Args:
        raw: The object; a key whose value is null counts as absent.
        path: The file it was read from.
        line: Its line in that file.

    Raises:
        InputError: It is not in exactly one of the known forms.
    """
    return Record(path=str(path), line=line, **_read(_form, raw, path, line))


def record_of(
    raw: dict[str, Any], path: str | Path, line: int, *, stratum_field: str = "stratum"
) -> Record:
    """Return the record that a JSON object is.

    Args:
        raw: The object; a key whose value is null counts as absent.
        path: The file it was read from.
        line: Its line in that file.
        stratum_field: The key whose value is its stratum.

    Raises:
        InputError: It is not in exactly one of the known forms, or a label is of the wrong kind.
    """
    fields = _read(_fields, raw, path, line, stratum_field)
    return Record(path=str(path), line=line, **fields)


def labels_of(
    raw: dict[str, Any], path: str | Path, line: int, *, stratum_field: str = "stratum"
) -> dict[str, Any]:
    """Return the labels of a JSON object by their names in `Record`, those that it has.

    Args:
        raw: The object; a key whose value is null counts as absent.
        path: The file it was read from.
        line: Its line in that file.
        stratum_field: The key whose value is its stratum.

    Raises:
        InputError: A label is of the wrong kind.
    """
    return _read(_labels, raw, path, line, stratum_field)


class _BadLineError(ValueError):
    """What is wrong with a line, before its file and number are known."""


def _read(
    part: Callable[..., dict[str, Any]], raw: dict[str, Any], path: str | Path, line: int, *how: str
) -> dict[str, Any]:
    """What `part` reads of an object; its complaints are given the file and line."""
    try:
        return part(_without_nulls(raw), *how)
    except _BadLineError as error:
        raise InputError(str(error), path=path, line=line) from error


def _without_nulls(raw: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in raw.items() if item is not None}


def _fields(raw: dict[str, Any], stratum_field: str) -> dict[str, Any]:
    """Return the arguments of `Record` for a parsed line."""
    return _form(raw) | _labels(raw, stratum_field)


def _labels(raw: dict[str, Any], stratum_field: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if "difficulty" in raw:
        fields["difficulty"] = _difficulty(raw["difficulty"])
    for name, key in (("stratum", stratum_field), ("group", "group"), ("id", "id")):
        if key in raw:
            fields[name] = _label(key, raw[key])
    return fields | {"pass_rate": _pass_rate(raw.get("pass_rate"))}


def _form(raw: dict[str, Any]) -> dict[str, Any]:
    found = list(dict.fromkeys(form for key, form in _FORM_OF_KEY.items() if key in raw))
    if len(found) > 1:
        raise _BadLineError(
            f"two forms in one record ({' and '.join(found)}); use exactly one of {_FORMS}."
        )
    if not found:
        raise _BadLineError(
            f"unknown form; a record has {_FORMS}, this one has the keys {sorted(raw)}."
        )
    return _READERS[found[0]](raw)


def _prompt_and_completion(raw: dict[str, Any]) -> dict[str, Any]:
    if "completion" not in raw:
        raise _BadLineError(
            "record without completion; the usual mistake is another name for it, such as "
            "`response`, `answer` or `output`."
        )
    if "prompt" not in raw:
        raise _BadLineError("record without prompt; a text with no prompt goes into `text`.")
    return {
        "prompt": _string("prompt", raw["prompt"]),
        "completion": _filled("completion", raw["completion"]),
    }


def _messages(raw: dict[str, Any]) -> dict[str, Any]:
    turns = raw["messages"]
    if not isinstance(turns, list):
        raise _BadLineError(f"`messages` must be a list, got {kind(turns)}.")
    messages = tuple(_message(turn) for turn in turns)
    if not any(message.role == "assistant" for message in messages):
        raise _BadLineError(
            "record without completion: `messages` has no assistant turn; the usual mistake is "
            'another role name, such as "gpt" or "model".'
        )
    return {"messages": messages}


def _message(turn: object) -> Message:
    if not isinstance(turn, dict):
        raise _BadLineError(f"a message must be an object, got {kind(turn)}.")
    extra = sorted(key for key in turn if key not in ("role", "content") and turn[key] is not None)
    if extra:  # dropping them would silently score another conversation
        raise _BadLineError(f"a message has `role` and `content` only, this one also has {extra}.")
    missing = [key for key in ("role", "content") if turn.get(key) is None]
    if missing:
        raise _BadLineError(f"message without {missing[0]}.")
    role = _string("role", turn["role"])
    read = _filled if role == "assistant" else _string
    return Message(role, read("content", turn["content"]))


def _text(raw: dict[str, Any]) -> dict[str, Any]:
    return {"text": _filled("text", raw["text"])}


_READERS = {"prompt": _prompt_and_completion, "messages": _messages, "text": _text}


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        hint = "; turns of a conversation go into `messages`" if isinstance(value, list) else ""
        raise _BadLineError(f"`{name}` must be a string, got {kind(value)}{hint}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _BadLineError(
            f"`{name}` has half of a surrogate pair ({value[error.start]!r}), not a character; the "
            "usual mistake is text cut in the middle of an escape."
        ) from error
    return value


def _filled(name: str, value: object) -> str:
    text = _string(name, value)
    if not text.strip():
        raise _BadLineError(f"empty {name}; a record without completion has nothing to score.")
    return text


def _difficulty(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _BadLineError(
            f"`difficulty` must be a number, got {kind(value)}; the usual mistake is quotes."
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if abs(number) > LARGEST_DIFFICULTY:
        raise _BadLineError(
            f"`difficulty` must be finite and at most {LARGEST_DIFFICULTY:g} in size."
        )
    return number


def _pass_rate(value: object) -> tuple[int, int] | None:
    if not isinstance(value, dict) or value.keys() != {"k", "m"}:
        return None
    k, m = value["k"], value["m"]
    return (k, m) if type(k) is type(m) is int and 0 <= k <= m and m > 0 else None


def _label(name: str, value: object) -> str:
    """Return a label as text; 7 and 7.0 are the same label, as tables tend to write both."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    label = _string(name, value)
    if not label:
        raise _BadLineError(f"`{name}` must not be empty; leave it out or write null.")
    return label
