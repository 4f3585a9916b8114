"""Records that repeat one another, and what they mean for n.

Independent draws may coincide, so copies are no error. But records that were copied, or answer one
problem several times, are one independent unit; counted apart they overstate n, and the certificate
is then below the truth. Only the author of the data knows which it is; the fix is one `group` for
those that belong together.

Compared are texts in normal form: Unicode NFKC, without case, white space as one space.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from pacbayes.data.links import Links
from pacbayes.data.near_texts import THRESHOLD, near_sets
from pacbayes.data.records import Record
from pacbayes.data.units import units_of

Sets = tuple[tuple[int, ...], ...]
"""Sets of records as indices, each with at least two independent units."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """Records that repeat one another and yet count as different units.

    Attributes:
        copies: Records with the same text.
        same_prompt: Records with the same prompt, among them all copies.
        near: Records with nearly the same prompt, see `pacbayes.data.near_texts`, among them all
            of `same_prompt`.
        n_units: Number of independent units as the groups have it.
        n_if_copies: Number of units if each set of copies were one group.
        n_if_same_prompt: The same for `same_prompt`.
        n_if_near: The same for `near`.
    """

    copies: Sets
    same_prompt: Sets
    near: Sets
    n_units: int
    n_if_copies: int
    n_if_same_prompt: int
    n_if_near: int

    @property
    def summary(self) -> str | None:
        """One sentence on what was found and what n would be, or nothing."""
        found = [
            f"{count} {what}"
            for count, what in (
                (self.n_units - self.n_if_copies, "repeat an earlier one"),
                (self.n_if_copies - self.n_if_same_prompt, "answer an earlier one's prompt"),
                (self.n_if_same_prompt - self.n_if_near, "have a prompt nearly an earlier one's"),
            )
            if count
        ]
        if not found:
            return None
        return (
            f"of {self.n_units} units {', '.join(found)}, and all count as independent; if they "
            f"are not, give those that belong together one `group` (n would be {self.n_if_near}), "
            "as n is overstated and the certificate is too low."
        )


def find_duplicates(records: Sequence[Record], *, threshold: float = THRESHOLD) -> Duplicates:
    """Find exact and near duplicates, in time linear in the size of the texts.

    Args:
        records: The records.
        threshold: Share of five-character pieces in common from which prompts are near.
    """
    units = units_of(records)
    unit_of = {i: number for number, unit in enumerate(units) for i in unit}
    prompts = [_question(record) for record in records]
    sets, counts = [], []
    for keys in ([text_of(record) for record in records], prompts, _near_keys(prompts, threshold)):
        same = _sets_by(keys)
        sets.append(tuple(s for s in same if len({unit_of[i] for i in s}) > 1))
        counts.append(_n_if_grouped(len(units), [[unit_of[i] for i in s] for s in same]))
    return Duplicates(
        copies=sets[0],
        same_prompt=sets[1],
        near=sets[2],
        n_units=len(units),
        n_if_copies=counts[0],
        n_if_same_prompt=counts[1],
        n_if_near=counts[2],
    )


def exact_duplicates(records: Sequence[Record]) -> Sets:
    """Return the sets of records with the same text that count as different units."""
    same = _sets_by([text_of(record) for record in records])
    return tuple(indices for indices in same if len(units_of(records, indices)) > 1)


def overlap(first: Sequence[Record], second: Sequence[Record]) -> tuple[tuple[int, int], ...]:
    """Return index pairs of records of `second` whose content occurs in `first`, with its place.

    Used to keep strata disjoint, and held-out data apart from certification data.
    """
    place = {record.content: i for i, record in reversed(list(enumerate(first)))}
    return tuple(
        (place[record.content], j) for j, record in enumerate(second) if record.content in place
    )


def near_overlap(first: Sequence[Record], second: Sequence[Record]) -> tuple[int, ...]:
    """Return the indices of records of `second` whose prompt is nearly one in `first`."""
    keys = _near_keys([_question(record) for record in (*first, *second)], THRESHOLD)
    known = set(keys[: len(first)])
    return tuple(i for i, key in enumerate(keys[len(first) :]) if key in known)


def normal_form(text: str) -> str:
    r"""Return a text as it is compared: Unicode NFKC, without case, white space as one space.

    >>> normal_form(" What  is\nＸ? ")
    'what is x?'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def text_of(record: Record) -> tuple[str, ...]:
    """Return all that a record says, in normal form: equal for copies."""
    turns = (part for m in record.messages for part in (m.role, m.content))
    whole = (record.prompt, record.completion, record.text, *turns)
    return tuple(normal_form(part or "") for part in whole)


def _question(record: Record) -> str:
    """What a record asks, or all that it says if it asks nothing.

    Without system turns, which whole data sets have in common.
    """
    asked = " ".join(m.content for m in record.messages if m.role not in ("system", "assistant"))
    said = " ".join(m.content for m in record.messages)
    candidates = (record.prompt, asked, record.text, record.completion, said)
    return next(filter(None, (normal_form(text) for text in candidates if text)), "")


def _near_keys(prompts: Sequence[str], threshold: float) -> list[str]:
    """For each prompt the first one that it is linked to by near pairs, or itself."""
    distinct = list(dict.fromkeys(prompts))
    first = {
        distinct[i]: distinct[found[0]]
        for found in near_sets(distinct, threshold=threshold)
        for i in found
    }
    return [first.get(prompt, prompt) for prompt in prompts]


def _sets_by(keys: Sequence[Hashable]) -> Sets:
    """The sets of at least two places that have the same key."""
    places: dict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        places[key].append(i)
    return tuple(tuple(found) for found in places.values() if len(found) > 1)


def _n_if_grouped(n: int, sets: Iterable[Sequence[int]]) -> int:
    """The number of units that are left of `n` when each set becomes one."""
    links = Links(n)
    for first, *others in sets:
        for other in others:
            links.join(first, other)
    return len({links.root(i) for i in range(n)})
