"""Difficulty as the share of a model's samples that are wrong: 1 - k/m, k of m right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pacbayes.data.encode import encode
from pacbayes.data.records import Record
from pacbayes.difficulty.answers import final_answer, same_answer
from pacbayes.difficulty.completion_loss import UNLIMITED
from pacbayes.difficulty.generation import Answer, Generator, Query
from pacbayes.difficulty.length import answers as reference_turns
from pacbayes.difficulty.scores import Item, Layout, Score
from pacbayes.posteriors.noise import FORMAT


def exact_match(reference: str, answer: str) -> bool:
    """Whether two texts are the same up to white space.

    >>> exact_match("x = 1", " x =  1 ")
    True
    """
    return reference.split() == answer.split()


def answer_match(reference: str, answer: str) -> bool:
    r"""Whether two texts come to the same final answer, see `answers`.

    >>> answer_match("3 + 4 = 7 #### 7", "It is \\boxed{7.0}")
    True
    """
    ours, theirs = final_answer(reference), final_answer(answer)
    if ours is None:  # words alone
        return same_answer(reference, answer if theirs is None else theirs)
    return theirs is not None and same_answer(ours, theirs)


GRADES: Mapping[str, Callable[[str, str], bool]] = MappingProxyType(
    {"exact": exact_match, "answer": answer_match}
)
"""Ways to grade an answer, given the reference."""


@dataclass(frozen=True, kw_only=True)
class PassRateScorer:
    """Samples m answers to each prompt and grades them.

    The prompt is what comes before the last completion: of a conversation, all before the last
    turn of the assistant.

    Attributes:
        generator: What generates.
        samples: m.
        longest: The most tokens of an answer; fewer where the model's context ends before.
        grade: A key of `GRADES`.
        answer_field: Field with the reference answer, instead of the completion.
        layout: Where prompt and completion are.
    """

    generator: Generator
    samples: int
    longest: int
    grade: str
    answer_field: str | None = None
    layout: Layout = field(default_factory=Layout)

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Scorer`."""
        return {
            "by": "pass-rate",
            "model": [source.sha256 for source in self.generator.model.sources],
            "dtype": str(next(self.generator.model.model.parameters()).dtype),
            "noise": FORMAT,
            "seed": self.generator.seed,
            "temperature": self.generator.temperature,
            "samples": self.samples,
            "longest": self.longest,
            "grade": self.grade,
            "answer_field": self.answer_field,
        }

    @property
    def chunk(self) -> int:
        """See `Scorer`."""
        return max(1, 4 * self.generator.batch_size // self.samples)

    @property
    def checks_first(self) -> bool:
        """See `Scorer`."""
        return True

    def check(self, item: Item) -> None:
        """See `Scorer`.

        Raises:
            InputError: The item has no prompt, or nothing to compare with, or does not fit the
                tokenizer.
        """
        record = item.record(self.layout)
        if record.text is not None:
            raise item.error(
                "`text` has no prompt to answer; pass rates need `prompt` and `completion`, or "
                "`messages`."
            )
        self._reference(item, record)
        self._queries(record)

    def score(self, items: Sequence[Item]) -> list[Score]:
        """See `Scorer`."""
        records = [item.record(self.layout) for item in items]
        queries = [self._queries(record) for record in records]
        asked = [query for own in queries if not isinstance(own, str) for query in own]
        found = iter(self.generator.answers(asked))
        return [
            Score(missing=own)
            if isinstance(own, str)
            else self._graded(self._reference(item, record), [next(found) for _ in own])
            for item, record, own in zip(items, records, queries, strict=True)
        ]

    def _reference(self, item: Item, record: Record) -> str:
        if self.answer_field is not None:
            return item.text(self.answer_field)
        return reference_turns(record)[-1]

    def _queries(self, record: Record) -> list[Query] | str:
        """Return the samples wanted of a record, or why there can be none."""
        tokenizer = self.generator.model.tokenizer
        example = encode(record, tokenizer, max_length=UNLIMITED)
        if example.unscorable is not None:
            return example.unscorable
        prompt = example.input_ids[: _last_start(example.scored)]
        limit = min(self.longest, self.generator.model.context - len(prompt))
        if limit < 1:
            return "the prompt fills the model's context"
        return [
            Query(prompt=prompt, record=record.line, sample=sample, limit=limit)
            for sample in range(self.samples)
        ]

    def _graded(self, reference: str, found: Sequence[Answer]) -> Score:
        k = sum(GRADES[self.grade](reference, answer.text) for answer in found)
        m = len(found)
        cut = sum(not answer.ended for answer in found)
        return Score(difficulty=(m - k) / m, passed=(k, m), truncated=cut)


def _last_start(scored: Sequence[bool]) -> int:
    """Return where the last run of scored tokens starts; there is one."""
    place = len(scored)
    while not scored[place - 1]:
        place -= 1
    while place and scored[place - 1]:
        place -= 1
    return place
