"""The certificate: what is guaranteed, with what probability, and everything it was computed from.

`certificate.json` is the dataclasses below written out: an object for a dataclass, a key for a
field, a list for a tuple, null for None; all keys are required and no others are allowed. The
`Attributes` of the classes are the one description of the schema. Intervals are `[lower, upper]`,
probabilities and risks lie in [0, 1], KL is in nats.

>>> sample = TensorGroup(
...     name="lora_B", size=64, sigma_prior=0.5, sigma_posterior=0.5, distance_squared=4.0
... )
>>> round(sample.distance_squared / (2 * sample.sigma_prior**2), 3)  # its KL, scales being equal
8.0
>>> Delta(total=0.05, ledger=(LedgerEntry(event="kl bound", delta=0.06),))
Traceback (most recent call last):
pacbayes.errors.InputError: `delta.ledger` must sum to at most `delta.total`, 0.06 > 0.05; \
the usual mistake is shares rounded to nearest: round them down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

from pacbayes.decimals import confidence, outward
from pacbayes.markup import name_of, table
from pacbayes.schema import (
    Document,
    Interval,
    require,
    require_interval,
    require_json,
    require_nonnegative,
    require_probability,
    require_sha256,
    require_timestamp,
    require_unique,
)

SCHEMA = "pacbayes.certificate/1"

Part = Literal["empirical_risk", "monte_carlo", "kl", "log_term"]


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    """One event that may fail.

    Attributes:
        event: What holds unless the event fails, in words.
        delta: Its share of the failure probability, in (0, 1).
    """

    event: str
    delta: float

    def __post_init__(self) -> None:
        require_probability("delta", self.delta)


@dataclass(frozen=True, kw_only=True)
class Delta:
    """The failure probability of the certificate and where it went.

    Attributes:
        total: All certified statements hold together with probability at least 1 - `total`.
        ledger: The events paid for; the exact sum of their shares is at most `total`.
    """

    total: float
    ledger: tuple[LedgerEntry, ...]

    def __post_init__(self) -> None:
        require_probability("delta.total", self.total)
        require(bool(self.ledger), "`delta.ledger` must not be empty.")
        spent = sum(Fraction(entry.delta) for entry in self.ledger)
        require(
            spent <= Fraction(self.total),
            f"`delta.ledger` must sum to at most `delta.total`, {float(spent)} > {self.total}; the "
            "usual mistake is shares rounded to nearest: round them down.",
        )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The loss whose risk is certified.

    Attributes:
        name: `exact`, `token` or `nll`.
        range: Least and greatest value of the loss in its own unit; risks are rescaled to [0, 1].
        parameters: What else defines it, by name, such as the smoothing of `nll`; may be empty.
    """

    name: str
    range: Interval
    parameters: dict[str, Any]

    def __post_init__(self) -> None:
        lower, upper = self.range
        require(
            math.isfinite(lower) and math.isfinite(upper) and lower < upper,
            f"`range` must be finite and increasing, got {list(self.range)}.",
        )
        require_json("parameters", self.parameters)


@dataclass(frozen=True, kw_only=True)
class Centre:
    """The weights at the centre of a distribution.

    Attributes:
        path: Folder or file they were read from, as it was given.
        sha256: Of a file, its hash in hexadecimal. Of a folder, that of its weight, configuration
            and tokenizer files: the digest of their list as `sha256sum` prints it, sorted by name.
    """

    path: str
    sha256: str

    def __post_init__(self) -> None:
        require_sha256(self.sha256)


@dataclass(frozen=True, kw_only=True)
class CertifiedObject:
    """What the risk in `risk_bound` is the risk of.

    Attributes:
        kind: `posterior`: weights drawn afresh for every prediction; `drawn`: one network drawn
            once from the posterior; `compressed`: one network decoded from a code of few bits.
        description: The same in words, with what the risk is a mean over.
        target: `fresh`: the mean loss on fresh units; `tokens`: the mean over the scored tokens of
            these documents of the loss to be expected given what comes before each; then `n` of
            a stratum counts tokens.
        path: Folder of the network's checkpoint; null for the posterior.
        sha256: Its hash, as that of a `Centre`; null for the posterior.
        code_bits: Length of the network's code in bits; null if it has none.
    """

    kind: Literal["posterior", "drawn", "compressed"]
    description: str
    target: Literal["fresh", "tokens"]
    path: str | None
    sha256: str | None
    code_bits: int | None

    @classmethod
    def posterior(cls) -> CertifiedObject:
        """The posterior itself."""
        return cls(
            kind="posterior",
            description="the posterior: weights drawn afresh for every prediction",
            target="fresh",
            path=None,
            sha256=None,
            code_bits=None,
        )

    def __post_init__(self) -> None:
        for name in ("path", "sha256"):
            require(
                (getattr(self, name) is None) == (self.kind == "posterior"),
                f"`{name}` must be null for the posterior and for it only, got {self.kind!r}.",
            )
        if self.sha256 is not None:
            require_sha256(self.sha256)
        require(
            (self.code_bits is not None) == (self.kind == "compressed"),
            f"`code_bits` must be given for a compressed network only, got {self.kind!r}.",
        )


@dataclass(frozen=True, kw_only=True)
class ScaleGrid:
    """The prior scales among which one was chosen after seeing the data.

    Attributes:
        size: Number of scales, fixed before the data; 1 if there was no choice.
        index: The chosen one, counted from 0.
        log_cost: What the choice costs in nats, ln `size` for equal shares of delta; it is part of
            the `log_term` of each stratum.
    """

    size: int
    index: int
    log_cost: float

    def __post_init__(self) -> None:
        require(self.size >= 1, f"`size` must be at least 1, got {self.size}.")
        require(
            0 <= self.index < self.size, f"`index` must lie in [0, {self.size}), got {self.index}."
        )
        require_nonnegative("log_cost", self.log_cost)


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """A record left out before anything was computed.

    Attributes:
        line: Its 1-based line.
        reason: Why, in words; a reason that looks at losses breaks the certificate.
    """

    line: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of certification data.

    Attributes:
        path: The file, as it was given.
        sha256: Hash of its bytes, in hexadecimal.
        n_records: Number of records used.
        excluded: Records not used.
    """

    path: str
    sha256: str
    n_records: int
    excluded: tuple[Exclusion, ...]

    def __post_init__(self) -> None:
        require_sha256(self.sha256)


@dataclass(frozen=True, kw_only=True)
class Prior:
    """The distribution P over weights, fixed before the data but for the choice on the grid.

    Attributes:
        centre: Its mean.
        base: Weights that P and Q share, the base model of an adapter; null for a full model.
        family: `gaussian`; the scales are those of the posterior's groups. `code` for a compressed
            network: 2^-bits for each code.
        scale_grid: The choice of its scale.
        data: Files that the prior was trained on, disjoint from `data`; empty if on none.
    """

    centre: Centre
    base: Centre | None
    family: str
    scale_grid: ScaleGrid
    data: tuple[DataFile, ...]


@dataclass(frozen=True, kw_only=True)
class TensorGroup:
    """Tensors that share a scale in P, and are independent of all others in Q.

    With d weights, ρ = `sigma_posterior`² / `sigma_prior`² and Δ² = `distance_squared` their part
    of KL(Q‖P) is ½ [d (ρ − 1 − ln ρ) + Δ² / `sigma_prior`²] + `anisotropy`.

    Attributes:
        name: Name of the group, unique.
        size: Number of weights.
        sigma_prior: Standard deviation of each weight under P.
        sigma_posterior: Root mean square of the weights' standard deviations under Q; that of each
            weight where they share one scale.
        distance_squared: Squared Euclidean distance between the two centres.
        anisotropy: KL in nats from Q to the Gaussian of the same centre whose weights all have the
            scale `sigma_posterior`, which is d ln `sigma_posterior` − ½ ln det Σ, rounded up; 0
            where the weights share one scale.
    """

    name: str
    size: int
    sigma_prior: float
    sigma_posterior: float
    distance_squared: float
    anisotropy: float = 0.0

    def __post_init__(self) -> None:
        require(self.size >= 1, f"`size` must be at least 1, got {self.size}.")
        for name in ("sigma_prior", "sigma_posterior"):
            value = getattr(self, name)
            require(
                0 < value < math.inf,
                f"`{name}` must be positive and finite, got {value}; a scale of 0 makes the KL "
                "infinite.",
            )
        require_nonnegative("distance_squared", self.distance_squared)
        require_nonnegative("anisotropy", self.anisotropy)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """The distribution Q over weights whose risk is certified.

    Attributes:
        centre: Its mean: the fine-tuned model; the file of the posterior if that is centred
            elsewhere, optimised or at other LoRA factors of the same product; the compressed
            network itself if that is certified.
        family: `gaussian` for independent weights with one scale in each group; `diagonal`,
            `low-rank` or `kronecker` for the covariances in the file that is the centre; `point`
            for a compressed network, which has no groups.
        choice: How centre and scales were chosen, in words; free, as the bound holds for all.
        groups: Scales and distances of all weights that differ between P and Q or are perturbed.
            They describe P and Q together and are therefore written once, here.
    """

    centre: Centre
    family: str
    choice: str
    groups: tuple[TensorGroup, ...]

    def __post_init__(self) -> None:
        require_unique("groups", (group.name for group in self.groups))
        for group in self.groups if self.family == "gaussian" else ():
            require(
                group.anisotropy == 0,
                f"`groups`: {group.name!r} of the family 'gaussian' has one scale, so that its "
                f"`anisotropy` must be 0, got {group.anisotropy}.",
            )


@dataclass(frozen=True, kw_only=True)
class HeldOutRisk:
    """A mean loss on held-out data with its confidence interval, for comparison.

    Attributes:
        n_errors: Number of errors if the loss is 0 or 1, else null.
        mean: Mean loss.
        interval: Confidence interval of the risk.
        delta: Failure probability of this interval alone; it is not in the ledger.
    """

    n_errors: int | None
    mean: float
    interval: Interval
    delta: float

    def __post_init__(self) -> None:
        require_interval("interval", self.interval, self.mean)
        require_probability("delta", self.delta)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The test-set bounds shown beside the certificate.

    Attributes:
        path: The held-out file.
        sha256: Its hash.
        n: Number of independent units in it.
        stochastic: Risk of the object that is certified, such as the predictor that draws weights
            from Q.
        unperturbed: Risk of the fine-tuned model itself.
    """

    path: str
    sha256: str
    n: int
    stochastic: HeldOutRisk
    unperturbed: HeldOutRisk

    def __post_init__(self) -> None:
        require_sha256(self.sha256)
        require(self.n >= 1, f"`n` must be at least 1, got {self.n}.")
        for risk in (self.stochastic, self.unperturbed):
            if risk.n_errors is not None:
                require(
                    0 <= risk.n_errors <= self.n
                    and math.isclose(risk.mean * self.n, risk.n_errors, abs_tol=1e-6),
                    f"`n_errors` must be `mean` times `n`, got {risk.n_errors}, {risk.mean} and "
                    f"{self.n}.",
                )


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """The two parts of (KL + ln(xi(n) / delta)) / n; with K(n) for xi(n) if there are `bets`.

    Attributes:
        kl: KL / n.
        log_term: The rest, with the cost of the prior's scale.
    """

    kl: float
    log_term: float

    def __post_init__(self) -> None:
        require_nonnegative("kl", self.kl)
        require_nonnegative("log_term", self.log_term)


def parts_of(
    *, upper: float, empirical_risk: float, empirical_risk_upper: float, complexity: Complexity
) -> dict[Part, float]:
    """Split an upper risk bound into parts that add up to it.

    The mean loss, what the uncertainty of that mean adds, and the rest, which KL and log term share
    as they share the complexity.
    """
    sampling = min(empirical_risk_upper, upper) - empirical_risk
    rest = upper - empirical_risk - sampling
    total = complexity.kl + complexity.log_term
    share = complexity.kl / total if total else 0.0
    return {
        "empirical_risk": empirical_risk,
        "monte_carlo": sampling,
        "kl": rest * share,
        "log_term": rest * (1 - share),
    }


@dataclass(frozen=True, kw_only=True)
class Bet:
    """What the log-wealth bound of a graded loss was computed from, on one side.

    With T = (KL + ln(K(n)/delta))/n, the complexity of the stratum, the risk is at most, or for
    negative `lam` at least, (1 − exp(`mean_log` − T))/`lam`.

    The bound for tokens rests on its parameter s, here `lam`, and on minus the mean of
    v(s A), here `mean_log`: at the mean loss r̂ it is r̂ + (T − `mean_log`)/`lam`, with 15 for K(n).

    Attributes:
        lam: The bet λ, fixed before the draws: in (0, 1) for the upper end, below 0 for the lower.
        mean_log: A lower confidence bound on (1/n) Σ_i E_Q ln(1 − λ ℓ_i), on the Monte-Carlo event.
    """

    lam: float
    mean_log: float

    def __post_init__(self) -> None:
        require(
            self.lam < 1 and self.lam != 0 and self.lam * self.mean_log <= 0,
            f"`lam` must be below 1 and not 0, and `mean_log` of the other sign, got {self.lam} "
            f"and {self.mean_log}.",
        )


@dataclass(frozen=True, kw_only=True)
class StratumCertificate:
    """What is certified about one stratum.

    Attributes:
        name: Name of the stratum, unique.
        n: Number of independent units, or of tokens; see `CertifiedObject.target`.
        n_records: Number of records in them.
        n_draws: Number of independent draws of weights behind `empirical_risk`.
        sampling: How `empirical_risk` and its bound were found from the draws, in words.
        n_unscorable: Records that cannot be scored; they count as loss 1 everywhere.
        empirical_risk: Mean loss over the draws.
        empirical_risk_bound: Where the mean of the loss under Q on this sample lies.
        bets: Of a graded loss, what its log-wealth bound rests on, the upper end and the lower; of
            tokens, what their bound rests on; else empty.
        unperturbed_risk: Mean loss of the fine-tuned model itself. Certified as nothing.
        risk_bound: The certificate: where the risk under Q on fresh examples lies.
        bounds: Upper bounds on that risk by name, all on the event of `risk_bound`.
        complexity: The complexity that `risk_bound` was computed with, in its parts.
        dominated_by: The part that adds most to the upper end of `risk_bound`: the mean loss, the
            uncertainty of that mean (`monte_carlo`), or a part of the complexity.
        held_out: Test-set bounds for comparison, or null.
        prior_held_out: Risk of the model at the prior's centre, for which the certification data
            are held out; null unless the prior was trained on data of its own.
        vacuous: Whether the upper end of `risk_bound` is 1.
    """

    name: str
    n: int
    n_records: int
    n_draws: int
    sampling: str
    n_unscorable: int
    empirical_risk: float
    empirical_risk_bound: Interval
    bets: tuple[Bet, ...]
    unperturbed_risk: float
    risk_bound: Interval
    bounds: dict[str, float]
    complexity: Complexity
    dominated_by: Part
    held_out: HeldOut | None
    prior_held_out: HeldOutRisk | None
    vacuous: bool

    @property
    def parts(self) -> dict[Part, float]:
        """What the upper end of `risk_bound` is made of; see `parts_of`."""
        return parts_of(
            upper=self.risk_bound[1],
            empirical_risk=self.empirical_risk,
            empirical_risk_upper=self.empirical_risk_bound[1],
            complexity=self.complexity,
        )

    def __post_init__(self) -> None:
        require(self.n >= 1, f"`n` must be at least 1, got {self.n}.")
        require(self.n_draws >= 1, f"`n_draws` must be at least 1, got {self.n_draws}.")
        require(
            0 <= self.n_unscorable <= self.n_records,
            f"`n_unscorable` must lie in [0, n_records], got {self.n_unscorable}.",
        )
        require_interval("empirical_risk_bound", self.empirical_risk_bound, self.empirical_risk)
        require_interval("risk_bound", self.risk_bound)
        for name, value in {**self.bounds, "unperturbed_risk": self.unperturbed_risk}.items():
            require(0 <= value <= 1, f"`{name}` must lie in [0, 1], got {value}.")
        require(
            self.vacuous == (self.risk_bound[1] == 1),
            f"`vacuous` must say whether the upper risk bound is 1, got {self.vacuous} at "
            f"{self.risk_bound[1]}.",
        )


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the numbers were computed.

    Attributes:
        packages: Version of each package, by name.
        device: Device of the forward passes.
        dtype: Floating-point type of the forward passes.
    """

    packages: dict[str, str]
    device: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Certificate(Document):
    """A PAC-Bayes certificate of a fine-tuned model.

    With probability at least 1 - `delta.total` over the certification data and the draws of
    weights, every interval called a bound in `strata` and `joint` holds, under `assumptions`.

    Attributes:
        schema: `pacbayes.certificate/1`.
        created: When, ISO 8601 with time zone.
        version: Version of the program.
        seed: Seed of all randomness.
        delta: The failure probability and its ledger.
        loss: The loss.
        object: What is certified; all that follows speaks of it.
        prior: P.
        posterior: Q.
        kl: What the bound pays for the choice of the object, in nats; finite. KL(Q||P) of the
            posterior; ln (dQ/dP)(h), or 0 if that is negative, of a network h drawn from Q;
            the code length times ln 2 of a compressed one.
        kl_by_group: The same by tensor group; adds up to `kl`. Of a drawn network parts may be
            negative; empty for a compressed one.
        strata: One certificate a stratum.
        joint: Intervals of mixtures and gaps on one joint event, by name; may be empty.
        data: The files of certification data.
        assumptions: Plain sentences the certificate rests on.
        environment: Packages, device, dtype.

    Raises:
        InputError: A value contradicts the descriptions above.
    """

    NOUN: ClassVar[str] = "a certificate"

    schema: str = SCHEMA
    created: str
    version: str
    seed: int
    delta: Delta
    loss: Loss
    object: CertifiedObject
    prior: Prior
    posterior: Posterior
    kl: float
    kl_by_group: dict[str, float]
    strata: tuple[StratumCertificate, ...]
    joint: dict[str, Any]
    data: tuple[DataFile, ...]
    assumptions: tuple[str, ...]
    environment: Environment

    def __post_init__(self) -> None:
        self.require_schema(self.schema)
        require_timestamp(self.created)
        require(bool(self.strata), "`strata` must not be empty.")
        require_unique("strata", (stratum.name for stratum in self.strata))
        require_nonnegative("kl", self.kl)
        self._require_kl_by_group()
        for stratum in self.strata if self.object.target == "fresh" else ():
            require(
                stratum.n_records >= stratum.n,
                f"`n_records` must be at least `n`, got {stratum.n_records} < {stratum.n}; a unit "
                "has one record or more.",
            )
        require_json("joint", self.joint)

    def _repr_html_(self) -> str:
        """The strata as a table, for notebooks."""
        title = f"Certificate at {confidence(self.delta.total)} confidence, {self.loss.name} loss"
        rows = [
            [
                name_of(stratum.name),
                f"{stratum.n:,}",
                f"{stratum.empirical_risk:.4f}",
                outward(stratum.risk_bound) + (" vacuous" if stratum.vacuous else ""),
                _held_out(stratum),
                stratum.dominated_by.replace("_", " "),
            ]
            for stratum in self.strata
        ]
        columns = ["stratum", "n", "empirical risk", "certified risk, certificate"]
        columns += ["held-out risk, estimate", "largest part"]
        return table(f"{title}: {self.object.description}", columns, rows, words=(0, 5))

    def _require_kl_by_group(self) -> None:
        for name, value in self.kl_by_group.items():
            if self.object.kind == "posterior":
                require_nonnegative(f"kl_by_group.{name}", value)
        names = {group.name for group in self.posterior.groups}
        require(
            set(self.kl_by_group) == names,
            "`kl_by_group` must name the posterior's groups, they differ in "
            f"{sorted(set(self.kl_by_group) ^ names)}.",
        )
        if self.object.kind == "compressed":
            bits = self.object.code_bits or 0
            require(
                math.isclose(self.kl, bits * math.log(2), rel_tol=1e-9),
                f"`kl` must be `code_bits` times ln 2, got {self.kl} for {bits} bits.",
            )
            return
        total = math.fsum(self.kl_by_group.values())
        if self.object.kind == "drawn":
            total = max(0.0, total)
        # two orders of summing differ by rounding only, far below 1e-9
        require(
            math.isclose(total, self.kl, rel_tol=1e-9, abs_tol=1e-9),
            f"`kl_by_group` must add up to `kl`, {total} is not {self.kl}.",
        )


def _held_out(stratum: StratumCertificate) -> str:
    if stratum.held_out is None:
        return "–"
    risk = stratum.held_out.stochastic
    return f"{risk.mean:.4f} {outward(risk.interval)}"
