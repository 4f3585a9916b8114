"""The theorems as margins: by how much each refutes a risk."""

from __future__ import annotations

from typing import Any

from flint import arb

from pacbayes.verify.comparisons import Margin

_MOST = 10**6
"""Above so many errors and so many successes the sum is left to the incomplete beta function."""

_NEGLIGIBLE = arb(2) ** -100


def kl_margin(q: Any, nats: Any, stretch: Any = 1, *, above: bool) -> Margin:
    """Risks above q, or below, for which kl(q‖risk/stretch) exceeds so many nats."""

    def margin(risk: Any) -> Any:
        p = risk / stretch
        if not (q < p if above else p < q):
            return arb(-1)
        if not 0 < p < 1:
            return arb(1)
        left = q * (q / p).log() if q > 0 else 0
        return left + ((1 - q) * ((1 - q) / (1 - p)).log() if q < 1 else 0) - nats

    return margin


def binomial_margin(k: int, n: int, log_delta: Any, *, above: bool) -> Margin:
    """Risks at which so few errors, or so many, have a probability of at most δ."""
    if not above:
        # at least k errors are at most n − k successes
        mirrored = binomial_margin(n - k, n, log_delta, above=True)
        return lambda risk: mirrored(1 - risk)

    refuted = kl_margin(arb(k) / n, -log_delta / n, above=True)

    def margin(p: Any) -> Any:
        if k == n or not 0 < p < 1:
            return arb(-1)
        # what is far away is told without the sum, which would be long: k is no less than a median
        if p * n < k and log_delta < -arb(2).log():
            return arb(-1)
        by_chernoff = refuted(p)
        return by_chernoff if by_chernoff > 0 else log_delta - _log_at_most(k, n, p)

    return margin


def _log_at_most(k: int, n: int, p: Any) -> Any:
    """Ln P(Bin(n, p) ≤ k): its largest term, and what each term below is of the one before."""
    if min(k, n - k) > _MOST:
        # of n uniform numbers at least n − k lie above p
        return (1 - p).beta_lower(n - k, k + 1, 1).log()
    first = arb(n + 1).lgamma() - arb(k + 1).lgamma() - arb(n - k + 1).lgamma()
    first += k * p.log() + (n - k) * (1 - p).log()
    odds, term, total = (1 - p) / p, arb(1), arb(1)
    for j in range(k, 0, -1):
        ratio = odds * j / (n - j + 1)
        term *= ratio
        total += term
        rest = term * ratio / (1 - ratio)  # the ratios fall
        if ratio < 1 and rest < _NEGLIGIBLE:
            return first + (total + rest.union(arb(0))).log()
    return first + total.log()


def log_xi(n: int) -> Any:
    """Ln ξ(n) with ξ(n) = Σ_k C(n, k)(k/n)^k(1 − k/n)^(n−k) = eⁿ n^−n Γ(n+1, n)."""
    at = arb(n)
    return (at + 1).lgamma() + at - at * at.log() + at.gamma_upper(at + 1, 1).log()


def log_k(n: int) -> Any:
    """Ln K(n) with K(n) = √π Γ(n+1)/Γ(n+½)."""
    return arb.pi().log() / 2 + (arb(n) + 1).lgamma() - (arb(n) + arb(1) / 2).lgamma()
