"""Difficulty as the length of the reference completion, the measure of Liu et al. (2026).

In tokens, or in steps: lines, sentences, or what a pattern separates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pacbayes.data.records import Record, sha256_of
from pacbayes.difficulty.scores import Item, Layout, Score, Scorer
from pacbayes.errors import InputError, refusing

Count = Callable[[Sequence[str]], list[int]]

STEPS: Mapping[str, str] = MappingProxyType(
    {"lines": r"[\r\n]+", "sentences": r"(?<=[.!?])\s+|(?<=[。！？])|[\r\n]+"}
)
"""Patterns between steps. A sentence ends with a mark before white space, so "3.5" is no end, but
"e.g. " is one."""


@dataclass(frozen=True, kw_only=True)
class LengthScorer(Scorer):
    """Counts tokens or steps of what the model should answer.

    That is the completion, the assistant's turns of a conversation together, or all of a text.

    Attributes:
        count: Gives the length of each of some texts.
        unit: What is counted, with all it depends on, in JSON types.
        layout: Where the completion is.
    """

    count: Count
    unit: Mapping[str, Any]
    layout: Layout = field(default_factory=Layout)

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Scorer`."""
        return {"by": "length", **self.unit}

    def score(self, items: Sequence[Item]) -> list[Score]:
        """See `Scorer`.

        Raises:
            InputError: An item has no completion.
        """
        texts = [answers(item.record(self.layout)) for item in items]
        counts = iter(self.count([text for parts in texts for text in parts]))
        return [Score(difficulty=float(sum(next(counts) for _ in parts))) for parts in texts]


def answers(record: Record) -> tuple[str, ...]:
    """Return what the model should answer, turn by turn."""
    if record.messages:
        return tuple(turn.content for turn in record.messages if turn.role == "assistant")
    return (record.completion or record.text or "",)


def by_tokens(tokenizer: Path, layout: Layout) -> LengthScorer:
    """Return the scorer that counts tokens, without start and end tokens.

    Args:
        tokenizer: A folder with a `tokenizer.json`, or that file.
        layout: Where the completion is.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    from tokenizers import Tokenizer

    path = tokenizer / "tokenizer.json" if tokenizer.is_dir() else tokenizer
    if not path.is_file():
        raise InputError(
            "no such file; give the folder of a model whose tokenizer was saved as tokenizer.json.",
            path=path,
        )
    with refusing("cannot be read as a tokenizer", path=path):
        read = Tokenizer.from_file(str(path))
    read.no_truncation()
    read.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        with refusing("the tokenizer fails on a text", path=path):
            encoded = read.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encoded]

    unit = {"unit": "tokens", "tokenizer": sha256_of(path)}
    return LengthScorer(count=count, unit=unit, layout=layout)


def by_steps(pattern: str, layout: Layout) -> LengthScorer:
    """Return the scorer that counts steps: the parts between matches that are not blank.

    Args:
        pattern: A regular expression for what lies between two steps; see `STEPS`.
        layout: Where the completion is.

    Raises:
        InputError: The pattern is no regular expression, or is empty.
    """
    try:
        between = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{pattern!r} is no regular expression: {error}.") from None
    if not pattern:
        raise InputError("the separator of steps must not be empty.")

    def count(texts: Sequence[str]) -> list[int]:
        return [steps(text, between) for text in texts]

    return LengthScorer(count=count, unit={"unit": "steps", "between": pattern}, layout=layout)


def steps(text: str, between: re.Pattern[str]) -> int:
    """Return how many parts that are not blank the matches of a pattern leave of a text.

    >>> steps("b1;b1-0=y1;", re.compile(";"))
    2
    """
    parts, start = 0, 0
    for match in between.finditer(text):
        parts += bool(text[start : match.start()].strip())
        start = match.end()
    return parts + bool(text[start:].strip())
