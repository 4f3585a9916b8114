"""The commands that are stopped, each in a folder with `../in` beside it, writing to `out`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command.

    Attributes:
        words: Its words, from the program's name.
        weight: How often it is chosen, relative to the others.
        goes_on: Whether it keeps what it has done, so that it may be stopped several times.
        workers: Whether it has processes of its own that may be lost.
    """

    words: tuple[str, ...]
    weight: float
    goes_on: bool = True
    workers: bool = False


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_BOUND = (
    "pacbayes-bound --checkpoint ../in/adapter --data ../in/data.jsonl --loss token --out out "
    "--family isotropic --no-gauge --batch-size 8"
)
_SWEEP = (
    "pacbayes sweep --base ../in/base --pool ../in/data.jsonl --windows 2:3,4:5 --budgets 6 "
    "--steps 2 --passes 1 --lora-targets q_proj --test ../in/tests.jsonl --loss token "
    "--family isotropic --target ../in/target.jsonl --out out"
)

JOBS: Mapping[str, Job] = MappingProxyType(
    {
        "passes": Job(words=_words(f"{_BOUND} --passes 4"), weight=4),
        "tolerance": Job(words=_words(f"{_BOUND} --passes 60 --tolerance .05"), weight=2),
        "optimize": Job(
            words=_words(f"{_BOUND.replace('isotropic', 'per-tensor')} --passes 1 --optimize 27"),
            weight=0.6,
        ),
        "drawn": Job(words=_words(f"{_BOUND} --passes 1 --also drawn"), weight=1),
        "score": Job(
            words=_words(
                "pacbayes score --by loss --model ../in/base --data ../in/data.jsonl "
                "--out out/scored.jsonl --batch-size 2 --overwrite"
            ),
            weight=5,
        ),
        "sweep": Job(words=_words(_SWEEP), weight=0.8),
        "workers": Job(words=_words(f"{_SWEEP} --workers 2"), weight=1, workers=True),
        "plan": Job(
            words=_words(
                "pacbayes plan ../in/runs.jsonl --bootstrap 40 --grid 5 --budgets 1000 "
                "--target-weights easy=.5,medium=.5 --out out"
            ),
            weight=0.2,
            goes_on=False,
        ),
        "select": Job(
            words=_words(
                "pacbayes select --pool ../in/data.jsonl --window 2 4 --budget 8 "
                "--out out/train.jsonl --overwrite"
            ),
            weight=4,
            goes_on=False,
        ),
        "report": Job(
            words=_words("pacbayes report ../in/certificate.json --out out/report.html"),
            weight=2,
            goes_on=False,
        ),
        "figures": Job(
            words=_words("pacbayes report ../in/certificate.json --format svg --out out/figures"),
            weight=1,
            goes_on=False,
        ),
    }
)
"""By name. `../in/certificate.json` is that of an undisturbed run of `passes`."""
