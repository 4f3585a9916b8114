"""The theorems on offer: what each states, assumes, suits and shares with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from pacbayes import bounds


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A theorem.

    Attributes:
        function: Computes its upper bound, keyword arguments only.
        lower: Computes the lower bound that goes with it, if it has one.
        statement: What holds with probability at least 1 − δ.
        assumptions: What for, beyond independent examples and a prior fixed before them.
        reference: Where it is proved.
        event: The event on which it holds. The least of several bounds on one event is free;
            of several events each has to be paid, δ/2 for two. None where both sides, or each
            value of a parameter, have an event of their own.
        losses: What losses it suits.
        needs: Arguments it takes beyond `delta`; those in brackets may be left out.
        capped: Whether the result is a risk in [0, 1].
    """

    function: Callable[..., Any]
    lower: Callable[..., Any] | None = None
    statement: str
    assumptions: str = "losses in [0, 1]"
    reference: str
    event: str
    losses: str = "any in [0, 1]"
    needs: tuple[str, ...] = ("empirical_risk", "kl", "n")
    capped: bool = True


_XI = "kl, fixed n"
"""E_P exp(n kl(r̂‖R)) ≤ ξ(n)/δ."""
_KT = "wealth, all n"
"""The prior's mean of the Krichevsky–Trofimov wealth never reaches 1/δ."""

BOUNDS: Mapping[str, Bound] = MappingProxyType(
    {
        "seeger_maurer": Bound(
            function=bounds.seeger_maurer,
            lower=bounds.seeger_maurer_lower,
            statement="kl(r̂‖R) ≤ (KL + ln(ξ(n)/δ))/n for all Q",
            reference="Seeger 2002; Maurer 2004",
            event=_XI,
        ),
        "seeger_maurer_2sqrtn": Bound(
            function=bounds.seeger_maurer_2sqrtn,
            lower=bounds.seeger_maurer_2sqrtn_lower,
            statement="kl(r̂‖R) ≤ (KL + ln(2√n/δ))/n for all Q",
            reference="Maurer 2004",
            event=_XI,
        ),
        "time_uniform_kl": Bound(
            function=bounds.time_uniform_kl,
            lower=bounds.time_uniform_kl_lower,
            statement="n kl(r̂‖R) ≤ KL + ln(√π Γ(n+1)/(Γ(n+1/2) δ)) for all n and Q",
            reference="Jang, Jun, Kuzborskij & Orabona 2023",
            event=_KT,
        ),
        "log_wealth": Bound(
            function=bounds.log_wealth,
            lower=bounds.log_wealth_lower,
            statement="R ≤ (1 − exp(mean_i E_Q ln(1 − λℓ_i) − T_n))/λ for all n, Q and λ in (0, 1)",
            reference="Jang et al. 2023; Cover & Ordentlich 1996",
            event=_KT,
            losses="graded losses in [0, 1], given one by one",
            needs=("losses", "kl"),
        ),
        "pinsker": Bound(
            function=bounds.pinsker,
            lower=bounds.pinsker_lower,
            statement="|R − r̂| ≤ √((KL + ln(2√n/δ))/(2n)) for all Q",
            reference="McAllester 2003; Maurer 2004",
            event=_XI,
        ),
        "mcallester_1999": Bound(
            function=bounds.mcallester_1999,
            lower=bounds.mcallester_1999_lower,
            statement="|R − r̂| ≤ √((KL + ln(1/δ) + 2.5 ln n + 8)/(2n − 1)) for all Q",
            reference="McAllester 1999",
            event=_XI,
            losses="any in [0, 1]; to reproduce old numbers",
        ),
        "thiemann": Bound(
            function=bounds.thiemann,
            lower=bounds.thiemann_lower,
            statement="R ≤ r̂/(1 − λ/2) + (KL + ln(2√n/δ))/(nλ(1 − λ/2)) for all Q and λ in (0, 2)",
            reference="Thiemann, Igel, Wintenberger & Seldin 2017",
            event=_XI,
            losses="any in [0, 1]; convex training objective",
            needs=("empirical_risk", "kl", "n", "[lam]"),
        ),
        "quadratic": Bound(
            function=bounds.quadratic,
            lower=bounds.quadratic_lower,
            statement="R ≤ (√(r̂ + B/2n) + √(B/2n))², B = KL + ln(2√n/δ), for all Q",
            reference="Rivasplata et al. 2019; Pérez-Ortiz et al. 2021",
            event=_XI,
        ),
        "uniform_catoni": Bound(
            function=bounds.uniform_catoni,
            statement="R ≤ cγ ln(γ/(γ−1)) r̂ + cγ (KL + ln(ξ(n)/δ))/n + γ(1 − c(1 − ln c)) "
            "for all Q, c in (0, 1] and γ > 1",
            reference="Rodríguez-Gálvez, Thobaben & Skoglund 2024",
            event=_XI,
            losses="any in [0, 1]; linear training objective",
            needs=("empirical_risk", "kl", "n", "[c]", "[gamma]"),
        ),
        "catoni": Bound(
            function=bounds.catoni,
            statement="R ≤ (1 − exp(−C r̂ − (KL + ln(1/δ))/n))/(1 − e^{−C}) for all Q, one C > 0",
            assumptions="losses in [0, 1]; C fixed before the sample",
            reference="Catoni 2007",
            event="exponential moment at C",
            needs=("empirical_risk", "kl", "n", "c"),
        ),
        "catoni_grid": Bound(
            function=bounds.catoni_grid,
            statement="Catoni's bound at δ/14 for all Q and C in 2^−6, …, 2^7",
            reference="Catoni 2007, with a union bound",
            event="exponential moments on a grid of C",
            needs=("empirical_risk", "kl", "n", "[grid]"),
        ),
        "tolstikhin_seldin": Bound(
            function=bounds.tolstikhin_seldin,
            statement="R ≤ r̂ + 2.15 √((e−2) V̄ (KL + ln(2ν/δ))/n), V̄ a bound on the variance",
            reference="Tolstikhin & Seldin 2013",
            event="Bernstein and variance, δ/2 each",
            losses="graded losses of small variance",
            needs=("empirical_risk", "variance", "kl", "n"),
        ),
        "unexpected_bernstein": Bound(
            function=bounds.unexpected_bernstein,
            statement="R ≤ r̂ + (−ln(1−γ) − γ)/γ · V̂₂ + (KL + ln(K/δ))/(γn) for all Q, γ on a grid",
            reference="Mhammedi, Grünwald & Guedj 2019",
            event="unexpected Bernstein on a grid of γ",
            losses="graded losses, often 0",
            needs=("empirical_risk", "second_moment", "kl", "n", "[gamma]"),
        ),
        "split_kl": Bound(
            function=bounds.split_kl,
            lower=bounds.split_kl_lower,
            statement="R ≤ μ + (1−μ) kl⁺(r̂⁺/(1−μ), c) − μ kl⁻(r̂⁻/μ, c), "
            "c = (KL + ln(2ξ(n)/δ))/n, for all Q",
            assumptions="losses in [0, 1]; μ fixed before the sample",
            reference="Wu & Seldin 2022",
            event="kl above and below μ, δ/2 each",
            losses="graded losses concentrated at an interior value",
            needs=("empirical_risk", "excess", "mu", "kl", "n"),
        ),
        "disintegrated_kl": Bound(
            function=bounds.disintegrated_kl,
            lower=bounds.disintegrated_kl_lower,
            statement="kl(r̂(h)‖R(h)) ≤ (ln(dQ/dP)(h) + ln(ξ(n)/δ))/n for one h drawn from Q",
            assumptions="losses in [0, 1]; one draw, never repeated; `kl` is ln(dQ/dP)(h)",
            reference="Rivasplata et al. 2020; Viallard et al. 2024",
            event="sample and draw",
        ),
        "occam_kl": Bound(
            function=bounds.occam_kl,
            statement="R(h) ≤ kl⁺(r̂(h), (ln(1/P(h)) + ln(1/δ))/n) for all h",
            assumptions="losses in [0, 1]; h from a countable class coded before the sample",
            reference="Blumer et al. 1987; Langford 2005",
            event="Chernoff for each hypothesis",
            needs=("empirical_risk", "log_prior", "n"),
        ),
        "occam_binomial": Bound(
            function=bounds.occam_binomial,
            statement="P(Bin(n, R(h)) ≤ n_errors(h)) ≥ δ P(h) for all h",
            assumptions="losses 0 or 1; h from a countable class coded before the sample",
            reference="Langford 2005",
            event="binomial tail for each hypothesis",
            losses="0 or 1",
            needs=("n_errors", "log_prior", "n"),
        ),
        "token_freedman": Bound(
            function=bounds.token_freedman,
            statement="mean E[X_k|past] ≤ mean X_k + Δ C/s + (Δ/sn) Σ v(s(Y_k − X_k)/Δ) "
            "for all Q, s on a grid",
            assumptions="a martingale, not independence; bounds the predictable mean of these "
            "documents, not fresh ones; X_k ≤ Y_k + Δ",
            reference="after Finzi et al. 2025",
            event="supermartingale on a grid of s",
            losses="token losses with a good guess of each",
            needs=("losses", "predictable", "kl", "[width]", "[grid]"),
        ),
        "sub_gaussian": Bound(
            function=bounds.sub_gaussian,
            statement="R ≤ r̂ + σ √(2 (KL + ln(n/δ))/(n − 1)) for all Q",
            assumptions="every loss sub-Gaussian with σ: cannot be checked on the sample",
            reference="Casado et al. 2024",
            event="Chernoff, sub-Gaussian",
            losses="unbounded",
            needs=("empirical_risk", "kl", "n", "sigma"),
            capped=False,
        ),
        "sub_gamma": Bound(
            function=bounds.sub_gamma,
            statement="R ≤ r̂ + √(2vy) + by, y = (KL + ln(n/δ))/(n − 1), for all Q",
            assumptions="every loss sub-gamma with v and b: cannot be checked on the sample",
            reference="Casado et al. 2024; Boucheron, Lugosi & Massart 2013",
            event="Chernoff, sub-gamma",
            losses="unbounded",
            needs=("empirical_risk", "kl", "n", "variance", "scale"),
            capped=False,
        ),
        "test_set_binomial": Bound(
            function=bounds.test_set_binomial,
            lower=bounds.test_set_binomial_lower,
            statement="P(Bin(n, R) ≤ n_errors) ≥ δ",
            assumptions="held-out examples; losses 0 or 1; each side has its own δ",
            reference="Clopper & Pearson 1934",
            event="binomial tail on held-out data",
            losses="0 or 1",
            needs=("n_errors", "n"),
        ),
        "test_set_kl": Bound(
            function=bounds.test_set_kl,
            lower=bounds.test_set_kl_lower,
            statement="R ≤ kl⁺(r̂, ln(1/δ)/n)",
            assumptions="held-out examples; losses in [0, 1]; each side has its own δ",
            reference="Hoeffding 1963",
            event="Chernoff on held-out data",
            needs=("empirical_risk", "n"),
        ),
        "test_set_betting": Bound(
            function=bounds.test_set_betting,
            lower=bounds.test_set_betting_lower,
            statement="the wealth of a mixture of bets against R never reaches 1/δ",
            assumptions="held-out examples; losses in [0, 1]; each side has its own δ",
            reference="Waudby-Smith & Ramdas 2024",
            event="wealth on held-out data",
            losses="graded losses in [0, 1], given one by one",
            needs=("losses",),
        ),
    }
)


def lookup(name: str) -> Bound:
    """The bound of that name.

    Raises:
        ValueError: There is none; the message names the nearest.
    """
    if name not in BOUNDS:
        near = get_close_matches(name, BOUNDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(BOUNDS)}."
        raise ValueError(f"There is no bound named `{name}`.{hint}")
    return BOUNDS[name]


def lookup_side(name: str) -> tuple[Bound, Callable[..., Any]]:
    """A bound and its function, or that of its lower twin for a name that ends in `_lower`."""
    if name.endswith("_lower"):
        bound = lookup(name.removesuffix("_lower"))
        if bound.lower is None:
            raise ValueError(f"`{name.removesuffix('_lower')}` has no lower twin.")
        return bound, bound.lower
    bound = lookup(name)
    return bound, bound.function
