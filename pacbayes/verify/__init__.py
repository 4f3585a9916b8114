"""Checking a certificate without trusting the program that made it.

Every certified number is recomputed from the recorded quantities that it rests on, with ball
arithmetic (python-flint) and from the theorems as they are stated: an upper bound is right if it
lies where its theorem refutes all risks, and not looser than need be if a little below it the
theorem does not. Nothing is shared with the rest of the package but the format of the file.

The theorems, with kl(q‖p) the divergence of two coins, δ a share of the ledger, and J scales of
the prior:

- kl bound (Maurer 2004): kl(r̂‖R) ≤ (KL + ln J + ln(ξ(n)/δ))/n, ξ(n) = eⁿ n^−n Γ(n+1, n), with
  ln (dQ/dP)(h) in place of KL for one network h drawn from Q (Rivasplata et al. 2020); Pinsker:
  R ≤ r̂ + √((KL + ln J + ln(2√n/δ))/(2n)).
- log-wealth (Jang et al. 2023): R ≤ (1 − exp(m − T))/λ, T = (KL + ln J + ln(K(n)/δ))/n with
  K(n) = √π Γ(n+1)/Γ(n+½), and ≥ for λ < 0; also kl(r̂‖R) ≤ T.
- Occam (Langford 2005): kl(r̂‖R) ≤ (b ln 2 + ln(1/δ))/n, P(Bin(n, R) ≤ k) ≥ δ 2^−b.
- tokens (after Finzi et al. 2025): R ≤ r̂ + C/s + v/s, C = (KL + ln J + ln(15/δ))/n, s one of 15.
- Monte Carlo: kl(x̄‖μ) ≤ ln(1/δ)/m for m independent draws in [0, 1]; held-out data: the same, or
  Clopper & Pearson (1934) where errors are counted.
"""

from __future__ import annotations

from typing import Any

from flint import ctx

from pacbayes.schemas import problems
from pacbayes.verify.certificate import Examined
from pacbayes.verify.comparisons import TOLERANCE, Finding, Report
from pacbayes.verify.inputs import Inputs, check_inputs
from pacbayes.verify.reading import UnreadableError, leaves, read
from pacbayes.verify.stratum import Stratum
from pacbayes.verify.words import KINDS

__all__ = [
    "TOLERANCE",
    "Finding",
    "Inputs",
    "Report",
    "UnreadableError",
    "check_inputs",
    "leaves",
    "read",
    "verify",
]

_BITS = 128

_LARGEST = 2**53
"""Up to here whole numbers are float64 numbers; what counts something is far below."""


def verify(document: dict[str, Any]) -> Report:
    """Recomputes a certificate from its own recorded quantities.

    Args:
        document: The JSON object in its file, see `read`.
    """
    values = dict(leaves(document))
    report = Report(leaves=tuple(values))
    for path, must in problems(document, "certificate"):
        report.holds(False, path, values.get(path), must)
    for path, value in values.items():
        small = not isinstance(value, int) or abs(value) <= _LARGEST or path == "seed"
        report.holds(small, path, "more", f"at most {_LARGEST}")
    said = document.get("object") if not report.findings else None
    if said is None:
        return report
    kind = (said["kind"], said["target"])
    report.holds(kind in KINDS, "object.target", kind[1], "another for this kind", "object.kind")
    if not report.findings:
        report.pinned.add("schema")
        with ctx.workprec(_BITS):
            whole = Examined(document, report)
            whole.check()
            if len(document["delta"]["ledger"]) == whole.parts:
                for place in range(len(document["strata"])):
                    Stratum(whole, place).check()
    return report
