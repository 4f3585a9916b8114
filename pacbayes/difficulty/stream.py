"""Scoring a file: one record after the other, in little memory, continued where it was stopped."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pacbayes.data.jsonl import parse_object, read_raw
from pacbayes.difficulty.part_file import PartFile, Reached, write_whole
from pacbayes.difficulty.scores import GIVEN, Item, Layout, Score, Scorer
from pacbayes.difficulty.tally import Tally
from pacbayes.errors import InputError

SCHEMA = "pacbayes.score/1"
FORMAT = 1
"""Changes whenever the same settings give another output, so that no old part is continued."""
Missing = Literal["error", "skip", "keep"]
MISSING: tuple[Missing, ...] = ("error", "skip", "keep")

_SECONDS_BETWEEN_SAVES = 2.0
_CHUNK_BYTES = 1 << 22
_LONGEST_GROUP = 64


@dataclass(frozen=True, kw_only=True)
class OutputRules:
    """What is written beside the difficulty.

    Attributes:
        missing: What becomes of a record without a difficulty: "error" stops there, "skip" leaves
            it out, "keep" writes it with a null.
        group_field: Field whose value becomes the `group`.
        layout: Fields that become `prompt` and `completion`.
    """

    missing: Missing = "error"
    group_field: str | None = None
    layout: Layout = field(default_factory=Layout)

    def __post_init__(self) -> None:
        if self.missing not in MISSING:
            raise InputError(f"--missing must be {', '.join(MISSING)}, got {self.missing!r}.")

    def line(self, item: Item, score: Score) -> bytes:
        """Return the item with its score, as a line of the output.

        Raises:
            InputError: It has no group.
        """
        fields = dict(item.fields)
        if self.group_field is not None:
            _put(fields, "group", _group(item.text(self.group_field)))
        if self.layout.prompt is not None:
            for key, value in self.layout.form(item).items():
                _put(fields, key, value)
        _put(fields, "difficulty", score.difficulty)
        if score.passed is not None:
            k, m = score.passed
            _put(fields, "pass_rate", {"k": k, "m": m})
        return _encoded(fields)


def _put(fields: dict[str, Any], name: str, value: object) -> None:
    """Set a field; what it was before is kept under another name, the first of all if several."""
    before = fields.get(name)
    if before is not None and before != value:
        fields.setdefault(name + GIVEN, before)
    fields[name] = value


def _group(text: str) -> str:
    if len(text) <= _LONGEST_GROUP:
        return text
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _encoded(fields: dict[str, Any]) -> bytes:
    try:
        return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can stand for
        return json.dumps(fields).encode() + b"\n"


def score_file(
    source: Path,
    out: Path,
    scorer: Scorer,
    rules: OutputRules,
    *,
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Tally:
    """Write the records of a file with their difficulty, and a report beside them.

    Nothing is at `out` before all is done. A run that was interrupted is continued by the next one
    with the same settings and the same input up to there, and gives the same file.

    Args:
        source: The JSONL file.
        out: Where to write; the report goes to `OUT.report.json`.
        scorer: Where difficulties come from.
        rules: What is written.
        overwrite: Whether `out`, or a part of it that is of no use, may be replaced.
        advance: Told how many lines were done.
        note: Told what the user should know.

    Returns:
        What was counted.

    Raises:
        InputError: A record cannot be scored: nothing is left then. Or `out` exists or is the
            input, or an interrupted run had other settings or input: all stays as it is.
    """
    check_paths(source, out, overwrite)
    settings = _settings(scorer, rules)
    if scorer.checks_first:
        _check_all(source, scorer)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    part = PartFile(out, source, digest)
    kept = part.found()
    if isinstance(kept, str):
        if not overwrite:
            raise InputError(
                f"an interrupted run cannot be continued: {kept}; give --overwrite to start over.",
                path=part.part,
            )
        kept = None
    part.open(kept)
    run = _Run(part, scorer, rules, kept)
    if run.last.line > 1:
        note(f"going on from line {run.last.line} of {source}.")
        advance(run.last.line - 1)
    try:
        run.all(source, advance)
        run.tally.refuse_if_empty(source)
    except InputError:
        part.discard()
        raise
    except BaseException:
        part.save(run.last)
        part.close()
        raise
    report = _report(source, out, settings, run)
    write_whole(out.with_name(out.name + ".report.json"), json.dumps(report, indent=2) + "\n")
    part.finish()
    return run.tally


def count_lines(path: Path) -> int:
    """Return the number of lines of a file, blank ones too.

    Raises:
        InputError: The file cannot be read.
    """
    return sum(1 for _ in read_raw(path))


class _Run:
    """A run over the rest of a file."""

    def __init__(
        self, part: PartFile, scorer: Scorer, rules: OutputRules, kept: Reached | None
    ) -> None:
        self._part = part
        self._scorer = scorer
        self._rules = rules
        self.tally = Tally() if kept is None else Tally.from_json(kept.tally)
        self.last = kept or part.reached(0, 1, self.tally.to_json())

    def all(self, source: Path, advance: Callable[[int], None]) -> None:
        saved = time.monotonic()
        for items, size, lines in _chunks(self._part, source, self.last, self._scorer.chunk):
            tally = self.tally.copy()
            data = b"".join(self._lines(items, tally))
            self._part.write(data)
            self.tally = tally
            self.last = self._part.reached(
                self.last.offset + size, self.last.line + lines, tally.to_json()
            )
            if time.monotonic() - saved >= _SECONDS_BETWEEN_SAVES:
                self._part.save(self.last)
                saved = time.monotonic()
            advance(lines)

    def _lines(self, items: Sequence[Item], tally: Tally) -> Iterator[bytes]:
        for item, score in zip(items, self._scorer.score(items), strict=True):
            if score.difficulty is None and self._rules.missing == "error":
                raise item.error(
                    f"{score.missing}, so there is no difficulty; --missing skip leaves such "
                    "records out, --missing keep writes them without one."
                )
            tally.add(score, item.line)
            if score.difficulty is not None or self._rules.missing == "keep":
                yield self._rules.line(item, score)


def _chunks(
    part: PartFile, source: Path, start: Reached, size: int
) -> Iterator[tuple[list[Item], int, int]]:
    """Yield items by the chunk, with the bytes and lines that they and blank lines take."""
    items: list[Item] = []
    n_bytes = n_lines = 0
    for line, raw in read_raw(source, offset=start.offset, line=start.line):
        part.read.update(raw)
        n_bytes, n_lines = n_bytes + len(raw), n_lines + 1
        fields = parse_object(raw, source, line)
        if fields is not None:
            items.append(Item(fields=fields, path=str(source), line=line))
        if len(items) == size or n_bytes >= _CHUNK_BYTES:
            yield items, n_bytes, n_lines
            items, n_bytes, n_lines = [], 0, 0
    if n_lines:
        yield items, n_bytes, n_lines


def check_paths(source: Path, out: Path, overwrite: bool) -> None:
    """Check that the output can be written and takes the place of nothing that is wanted.

    Raises:
        InputError: It cannot, or does.
    """
    if out.resolve() == source.resolve():
        raise InputError("is the input; give --out another name.", path=out)
    if not out.parent.is_dir():
        raise InputError("no such folder, where --out should be written.", path=out.parent)
    if out.is_dir():
        raise InputError("is a folder; --out is a file.", path=out)
    if out.exists() and not overwrite:
        raise InputError("exists; give --overwrite or another --out.", path=out)


def _check_all(source: Path, scorer: Scorer) -> None:
    for line, raw in read_raw(source):
        fields = parse_object(raw, source, line)
        if fields is not None:
            scorer.check(Item(fields=fields, path=str(source), line=line))


def _settings(scorer: Scorer, rules: OutputRules) -> dict[str, Any]:
    return {"format": FORMAT, "score": dict(scorer.settings), "write": asdict(rules)}


def _report(source: Path, out: Path, settings: dict[str, Any], run: _Run) -> dict[str, Any]:
    tally = run.tally
    return {
        "schema": SCHEMA,
        "data": {"path": str(source), "sha256": run.last.read, "n_records": tally.n_records},
        "out": {"path": str(out), "sha256": run.last.made},
        "settings": settings,
        "n_scored": tally.n_scored,
        "difficulty": {"least": tally.low, "mean": tally.mean, "largest": tally.high},
        "pass_rates": {
            "n": tally.n_rates,
            "none_passed": tally.n_none_passed,
            "all_passed": tally.n_all_passed,
            "samples_cut_off": tally.n_truncated,
        },
        "missing": {
            "n": tally.n_missing,
            "reasons": dict(tally.missing),
            "first_lines": tally.lines,
        },
    }
