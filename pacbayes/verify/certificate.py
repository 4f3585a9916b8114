"""A certificate as a whole: its words, δ, loss, prior and divergence."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import arb

from pacbayes.schemas import below
from pacbayes.verify.comparisons import TOLERANCE, Report
from pacbayes.verify.words import CODE_CHOICE, FAMILIES, KINDS, LOSSES, NLL, Kind


class Examined:
    """A certificate under examination; the paths are those of its file."""

    def __init__(self, document: dict[str, Any], report: Report) -> None:
        self.of, self.report = document, report
        self.kind: str = document["object"]["kind"]
        self.target: str = document["object"]["target"]
        self.words: Kind = KINDS[self.kind, self.target]
        self.network = self.kind != "posterior"
        self.parts = len(self.words.events) * len(document["strata"])

    def check(self) -> None:
        """All but the strata."""
        self.wording()
        self.assumptions()
        self.ledger()
        self.loss()
        self.prior()
        self.sample()
        self.kl()

    def wording(self) -> None:
        """What must be said in so many words, and what this version leaves empty."""
        said, report = self.of["object"], self.report
        text = self.words.description.format(said["code_bits"])
        kind = ("object.kind", "object.target")
        report.equal("object.description", said["description"], text, *kind)
        for key in ("path", "sha256"):
            given = said[key] is not None
            report.holds(given == self.network, f"object.{key}", said[key], "null or not", *kind)
            if not self.network:
                report.pinned.add(f"object.{key}")
        coded = said["code_bits"] is not None
        report.holds(coded == (self.kind == "compressed"), "object.code_bits", coded, "or not")
        report.pinned.add("object.code_bits")
        report.equal("joint", self.of["joint"], {})
        for i, file in enumerate(self.of["data"]):
            report.equal(f"data[{i}].excluded", file["excluded"], [])

    def assumptions(self) -> None:
        """Everything that the theorems rest on is said; a sentence is known by its beginning."""
        prior, needed = self.of["prior"], [*self.words.assumptions]
        if prior["base"] is None:
            self.report.pinned.add("prior.base")  # other assumptions would be needed
        if prior["base"] is not None:
            needed.append("The base model's weights were fixed")
        if prior["base"] is not None and prior["centre"] != prior["base"]:
            needed.append("The prior's adapter was made without")
        if prior["base"] is None:
            needed.append("The prior's weights were fixed without")
        if len(self.of["data"]) > 1 and self.target == "fresh":
            needed.append("Records were put into the files without")
        for text in needed:
            stated = any(sentence.startswith(text) for sentence in self.of["assumptions"])
            self.report.holds(stated, "assumptions", "no such sentence", f"{text} …")

    def ledger(self) -> None:
        """Each part of δ is used once, none is unused, and together they are all of δ."""
        total, entries = self.of["delta"]["total"], self.of["delta"]["ledger"]
        names = [stratum["name"] for stratum in self.of["strata"]]
        wanted = [event.format(name) for name in names for event in self.words.events]
        self.report.holds(len(set(names)) == len(names), "strata", names, "unique names")
        self.report.equal("delta.ledger", len(entries), self.parts)
        for i, (entry, event) in enumerate(zip(entries, wanted, strict=False)):
            name = f"strata[{i // len(self.words.events)}].name"
            self.report.equal(f"delta.ledger[{i}].event", entry["event"], event, name)
        spent = sum(Fraction(entry["delta"]) for entry in entries)
        whole = Fraction(total) * (1 - Fraction(TOLERANCE)) <= spent <= Fraction(total)
        parts = [f"delta.ledger[{i}].delta" for i in range(len(entries))]
        self.report.holds(whole, "delta.total", total, f"the sum {float(spent)!r}", *parts)
        self.report.pinned |= {"delta.total", *parts}

    def loss(self) -> None:
        """Name, statement and range belong together."""
        loss, report = self.of["loss"], self.report
        name, stated, (low, high) = loss["name"], loss["parameters"], loss["range"]
        report.pinned |= {"loss.name", "loss.range[0]", "loss.range[1]"}
        if name != "nll":
            wanted = {"statement": LOSSES.get((name, self.target))}
            report.equal("loss.range", [low, high], [0, 1], "loss.name")
        else:
            alpha = stated.get("smoothing", 0.0)
            wanted = {"statement": NLL.format(alpha), "unit": "nats per token above the least"}
            wanted["smoothing"] = alpha
            report.holds(
                low == 0 and _whole_vocabulary(high, alpha),
                *("loss.range", [low, high], "[0, ln(1 + (1 − α)V/α)] for V tokens"),
                "loss.parameters.smoothing",
            )
        parts = [f"loss.parameters.{key}" for key in wanted]
        report.equal("loss.parameters", stated, wanted, "loss.name", *parts)

    def prior(self) -> None:
        """The price of the prior's scale."""
        grid, family = self.of["prior"]["scale_grid"], self.of["prior"]["family"]
        at, coded = "prior.scale_grid", self.kind == "compressed"
        self.report.equal("prior.family", family, "code" if coded else "gaussian", "object.kind")
        self.report.nats(f"{at}.log_cost", grid["log_cost"], arb(grid["size"]).log(), f"{at}.size")
        self.report.holds(grid["index"] < grid["size"], f"{at}.index", grid["index"], "below size")
        if grid["size"] == 1:
            self.report.pinned.add(f"{at}.index")
        if coded:
            self.report.equal(f"{at}.size", grid["size"], 1)

    def sample(self) -> None:
        """The strata are all of the data."""
        strata, data = self.of["strata"], self.of["data"]
        found, wanted = (sum(x["n_records"] for x in part) for part in (strata, data))
        counts = [f"data[{i}].n_records" for i in range(len(data))]
        counts += [f"strata[{i}].n_records" for i in range(len(strata))]
        self.report.equal("strata", f"{found} records", f"{wanted} records", *counts)

    def kl(self) -> None:
        """The divergence from its groups, or the length of a code."""
        kl, parts, report = self.of["kl"], self.of["kl_by_group"], self.report
        posterior = self.of["posterior"]
        groups = {group["name"]: i for i, group in enumerate(posterior["groups"])}
        names = [f"posterior.groups[{i}].name" for i in range(len(posterior["groups"]))]
        report.equal("kl_by_group", sorted(parts), sorted(groups), *names)
        report.holds(len(names) == len(groups), "posterior.groups", names, "unique names")
        self.family()
        if self.kind == "compressed":
            bits = self.of["object"]["code_bits"]
            report.equal("posterior.groups", list(groups), [])
            report.nats("kl", kl, bits * arb(2).log(), "object.code_bits")
            return
        total = sum((arb(part) for part in parts.values()), arb(0))
        paths = [below("kl_by_group", name) for name in parts]
        report.nats("kl", kl, total if total > 0 else arb(0), *(paths if total > 0 else ()))
        for name, i in groups.items() if not self.network else ():
            self.group(below("kl_by_group", name), parts.get(name, 0.0), i)

    def family(self) -> None:
        """Which of the families it is; `gaussian` has one scale in each group, the others not."""
        family, groups = self.of["posterior"]["family"], self.of["posterior"]["groups"]
        known = FAMILIES if self.kind != "compressed" else ("point",)
        self.report.holds(family in known, "posterior.family", family, f"one of {known}")
        if self.kind == "compressed":
            choice = self.of["posterior"]["choice"]
            self.report.equal("posterior.choice", choice, CODE_CHOICE, "posterior.family")
        elif family == "gaussian":
            self.report.pinned.add("posterior.family")
        for i, group in enumerate(groups) if family == "gaussian" else ():
            self.report.equal(f"posterior.groups[{i}].anisotropy", group["anisotropy"], 0)
        uneven = any(group["anisotropy"] > 0 for group in groups)
        ok = uneven or family in ("gaussian", "point")
        self.report.holds(ok, "posterior.family", family, "'gaussian', as the scales are even")

    def group(self, where: str, recorded: float, place: int) -> None:
        """½ [d (ρ − 1 − ln ρ) + Δ²/σ_P²] + anisotropy with ρ = σ_Q²/σ_P²."""
        group, at = self.of["posterior"]["groups"][place], f"posterior.groups[{place}]"
        variance = arb(group["sigma_prior"]) ** 2
        ratio = arb(group["sigma_posterior"]) ** 2 / variance
        spread = group["size"] * (ratio - 1 - ratio.log())
        kl = (spread + arb(group["distance_squared"]) / variance) / 2 + group["anisotropy"]
        keys = ("size", "sigma_prior", "sigma_posterior", "distance_squared", "anisotropy")
        self.report.nats(where, recorded, kl, *(f"{at}.{key}" for key in keys))


def _whole_vocabulary(width: float, alpha: object) -> bool:
    if not (isinstance(alpha, float) and 0 < alpha < 1):
        return False
    size = (arb(width).exp() - 1) * alpha / (1 - arb(alpha))
    return bool(size < 2**53 and abs(size - round(float(size.mid()))) < 1e-6)
