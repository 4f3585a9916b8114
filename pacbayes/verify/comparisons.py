"""Comparisons of recorded numbers with recomputed ones, in ball arithmetic, and what they found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flint import arb

TOLERANCE = 1e-10
"""How far outside its recomputed value a number may be recorded: absolute for risks, relative for
nats. The rounding that certificates are made with stays within 4e-11."""

_FLAT = 1e-3
"""So near to saying nothing a bound does not tell its sources to a millionth of them."""

Margin = Callable[[Any], Any]
"""Of a risk, a ball that is at least 0 where a theorem refutes the risk, and below 0 elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A field that is not what it must be.

    Attributes:
        field: Its dotted path.
        recorded: What is there.
        recomputed: What should be.
        depends_on: Other fields that this was recomputed from; one of them may be the culprit.
    """

    field: str
    recorded: Any
    recomputed: str
    depends_on: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Report:
    """What was found.

    Attributes:
        leaves: All fields of the certificate.
        findings: What is wrong; empty if the certificate is as it should be.
        checks: Number of comparisons made.
        pinned: Fields none of which could be changed alone without a finding.
    """

    leaves: tuple[str, ...]
    findings: list[Finding] = field(default_factory=list)
    checks: int = 0
    pinned: set[str] = field(default_factory=set)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Fields that could be changed without being noticed."""
        return tuple(leaf for leaf in self.leaves if leaf not in self.pinned)

    def holds(self, ok: bool, where: str, recorded: Any, wanted: str, *sources: str) -> None:
        """Something must hold of a field, which leaves it free otherwise."""
        self.checks += 1
        if not ok:
            found = Finding(field=where, recorded=recorded, recomputed=wanted, depends_on=sources)
            self.findings.append(found)

    def equal(self, where: str, recorded: Any, wanted: Any, *sources: str) -> None:
        """The field is exactly this."""
        same = recorded == wanted and isinstance(recorded, bool) == isinstance(wanted, bool)
        self.holds(same, where, recorded, repr(wanted), *sources)
        self.pinned |= {where, *sources}

    def near(self, where: str, recorded: float, wanted: Any, *sources: str) -> None:
        """The field is this but for rounding."""
        ok = bool(abs(arb(recorded) - wanted) <= TOLERANCE * abs(wanted))
        self.holds(ok, where, recorded, _shown(wanted), *sources)
        self.pinned |= {where, *sources}

    def nats(self, where: str, recorded: float, wanted: Any, *sources: str) -> None:
        """The field is at least this, and hardly more."""
        most = wanted * (1 + TOLERANCE)
        ok = wanted.is_finite() and not arb(recorded) < wanted and not arb(recorded) > most
        self.holds(ok, where, recorded, f"at least {_shown(wanted)}", *sources)
        self.pinned |= {where, *sources}

    def end(
        self, where: str, recorded: float, margin: Margin, *sources: str, above: bool = True
    ) -> None:
        """The field is the risk above which, or below which, all are refuted, but for rounding."""
        nothing, inside = (1, -TOLERANCE) if above else (0, TOLERANCE)
        risk, closer = arb(recorded), arb(recorded) + inside
        safe = recorded == nothing or (0 < recorded < 1 and _refuted(margin(risk)))
        ok = safe and (not 0 < closer < 1 or margin(closer) < 0)
        words = "" if ok else f"at {'least' if above else 'most'} {_crossing(margin, above)}"
        self.holds(ok, where, recorded, words, *sources)
        self.pinned |= {where, *(sources if abs(recorded - nothing) > _FLAT else ())}


def _refuted(margin: Any) -> bool:
    """Whether it is not certainly below 0; what is no number refutes nothing."""
    ball = arb(margin)
    return bool(ball >= 0 or (ball.is_finite() and not ball < 0))


def _crossing(margin: Margin, above: bool) -> str:
    """Where a margin crosses 0, for messages."""
    low, high = arb(0), arb(1)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if bool(margin(middle) < 0) == above else (low, middle)
    return _shown(high if above else low)


def _shown(ball: Any) -> str:
    return repr(float(ball.mid()))
