"""The kl bound for one hypothesis drawn from the posterior."""

from __future__ import annotations

from numpy.typing import ArrayLike

from pacbayes.bounds._domain import FloatOrArray
from pacbayes.bounds.seeger_maurer import seeger_maurer, seeger_maurer_lower


def disintegrated_kl(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """With probability ≥ 1 − δ over S and one h ~ Q, kl(r̂(h)‖R(h)) ≤ (ln(dQ/dP)(h) + ln(ξ(n)/δ))/n.

    The mean over S and h ~ Q of exp(n kl(r̂(h)‖R(h)) − ln(dQ/dP)(h)) is that over S and h ~ P of
    exp(n kl), at most ξ(n); Markov. It certifies the one network that was drawn: drawing again
    until it looks good voids it. Q may depend on S, P may not. Otherwise as `seeger_maurer`.

    Args:
        empirical_risk: r̂(h) in [0, 1], the mean loss of the drawn hypothesis.
        kl: ln(dQ/dP)(h) in nats at the drawn hypothesis, in place of KL(Q‖P). It can be below 0:
            give 0 then, which the bound allows.
        n: As `seeger_maurer`.
        delta: As `seeger_maurer`; `disintegrated_kl_lower` holds on the same event.

    Returns:
        An upper bound on R(h), at most 1.0.

    Raises:
        ValueError: An argument outside its domain.

    Reference: Rivasplata, Kuzborskij, Szepesvári & Shawe-Taylor (2020), PAC-Bayes Analysis Beyond
    the Usual Bounds, Theorem 1; Viallard, Germain, Habrard & Morvant (2024).

    >>> round(disintegrated_kl(empirical_risk=0.02, kl=300.0, n=30000, delta=0.05), 9)
    0.046981242
    """
    return seeger_maurer(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)


def disintegrated_kl_lower(
    *, empirical_risk: ArrayLike, kl: ArrayLike, n: ArrayLike, delta: ArrayLike
) -> FloatOrArray:
    """Lower bound on R(h), on the event of `disintegrated_kl` and with the same arguments."""
    return seeger_maurer_lower(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
