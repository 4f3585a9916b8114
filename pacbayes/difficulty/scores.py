"""What a scorer is: items of a file in, a difficulty for each out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pacbayes.data.records import Record, form_of
from pacbayes.errors import InputError
from pacbayes.strict_json import kind

GIVEN = "_given"
"""What is put behind the name of a field whose place a score takes."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where a record's prompt and completion are, if not under those names.

    Attributes:
        prompt: Field of the prompt, a string.
        completion: Field of the completion, a string or a number.
        chat: Whether the two are a user's message and the assistant's answer to it.
    """

    prompt: str | None = None
    completion: str | None = None
    chat: bool = False

    def __post_init__(self) -> None:
        if (self.prompt is None) != (self.completion is None):
            raise InputError("the fields of prompt and completion must be given together.")

    def form(self, item: Item) -> dict[str, Any]:
        """Return the keys of the item that make it a record, with their values."""
        if self.prompt is not None and self.completion is not None:
            names = {"prompt": self.prompt, "completion": self.completion}
            form = {key: item.text(field) for key, field in names.items()}
        else:
            form = item.fields
        if self.chat and form.get("prompt") is not None and form.get("completion") is not None:
            return {
                "messages": [
                    {"role": "user", "content": form["prompt"]},
                    {"role": "assistant", "content": form["completion"]},
                ]
            }
        return form


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One JSON object of the file.

    Attributes:
        fields: The object.
        path: The file.
        line: Its 1-based line in the file.
    """

    fields: dict[str, Any]
    path: str
    line: int

    def error(self, message: str) -> InputError:
        """Return an `InputError` that names the item's file and line."""
        return InputError(message, path=self.path, line=self.line)

    def text(self, field: str) -> str:
        """Return a field that must be there, as text; a number as it is written.

        Raises:
            InputError: It is missing or neither a string nor a number.
        """
        value = self.fields.get(field)
        if value is None:
            raise self.error(f"no `{field}`; the record has the fields {sorted(self.fields)}.")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self.error(f"`{field}` must be a string or a number, got {kind(value)}.")
        return value if isinstance(value, str) else str(value)

    def record(self, layout: Layout) -> Record:
        """Return the item as a record that a model can read.

        Raises:
            InputError: It is not in one of the known forms.
        """
        return form_of(layout.form(self), self.path, self.line)


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """The difficulty of one item, or why it has none.

    Attributes:
        difficulty: A finite number, larger = harder.
        passed: k of m samples that were right, where that is known.
        missing: Why there is no difficulty, or None.
        truncated: Samples that were cut off before their end.
    """

    difficulty: float | None = None
    passed: tuple[int, int] | None = None
    missing: str | None = None
    truncated: int = 0


class Scorer(Protocol):
    """Gives items their difficulty, each by itself: no score depends on the other items.

    What has a body here is that of a fast scorer, which needs no model.
    """

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything a score depends on beside the item, in JSON types."""

    @property
    def chunk(self) -> int:
        """How many items to hand over at once."""
        return 256

    @property
    def checks_first(self) -> bool:
        """Whether scoring is slow, so that all items are better checked before the first."""
        return False

    def check(self, item: Item) -> None:
        """Raise an `InputError` if the item cannot be scored by mistake of its author."""
        return

    def score(self, items: Sequence[Item]) -> list[Score]:
        """Return the score of each item."""
