"""A certificate recomputed from its own recorded quantities, in ball arithmetic.

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

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from flint import arb, ctx

from pacbayes.schemas import below, leaves, problems
from pacbayes.verify.comparisons import TOLERANCE, Margin, Report

EVENTS = {
    ("posterior", "fresh"): (
        "PAC-Bayes bound of stratum {}, both sides, all prior scales",
        "Monte-Carlo bounds of stratum {}, all sides",
    ),
    ("drawn", "fresh"): (
        "kl bound of stratum {} for the drawn network, both sides, all prior scales",
    ),
    ("compressed", "fresh"): ("Occam bound of stratum {}, upper side, all codes",),
    ("drawn", "tokens"): ("token bound of stratum {}, upper side, all prior scales",),
}
"""What δ is spent on in each stratum, by kind and target of the object."""

PASSES = re.compile(
    r"kl interval over (\d{1,9}) passes with fresh draws(?:, each for (\d{1,9}) units)?"
)
PAIRS = "betting interval on differences from unperturbed losses, units drawn by their margins"

_BITS, _LARGEST = 128, 2**53  # up to the latter whole numbers are float64 numbers
_SUMMED, _NEGLIGIBLE = 10**6, arb(2) ** -100  # with more errors the beta function is faster


def verify(document: dict[str, Any]) -> Report:
    """Recomputes a certificate, the JSON object in its file, from its own recorded quantities."""
    values = dict(leaves(document))
    report = Report(leaves=tuple(values))
    for name in ("certificate", "statements"):
        # the second takes for granted what the first says
        for path, must in problems(document, name, report.pinned) if not report.findings else ():
            report.holds(False, path, values.get(path), must)
    for path, value in values.items():
        small = not isinstance(value, int) or abs(value) <= _LARGEST or path == "seed"
        report.holds(small, path, "more", f"at most {_LARGEST}")
    if not report.findings:
        with ctx.workprec(_BITS):
            check_whole(document, report)
            for place in range(len(document["strata"])) if not report.findings else ():
                Stratum(document, report, place).check()
    return report


def check_whole(of: dict[str, Any], report: Report) -> None:
    """All but the strata: words, the loss, the ledger, the prior's price, the divergence."""
    said, prior, data = of["object"], of["prior"], of["data"]
    coded = f" {said['code_bits']} bits;" in said["description"] or said["code_bits"] is None
    report.holds(coded, "object.description", said["description"], "the bits", "object.code_bits")
    report.pinned.add("object.description")
    if prior["base"] not in (None, prior["centre"]):
        made = any(text.startswith("The prior's adapter was made") for text in of["assumptions"])
        report.holds(made, "assumptions", "", "one that says how the prior's adapter was made")
    if of["loss"]["name"] == "nll":
        _check_nll(of["loss"], report)
    _check_ledger(of, report)
    grid, at = prior["scale_grid"], "prior.scale_grid"
    report.nats(f"{at}.log_cost", grid["log_cost"], arb(grid["size"]).log(), f"{at}.size")
    report.holds(grid["index"] < grid["size"], f"{at}.index", grid["index"], "below size")
    report.pinned |= {f"{at}.index"} if grid["size"] == 1 else set()
    found, wanted = (sum(x["n_records"] for x in part) for part in (of["strata"], data))
    counts = [f"{k}[{i}].n_records" for k in ("data", "strata") for i in range(len(of[k]))]
    report.equal("strata", f"{found} records", f"{wanted} records", *counts)
    _check_divergence(of, report)


def _check_nll(loss: dict[str, Any], report: Report) -> None:
    """The range is [0, ln(1 + (1 − α)V/α)] for a vocabulary of V tokens."""
    alpha, (low, high), at = loss["parameters"]["smoothing"], loss["range"], "loss.parameters"
    size = (arb(high).exp() - 1) * alpha / (1 - arb(alpha))
    whole = bool(low == 0 and size < _LARGEST and abs(size - round(float(size.mid()))) < 1e-6)
    report.holds(whole, "loss.range", loss["range"], "of whole tokens", f"{at}.smoothing")
    said = loss["parameters"]["statement"]
    report.holds(f"with {alpha}," in said, f"{at}.statement", said, f"{alpha}", f"{at}.smoothing")
    report.pinned |= {"loss.range[0]", "loss.range[1]", f"{at}.smoothing", f"{at}.statement"}


def _check_ledger(of: dict[str, Any], report: Report) -> None:
    """Each part of δ is used once, none is unused, and together they are all of δ."""
    total, entries = of["delta"]["total"], of["delta"]["ledger"]
    names = [stratum["name"] for stratum in of["strata"]]
    events = EVENTS[of["object"]["kind"], of["object"]["target"]]
    wanted = [event.format(name) for name in names for event in events]
    report.holds(len(set(names)) == len(names), "strata", names, "unique names")
    report.equal("delta.ledger", len(entries), len(wanted))
    for i, (entry, event) in enumerate(zip(entries, wanted, strict=False)):
        source = f"strata[{i // len(events)}].name"
        report.equal(f"delta.ledger[{i}].event", entry["event"], event, source)
    spent = sum(Fraction(entry["delta"]) for entry in entries)
    whole = Fraction(total) * (1 - Fraction(TOLERANCE)) <= spent <= Fraction(total)
    parts = [f"delta.ledger[{i}].delta" for i in range(len(entries))]
    report.holds(whole, "delta.total", total, f"the sum {float(spent)!r}", *parts)
    report.pinned |= {"delta.total", *parts}


def _check_divergence(of: dict[str, Any], report: Report) -> None:
    """The sum of its groups, or the length of a code."""
    if of["object"]["kind"] == "compressed":
        report.nats("kl", of["kl"], of["object"]["code_bits"] * arb(2).log(), "object.code_bits")
        return
    parts, groups = of["kl_by_group"], of["posterior"]["groups"]
    named = sorted(group["name"] for group in groups)  # twice the same, and the next fails
    sources = (f"posterior.groups[{i}].name" for i in range(len(groups)))
    report.equal("kl_by_group", sorted(parts), named, *sources)
    total = sum(map(arb, parts.values()), arb(0))
    paths = [below("kl_by_group", name) for name in parts]
    # below 0, as of one network it may be, no part shows
    report.nats("kl", of["kl"], total if total > 0 else arb(0), *(paths if total > 0 else ()))
    for i, group in enumerate(groups) if of["object"]["kind"] == "posterior" else ():
        _check_group(f"posterior.groups[{i}]", group, parts.get(group["name"], 0.0), report)


def _check_group(at: str, group: dict[str, Any], recorded: float, report: Report) -> None:
    """½ [d (ρ − 1 − ln ρ) + Δ²/σ_P²] + anisotropy with ρ = σ_Q²/σ_P²."""
    variance = arb(group["sigma_prior"]) ** 2
    ratio = arb(group["sigma_posterior"]) ** 2 / variance
    spread = group["size"] * (ratio - 1 - ratio.log())
    kl = (spread + arb(group["distance_squared"]) / variance) / 2 + group["anisotropy"]
    keys = ("size", "sigma_prior", "sigma_posterior", "distance_squared", "anisotropy")
    where = below("kl_by_group", group["name"])
    report.nats(where, recorded, kl, *(f"{at}.{key}" for key in keys))


class Stratum:
    """One stratum under examination; the paths are those of its certificate's file."""

    def __init__(self, whole: dict[str, Any], report: Report, place: int) -> None:
        self.whole, self.report, self.at = whole, report, f"strata[{place}]"
        self.of: dict[str, Any] = whole["strata"][place]
        self.kind, self.fresh = whole["object"]["kind"], whole["object"]["target"] == "fresh"
        events = len(EVENTS[self.kind, whole["object"]["target"]])
        self.parts = [f"delta.ledger[{place * events + i}].delta" for i in range(events)]
        ledger = whole["delta"]["ledger"][place * events : (place + 1) * events]
        self.shares = [arb(entry["delta"]) for entry in ledger]
        self.n: int = self.of["n"]
        self.kl = arb(whole["kl"])
        self.paid = self.kl + whole["prior"]["scale_grid"]["log_cost"]
        self.low, self.high = map(arb, self.of["empirical_risk_bound"])

    def check(self) -> None:
        """Sampling, the bound's parts, both sides, held-out data."""
        self.order()
        if self.kind == "posterior":
            self.sampled()
        self.bounds(self.complexity())
        bounds, upper = self.of["bounds"], self.of["risk_bound"][1]
        self.report.equal(self.path("risk_bound[1]"), upper, min(bounds.values(), default=None))
        self.report.equal(self.path("vacuous"), self.of["vacuous"], upper == 1)
        self.dominated()
        self.held_out()

    def path(self, key: str) -> str:
        """The path of one of the stratum's fields."""
        return f"{self.at}.{key}"

    def holds(self, ok: bool, key: str, wanted: str, *keys: str) -> None:
        """Something must hold of one of the stratum's fields."""
        self.report.holds(ok, self.path(key), self.of[key], wanted, *map(self.path, keys))

    def order(self) -> None:
        """What is inside what."""
        (low, high), mean = self.of["empirical_risk_bound"], self.of["empirical_risk"]
        least, most = self.of["risk_bound"]
        ends = ("empirical_risk_bound[0]", "empirical_risk_bound[1]")
        self.holds(low <= mean <= high, "empirical_risk", f"in [{low}, {high}]", *ends)
        if self.kind != "posterior":  # the mean of one network's losses is known but for rounding
            near = mean - TOLERANCE <= low and high <= mean + TOLERANCE
            self.holds(near, "empirical_risk", f"{low} and {high}", *ends)
            self.report.pinned |= {self.path(key) for key in ("empirical_risk", *ends)}
        self.holds(least <= mean <= most, "risk_bound", f"around {mean}", "empirical_risk")
        records, lost = self.of["n_records"], self.of["n_unscorable"]
        self.holds(self.n <= records or not self.fresh, "n", f"at most {records}")
        self.holds(lost <= records, "n_unscorable", f"at most {records}")
        if self.fresh and self.whole["loss"]["name"] == "exact" and self.n == records:
            errors = self.of["unperturbed_risk"] * self.n
            counted = abs(errors - round(errors)) < 1e-6 and errors > lost - 1e-6
            self.holds(counted, "unperturbed_risk", "errors / n")

    def sampled(self) -> None:
        """The Monte-Carlo interval of whole passes; that of drawn pairs needs the draws."""
        found = PASSES.fullmatch(self.of["sampling"])
        if found is None:
            self.report.equal(self.path("sampling"), self.of["sampling"], PAIRS)
            return
        draws, block = self.of["n_draws"], int(found[2] or 1)
        variables = -(-self.n // block)
        told, wanted = (self.path("sampling"), self.path("n")), int(found[1]) * variables
        self.report.equal(self.path("n_draws"), draws, wanted, *told)
        share = self.shares[1] / (4 if self.of["bets"] else 2)
        stretch = arb(variables * block) / self.n
        mean, cost = arb(self.of["empirical_risk"]) / stretch, -share.log() / draws
        sources = (self.path("empirical_risk"), self.path("n_draws"), self.parts[1])
        for i, above in enumerate((False, True)):
            margin = kl_margin(mean, cost, stretch, above=above)
            where, ends = self.path(f"empirical_risk_bound[{i}]"), self.of["empirical_risk_bound"]
            self.report.end(where, ends[i], margin, *sources, above=above)

    def complexity(self) -> Any:
        """(KL + ln J + ln(constant/δ))/n and its two parts."""
        constant = arb(0) if self.kind == "compressed" else arb(15).log()
        if self.fresh and self.kind != "compressed":
            constant = _log_constant(self.n, bool(self.of["bets"]))
        rest = self.paid - self.kl + constant - self.shares[0].log()
        sources = {"kl": ("kl",), "log_term": ("prior.scale_grid.log_cost", self.parts[0])}
        for part, nats in (("kl", self.kl), ("log_term", rest)):
            where, recorded = self.path(f"complexity.{part}"), self.of["complexity"][part]
            self.report.near(where, recorded, nats / self.n, *sources[part], self.path("n"))
        return (self.kl + rest) / self.n

    def bounds(self, cost: Any) -> None:
        """Upper bounds by name, and the lower end."""
        by_mean = kl_margin(self.high, cost, above=True)
        least = kl_margin(self.low, cost, above=False)
        if self.kind == "compressed":
            self.upper("occam_kl", by_mean)
            self.counted()
        elif not self.fresh:
            self.tokens(cost)
        elif self.kind == "drawn":
            self.upper("disintegrated_kl", by_mean)
        elif self.of["bets"]:
            self.upper("time_uniform_kl", by_mean)
            self.log_wealth(cost, least)
            return
        else:
            self.upper("seeger_maurer", by_mean)
            nats = (self.paid + (4 * arb(self.n)).log() / 2 - self.shares[0].log()) / self.n
            self.upper("pinsker", lambda risk: risk - (self.high + (nats / 2).sqrt()))
        if self.fresh and self.kind != "compressed":
            self.lower(least, "empirical_risk_bound[0]")
        else:
            self.report.equal(self.path("risk_bound[0]"), self.of["risk_bound"][0], 0)

    def upper(self, name: str, margin: Margin, *keys: str) -> None:
        """One of the upper bounds, from the mean loss if not from other fields."""
        where, recorded = self.path(f"bounds.{name}"), self.of["bounds"][name]
        sources = self.sources(*(keys or ("empirical_risk_bound[1]",)))
        self.report.end(where, recorded, margin, *sources)

    def lower(self, margin: Margin, *keys: str) -> None:
        """The lower end of the certificate."""
        where, recorded = self.path("risk_bound[0]"), self.of["risk_bound"][0]
        self.report.end(where, recorded, margin, *self.sources(*keys), above=False)

    def sources(self, *keys: str) -> tuple[str, ...]:
        """What a bound is recomputed from."""
        shared = ("kl", "prior.scale_grid.log_cost", self.path("n"), self.parts[0])
        return (*shared, *map(self.path, keys))

    def log_wealth(self, cost: Any, by_mean: Margin) -> None:
        """The bets' bounds; below, what the mean loss gives on the same event counts too."""
        bets, least = self.of["bets"], arb(self.of["risk_bound"][0])
        sides = bets[0]["lam"] > 0 > bets[1]["lam"]
        self.holds(sides, "bets", "one above 0, one below")
        high, low = ((1 - (arb(b["mean_log"]) - cost).exp()) / arb(b["lam"]) for b in bets)
        self.upper("log_wealth_at", lambda risk: risk - high, "bets[0].lam", "bets[0].mean_log")
        # the better of the two decides, and only what that rests on is pinned
        by_bets = not (least > 0 and not by_mean(least) < 0)
        rest = ("bets[1].lam", "bets[1].mean_log") if by_bets else ("empirical_risk_bound[0]",)
        self.lower(lambda risk: by_mean(risk).max(low - risk), *rest)

    def counted(self) -> None:
        """The bound from a number of errors, where losses are 0 or 1."""
        errors = self.of["empirical_risk"] * self.n
        wanted = self.whole["loss"]["name"] == "exact" and self.n == self.of["n_records"]
        there = "occam_binomial" in self.of["bounds"]
        self.holds(there or not wanted, "bounds", "with occam_binomial")
        if there:
            self.holds(abs(errors - round(errors)) < 1e-6, "empirical_risk", "errors / n")
            log_delta = self.shares[0].log() - self.kl
            margin = binomial_margin(round(errors), self.n, log_delta, above=True)
            self.upper("occam_binomial", margin, "empirical_risk")

    def tokens(self, cost: Any) -> None:
        """The martingale bound at the best s, from minus the mean of v(sA), kept as a bet."""
        bet = self.of["bets"][0]
        bound = self.high + (cost - arb(bet["mean_log"])) / arb(bet["lam"])
        keys = ("bets[0].lam", "bets[0].mean_log", "empirical_risk_bound[1]")
        self.upper("token_freedman", lambda risk: risk - bound, *keys)

    def dominated(self) -> None:
        """The largest of the parts that the upper bound adds up from."""
        upper, mean = arb(self.of["risk_bound"][1]), arb(self.of["empirical_risk"])
        sampling = (self.high if self.high < upper else upper) - mean
        parts, rest = self.of["complexity"], upper - mean - sampling
        share = arb(parts["kl"]) / (arb(parts["kl"]) + parts["log_term"])
        sizes = {"empirical_risk": mean, "monte_carlo": sampling}
        sizes |= {"kl": rest * share, "log_term": rest * (1 - share)}
        most = max(sizes, key=lambda part: float(sizes[part].mid()))
        ok = not sizes[self.of["dominated_by"]] < sizes[most] - TOLERANCE
        self.holds(ok, "dominated_by", most)
        self.report.pinned.add(self.path("dominated_by"))

    def held_out(self) -> None:
        """Intervals from held-out data, each at δ on its own, half of it on each side."""
        held, before = self.of["held_out"], self.of["prior_held_out"]
        wanted = bool(self.whole["prior"]["data"]) and self.fresh
        self.holds(wanted == (before is not None), "prior_held_out", "there or null")
        self.report.pinned |= {self.path("prior_held_out")} if before is None else set()
        self.report.pinned |= {"prior.data"} if self.fresh else set()
        if before is not None:
            self.interval(before, self.n, "prior_held_out", self.path("n"))
        self.report.pinned |= {self.path("held_out")} if held is None else set()
        for key in ("stochastic", "unperturbed") if held is not None else ():
            self.interval(held[key], held["n"], f"held_out.{key}", self.path("held_out.n"))

    def interval(self, risk: dict[str, Any], n: int, key: str, n_at: str) -> None:
        """Clopper and Pearson's interval for counted errors, else that of the divergence."""
        at, report, errors = self.path(key), self.report, risk["n_errors"]
        half = arb(risk["delta"]).log() - arb(2).log()
        report.equal(f"{at}.delta", risk["delta"], self.whole["delta"]["total"])
        report.pinned.add(f"{at}.n_errors")
        if errors is not None:
            report.equal(f"{at}.mean", risk["mean"], errors / n, f"{at}.n_errors", n_at)
            report.holds(errors <= n, f"{at}.n_errors", errors, f"at most {n}", n_at)
        for i, above in enumerate((False, True)):
            margin = kl_margin(arb(risk["mean"]), -half / n, above=above)
            if errors is not None:
                margin = binomial_margin(min(errors, n), n, half, above=above)
            sources = (f"{at}.mean", f"{at}.delta", n_at)
            report.end(f"{at}.interval[{i}]", risk["interval"][i], margin, *sources, above=above)


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
    if not above:  # at least k errors are at most n − k successes
        mirrored = binomial_margin(n - k, n, log_delta, above=True)
        return lambda risk: mirrored(1 - risk)
    by_chernoff = kl_margin(arb(k) / n, -log_delta / n, above=True)  # tells without the sum

    def margin(p: Any) -> Any:
        if k == n or not 0 < p < 1 or (p * n < k and log_delta < -arb(2).log()):
            return arb(-1)  # k is no less than a median
        far = by_chernoff(p)
        return far if far > 0 else log_delta - _log_at_most(k, n, p)

    return margin


def _log_at_most(k: int, n: int, p: Any) -> Any:
    """Ln P(Bin(n, p) ≤ k): its largest term, and what each term below is of the one before."""
    if min(k, n - k) > _SUMMED:  # of n uniform numbers at least n − k lie above p
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


@lru_cache(maxsize=1024)
def _log_constant(n: int, graded: bool) -> Any:
    """Ln ξ(n) with ξ(n) = Σ_k C(n, k)(k/n)^k(1 − k/n)^(n−k), or ln K(n) for graded losses."""
    at = arb(n)
    if graded:
        return arb.pi().log() / 2 + (at + 1).lgamma() - (at + arb(1) / 2).lgamma()
    return (at + 1).lgamma() + at - at * at.log() + at.gamma_upper(at + 1, 1).log()
