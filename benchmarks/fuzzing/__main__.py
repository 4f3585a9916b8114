"""The campaign on the command line."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.campaign import Outcome, attack
from benchmarks.fuzzing.model_targets import MODEL_TARGETS
from benchmarks.fuzzing.targets import TARGETS

MEMORY = 6 * 2**30
"""Bytes of addresses the process may have: a file must not ask for more."""

_ALL = {**TARGETS, **MODEL_TARGETS}


def main() -> int:
    """Attack the targets; 1 if an input was not handled."""
    options = _options()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    unhandled = 0
    listed = []
    for name in options.target or _ALL:
        found = attack(_ALL[name], options.inputs, options.seed)
        unhandled += len(found.unhandled)
        listed.append(_described(found))
        for number, (_, content) in found.unhandled.items():
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"{name}.{options.seed}.{number}").write_bytes(content)
        _show(found)
    if options.json:
        print(json.dumps({"seed": options.seed, "targets": listed}, indent=2))
    return int(unhandled > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzzing", description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(_ALL), metavar="NAME")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--keep", type=Path, default=Path("fuzzing"), help="where inputs are kept")
    return parser.parse_args()


def _described(found: Outcome) -> dict[str, Any]:
    return {
        "target": found.target,
        "inputs": found.inputs,
        "accepted": found.accepted,
        "refused": found.refused,
        "unhandled": len(found.unhandled),
        "slowest_seconds": round(found.slowest, 3),
        "seconds": round(found.seconds, 1),
        "growth_bytes": found.growth,
    }


def _show(found: Outcome) -> None:
    """Tell how it went, on stderr."""
    print(
        f"{found.target:20} {found.inputs} inputs, {found.accepted} read, {found.refused} refused, "
        f"{len(found.unhandled)} unhandled; the slowest took {found.slowest:.3f} s, all "
        f"{found.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    for text, count in Counter(text for text, _ in found.unhandled.values()).most_common(20):
        print(f"    {count} × {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
