"""One stratum of a certificate: sampling, the bound's parts, both sides, held-out data."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from flint import arb

from pacbayes.verify.certificate import Examined
from pacbayes.verify.comparisons import TOLERANCE, Margin
from pacbayes.verify.theorems import binomial_margin, kl_margin, log_k, log_xi
from pacbayes.verify.words import MEASURED, PAIRS, PASSES, TOKEN_BETS

GRID_COST = "prior.scale_grid.log_cost"
_ROUNDING = 1e-12
"""A measured mean is recorded between two numbers so far apart, relative to it."""


class Stratum:
    """A stratum under examination."""

    def __init__(self, whole: Examined, place: int) -> None:
        self.whole, self.report, self.at = whole, whole.report, f"strata[{place}]"
        self.of: dict[str, Any] = whole.of["strata"][place]
        parts = range(place * len(whole.words.events), (place + 1) * len(whole.words.events))
        self.shares = [arb(whole.of["delta"]["ledger"][i]["delta"]) for i in parts]
        self.parts = [f"delta.ledger[{i}].delta" for i in parts]
        self.n: int = self.of["n"]
        self.kl = arb(whole.of["kl"])
        self.paid = self.kl + whole.of["prior"]["scale_grid"]["log_cost"]
        self.low, self.high = map(arb, self.of["empirical_risk_bound"])

    def path(self, key: str) -> str:
        """The path of one of the stratum's fields."""
        return f"{self.at}.{key}"

    def check(self) -> None:
        """Everything of the stratum."""
        self.order()
        if self.whole.network:
            self.measured()
        else:
            self.sampled()
        cost = self.complexity()
        if self.whole.kind == "compressed":
            self.occam(cost)
        elif self.whole.target == "tokens":
            self.tokens(cost)
        elif self.whole.network:
            self.by_mean({"disintegrated_kl": cost}, cost)
        elif self.of["bets"]:
            self.log_wealth(cost)
        else:
            self.by_mean({"seeger_maurer": cost, "pinsker": None}, cost)
        bounds, upper = self.of["bounds"], self.of["risk_bound"][1]
        self.report.equal(self.path("risk_bound[1]"), upper, min(bounds.values(), default=None))
        self.report.equal(self.path("vacuous"), self.of["vacuous"], upper == 1)
        self.dominated()
        self.held_out()

    def order(self) -> None:
        """What is inside what."""
        (low, high), mean = self.of["empirical_risk_bound"], self.of["empirical_risk"]
        least, most = self.of["risk_bound"]
        report, path = self.report, self.path
        report.holds(low <= mean <= high, path("empirical_risk"), mean, f"in [{low}, {high}]")
        report.holds(least <= mean <= most, path("risk_bound"), [least, most], f"around {mean}")
        units, records = self.of["n"], self.of["n_records"]
        fresh = self.whole.target == "fresh"
        report.holds(units <= records or not fresh, path("n"), units, f"at most {records}")
        lost = self.of["n_unscorable"]
        report.holds(lost <= records, path("n_unscorable"), lost, f"at most {records}")
        if fresh and self.whole.of["loss"]["name"] == "exact" and units == records:
            errors = self.of["unperturbed_risk"] * units
            ok = abs(errors - round(errors)) < 1e-6 and errors > lost - 1e-6
            report.holds(ok, path("unperturbed_risk"), self.of["unperturbed_risk"], "errors / n")

    def sampled(self) -> None:
        """The Monte-Carlo interval of whole passes; that of drawn pairs needs the draws."""
        said, draws = self.of["sampling"], self.of["n_draws"]
        found = PASSES.fullmatch(said)
        if found is None:
            self.report.equal(self.path("sampling"), said, PAIRS)
            return
        passes, block = int(found[1]), int(found[2] or 1)
        variables = -(-self.n // block)
        told = (self.path("sampling"), self.path("n"))
        self.report.equal(self.path("n_draws"), draws, passes * variables, *told)
        share = self.shares[1] / (4 if self.of["bets"] else 2)
        stretch = arb(variables * block) / self.n
        mean, cost = arb(self.of["empirical_risk"]) / stretch, -share.log() / draws
        sources = (self.path("empirical_risk"), self.path("n_draws"), self.parts[1])
        low, high = self.of["empirical_risk_bound"]
        above = kl_margin(mean, cost, stretch, above=True)
        below = kl_margin(mean, cost, stretch, above=False)
        self.report.upper(self.path("empirical_risk_bound[1]"), high, above, *sources)
        self.report.lower(self.path("empirical_risk_bound[0]"), low, below, *sources)

    def measured(self) -> None:
        """The mean of one network's losses, known but for rounding."""
        report, path = self.report, self.path
        report.equal(path("sampling"), self.of["sampling"], MEASURED)
        report.equal(path("n_draws"), self.of["n_draws"], 1)
        mean, (low, high) = self.of["empirical_risk"], self.of["empirical_risk_bound"]
        wanted = [mean - TOLERANCE <= low, low <= mean, mean <= high, high <= mean + TOLERANCE]
        where = [path("empirical_risk_bound[0]"), path("empirical_risk_bound[1]")]
        report.holds(all(wanted), path("empirical_risk"), mean, f"{low} and {high}", *where)
        report.pinned |= {path("empirical_risk"), *where}
        if self.whole.target == "fresh":
            report.equal(path("bets"), self.of["bets"], [])

    def complexity(self) -> Any:
        """(KL + ln J + ln(constant/δ))/n and its two parts."""
        constant: Any = arb(len(TOKEN_BETS)).log()
        if self.whole.target == "fresh":
            graded = bool(self.of["bets"])
            constant = _constant(self.n, graded=graded) if self.whole.kind != "compressed" else 0
        rest = self.paid - self.kl + constant - self.shares[0].log()
        at, n = self.path("complexity"), self.path("n")
        parts = self.of["complexity"]
        self.report.near(f"{at}.kl", parts["kl"], self.kl / self.n, "kl", n)
        sources = (n, GRID_COST, self.parts[0])
        self.report.near(f"{at}.log_term", parts["log_term"], rest / self.n, *sources)
        return (self.kl + rest) / self.n

    def names(self, *names: str) -> None:
        """The bounds are those of the theorem, no more and no less."""
        self.report.equal(self.path("bounds"), sorted(self.of["bounds"]), sorted(names))

    def sources(self, *further: str) -> tuple[str, ...]:
        """What every bound is recomputed from."""
        return ("kl", GRID_COST, self.path("n"), self.parts[0], *map(self.path, further))

    def upper(self, name: str, margin: Margin, *further: str) -> None:
        """One of the upper bounds."""
        where = self.path(f"bounds.{name}")
        self.report.upper(where, self.of["bounds"].get(name, 1.0), margin, *self.sources(*further))

    def by_mean(self, nats: dict[str, Any], cost: Any) -> None:
        """Bounds that know the mean loss only."""
        self.names(*nats)
        self.report.pinned.add(self.path("bets"))  # with bets the bounds would be others
        mean = "empirical_risk_bound[1]"
        for name, known in nats.items():
            margin = kl_margin(self.high, known, above=True) if known is not None else self.root()
            self.upper(name, margin, mean)
        margin = kl_margin(self.low, cost, above=False)
        sources = self.sources("empirical_risk_bound[0]")
        self.report.lower(self.path("risk_bound[0]"), self.of["risk_bound"][0], margin, *sources)

    def root(self) -> Margin:
        """Pinsker's bound, with 2√n for ξ(n)."""
        constant = (4 * arb(self.n)).log() / 2
        cost = (self.paid + constant - self.shares[0].log()) / self.n
        return lambda risk: risk - (self.high + (cost / 2).sqrt())

    def log_wealth(self, cost: Any) -> None:
        """The bets' bounds, and what the mean loss gives on the same event."""
        report, bets = self.report, self.of["bets"]
        sides = len(bets) == 2 and bets[0]["lam"] > 0 > bets[1]["lam"]
        report.holds(sides, self.path("bets"), [b["lam"] for b in bets], "one above 0, one below")
        if not sides:
            return
        self.names("log_wealth_at", "time_uniform_kl")
        high, low = ((1 - (arb(b["mean_log"]) - cost).exp()) / arb(b["lam"]) for b in bets)
        mean = kl_margin(self.high, cost, above=True)
        self.upper("log_wealth_at", lambda risk: risk - high, "bets[0].lam", "bets[0].mean_log")
        self.upper("time_uniform_kl", mean, "empirical_risk_bound[1]")
        by_mean = kl_margin(self.low, cost, above=False)
        least = self.of["risk_bound"][0]

        def margin(risk: Any) -> Any:
            found = by_mean(risk)
            return low - risk if found < low - risk else found

        # the better of the two decides, and only what that rests on is pinned
        rest = ["bets[1].lam", "bets[1].mean_log"]
        if least > 0 and not by_mean(arb(least)) < 0:
            rest = ["empirical_risk_bound[0]"]
        report.lower(self.path("risk_bound[0]"), least, margin, *self.sources(*rest))

    def occam(self, cost: Any) -> None:
        """Bounds by the length of a code; below nothing is said."""
        self.report.equal(self.path("risk_bound[0]"), self.of["risk_bound"][0], 0)
        self.upper("occam_kl", kl_margin(self.high, cost, above=True), "empirical_risk_bound[1]")
        errors = self.of["empirical_risk"] * self.n
        whole = abs(errors - round(errors)) < 1e-6
        counted = "occam_binomial" in self.of["bounds"]
        if self.whole.of["loss"]["name"] == "exact" and self.n == self.of["n_records"]:
            counted = True
        self.names("occam_kl", *(["occam_binomial"] if counted else []))
        if counted:
            self.report.holds(whole, self.path("empirical_risk"), errors / self.n, "errors / n")
            log_delta = self.shares[0].log() - self.kl
            margin = binomial_margin(round(errors), self.n, log_delta, above=True)
            self.upper("occam_binomial", margin, "empirical_risk")

    def tokens(self, cost: Any) -> None:
        """The martingale bound at the best s, from minus the mean of v(sA), kept as a bet."""
        self.report.equal(self.path("risk_bound[0]"), self.of["risk_bound"][0], 0)
        self.names("token_freedman")
        bets = self.of["bets"]
        known = len(bets) == 1 and bets[0]["lam"] in TOKEN_BETS
        self.report.holds(known, self.path("bets"), bets, "one s of the grid")
        if known:
            s, spread = arb(bets[0]["lam"]), -arb(bets[0]["mean_log"])
            bound = self.high + (cost + spread) / s
            further = ("bets[0].lam", "bets[0].mean_log", "empirical_risk_bound[1]")
            self.upper("token_freedman", lambda risk: risk - bound, *further)

    def dominated(self) -> None:
        """The largest of the parts that the upper bound adds up from."""
        upper, mean = arb(self.of["risk_bound"][1]), arb(self.of["empirical_risk"])
        sampling = (self.high if self.high < upper else upper) - mean
        parts, rest = self.of["complexity"], upper - mean - sampling
        share = arb(parts["kl"]) / (arb(parts["kl"]) + parts["log_term"])
        sizes = {"empirical_risk": mean, "monte_carlo": sampling}
        sizes |= {"kl": rest * share, "log_term": rest * (1 - share)}
        most = max(sizes, key=lambda part: float(sizes[part].mid()))
        named = self.of["dominated_by"]
        ok = not sizes[named] < sizes[most] - TOLERANCE
        self.report.holds(ok, self.path("dominated_by"), named, most)
        self.report.pinned.add(self.path("dominated_by"))

    def held_out(self) -> None:
        """Intervals from held-out data, each at δ on its own, half of it on each side."""
        held, data = self.of["held_out"], self.whole.of["prior"]["data"]
        for key in ("stochastic", "unperturbed") if held is not None else ():
            self.interval(
                held[key], held["n"], self.path(f"held_out.{key}"), self.path("held_out.n")
            )
        wanted = bool(data) and self.whole.target == "fresh"
        if self.whole.target == "fresh":
            self.report.pinned.add("prior.data")
        before = self.of["prior_held_out"]
        where = self.path("prior_held_out")
        self.report.holds(wanted == (before is not None), where, before, "there or null")
        self.report.pinned |= {where, self.path("held_out")} if held is None else {where}
        if before is not None:
            self.interval(before, self.n, where, self.path("n"))

    def interval(self, risk: dict[str, Any], n: int, at: str, n_at: str) -> None:
        """Clopper and Pearson's interval for counted errors, else that of the divergence."""
        half = arb(risk["delta"]).log() - arb(2).log()
        errors, (low, high) = risk["n_errors"], risk["interval"]
        self.report.equal(f"{at}.delta", risk["delta"], self.whole.of["delta"]["total"])
        sources = (f"{at}.mean", f"{at}.delta", n_at)
        if errors is None:
            mean = arb(risk["mean"])
            sides = [kl_margin(mean, -half / n, above=above) for above in (True, False)]
        else:
            ok = 0 <= errors <= n
            self.report.equal(f"{at}.mean", risk["mean"], errors / n, f"{at}.n_errors", n_at)
            self.report.holds(ok, f"{at}.n_errors", errors, f"at most {n}", n_at)
            if not ok:
                return
            sides = [binomial_margin(errors, n, half, above=above) for above in (True, False)]
        self.report.pinned.add(f"{at}.n_errors")
        self.report.upper(f"{at}.interval[1]", high, sides[0], *sources)
        self.report.lower(f"{at}.interval[0]", low, sides[1], *sources)


@lru_cache(maxsize=1024)
def _constant(n: int, *, graded: bool) -> Any:
    return log_k(n) if graded else log_xi(n)
