"""Where the self-test runs, and the shipped sample that it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pacbayes.data.records import Record, read_jsonl
from pacbayes.data.sample import Part, Unit
from pacbayes.losses import LOSSES
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer

SAMPLE = Path(str(files("pacbayes.sample")))


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The machine under test.

    Attributes:
        device: Where models run.
        seed: Of all noise and all resampling.
    """

    device: str = "cpu"
    seed: int = 0

    def model(self, adapter: str, **options: Any) -> FineTuned:
        """An adapter of the sample, opened for certification; on the device unless told so."""
        chosen: dict[str, Any] = {"device": self.device} | options
        return open_fine_tuned(OpenOptions(checkpoint=SAMPLE / "adapters" / adapter, **chosen))

    def key(self, stream: Stream = Stream.CERTIFICATE) -> NoiseKey:
        """The key of noise."""
        return NoiseKey(seed=self.seed, stream=stream, stratum=0)


def problems(file: str, n: int) -> list[Record]:
    """The first n problems of a file of the sample."""
    return read_jsonl(SAMPLE / "data" / file)[:n]


def part_of(records: list[Record], name: str) -> Part:
    """A stratum in which every record is a unit."""
    return Part(name=name, units=tuple((record,) for record in records))


def units_of(file: str, n: int, model: FineTuned) -> tuple[Unit, ...]:
    """The first n problems of a file as token ids."""
    part = part_of(problems(file, n), file)
    return part.encode(model.tokenizer, max_length=model.context)


def scorer(model: FineTuned, *losses: str, **options: Any) -> Scorer:
    """Scores with losses given by name."""
    return Scorer(model=model, losses=tuple(LOSSES[name] for name in losses), **options)
