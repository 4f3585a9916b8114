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

import dataclasses
import json
import math
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pacbayes import strict_json
from pacbayes.errors import InputError

SCHEMA = "pacbayes.certificate/1"

Interval = tuple[float, float]
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
        _require_probability("delta", self.delta)


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
        _require_probability("delta.total", self.total)
        _require(bool(self.ledger), "`delta.ledger` must not be empty.")
        spent = sum(Fraction(entry.delta) for entry in self.ledger)
        _require(
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
        _require(
            math.isfinite(lower) and math.isfinite(upper) and lower < upper,
            f"`range` must be finite and increasing, got {list(self.range)}.",
        )
        _require_json("parameters", self.parameters)


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
        _require_sha256(self.sha256)


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
            _require(
                (getattr(self, name) is None) == (self.kind == "posterior"),
                f"`{name}` must be null for the posterior and for it only, got {self.kind!r}.",
            )
        if self.sha256 is not None:
            _require_sha256(self.sha256)
        _require(
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
        _require(self.size >= 1, f"`size` must be at least 1, got {self.size}.")
        _require(
            0 <= self.index < self.size, f"`index` must lie in [0, {self.size}), got {self.index}."
        )
        _require_nonnegative("log_cost", self.log_cost)


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
        _require_sha256(self.sha256)


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
    """Tensors that share a scale in P and one in Q.

    Attributes:
        name: Name of the group, unique.
        size: Number of weights.
        sigma_prior: Standard deviation of each weight under P.
        sigma_posterior: Standard deviation of each weight under Q.
        distance_squared: Squared Euclidean distance between the two centres.
    """

    name: str
    size: int
    sigma_prior: float
    sigma_posterior: float
    distance_squared: float

    def __post_init__(self) -> None:
        _require(self.size >= 1, f"`size` must be at least 1, got {self.size}.")
        for name in ("sigma_prior", "sigma_posterior"):
            value = getattr(self, name)
            _require(
                0 < value < math.inf,
                f"`{name}` must be positive and finite, got {value}; a scale of 0 makes the KL "
                "infinite.",
            )
        _require_nonnegative("distance_squared", self.distance_squared)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """The distribution Q over weights whose risk is certified.

    Attributes:
        centre: Its mean, the fine-tuned model; the compressed network itself if that is certified.
        family: `gaussian`, or `point` for a compressed network, which has no groups.
        choice: How centre and scales were chosen, in words; free, as the bound holds for all.
        groups: Scales and distances of all weights that differ between P and Q or are perturbed.
            They describe P and Q together and are therefore written once, here.
    """

    centre: Centre
    family: str
    choice: str
    groups: tuple[TensorGroup, ...]

    def __post_init__(self) -> None:
        _require_unique("groups", (group.name for group in self.groups))


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
        _require_interval("interval", self.interval, self.mean)
        _require_probability("delta", self.delta)


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
        _require_sha256(self.sha256)
        _require(self.n >= 1, f"`n` must be at least 1, got {self.n}.")
        for risk in (self.stochastic, self.unperturbed):
            if risk.n_errors is not None:
                _require(
                    0 <= risk.n_errors <= self.n
                    and math.isclose(risk.mean * self.n, risk.n_errors, abs_tol=1e-6),
                    f"`n_errors` must be `mean` times `n`, got {risk.n_errors}, {risk.mean} and "
                    f"{self.n}.",
                )


@dataclass(frozen=True, kw_only=True)
class Complexity:
    """The two parts of (KL + ln(xi(n) / delta)) / n.

    Attributes:
        kl: KL / n.
        log_term: The rest, with the cost of the prior's scale.
    """

    kl: float
    log_term: float

    def __post_init__(self) -> None:
        _require_nonnegative("kl", self.kl)
        _require_nonnegative("log_term", self.log_term)


def parts_of(
    *, upper: float, empirical_risk: float, empirical_risk_upper: float, complexity: Complexity
) -> dict[Part, float]:
    """Split an upper risk bound into parts that add up to it.

    The mean loss, what the uncertainty of that mean adds, and the rest, which KL and log term share
    as they share the complexity.
    """
    sampling = min(empirical_risk_upper, upper) - empirical_risk
    rest = upper - empirical_risk - sampling
    share = complexity.kl / (complexity.kl + complexity.log_term)
    return {
        "empirical_risk": empirical_risk,
        "monte_carlo": sampling,
        "kl": rest * share,
        "log_term": rest * (1 - share),
    }


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
        _require(self.n >= 1, f"`n` must be at least 1, got {self.n}.")
        _require(self.n_draws >= 1, f"`n_draws` must be at least 1, got {self.n_draws}.")
        _require(
            0 <= self.n_unscorable <= self.n_records,
            f"`n_unscorable` must lie in [0, n_records], got {self.n_unscorable}.",
        )
        _require_interval("empirical_risk_bound", self.empirical_risk_bound, self.empirical_risk)
        _require_interval("risk_bound", self.risk_bound)
        for name, value in {**self.bounds, "unperturbed_risk": self.unperturbed_risk}.items():
            _require(0 <= value <= 1, f"`{name}` must lie in [0, 1], got {value}.")
        _require(
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
class Certificate:
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
        _require(
            self.schema == SCHEMA,
            f"`schema` must be {SCHEMA!r}, got {self.schema!r}; the usual mistake is a file of "
            "another kind or another version.",
        )
        _require_timestamp(self.created)
        _require(bool(self.strata), "`strata` must not be empty.")
        _require_unique("strata", (stratum.name for stratum in self.strata))
        _require_nonnegative("kl", self.kl)
        self._require_kl_by_group()
        for stratum in self.strata if self.object.target == "fresh" else ():
            _require(
                stratum.n_records >= stratum.n,
                f"`n_records` must be at least `n`, got {stratum.n_records} < {stratum.n}; a unit "
                "has one record or more.",
            )
        _require_json("joint", self.joint)

    def _require_kl_by_group(self) -> None:
        for name, value in self.kl_by_group.items():
            if self.object.kind == "posterior":
                _require_nonnegative(f"kl_by_group.{name}", value)
        names = {group.name for group in self.posterior.groups}
        _require(
            set(self.kl_by_group) == names,
            "`kl_by_group` must name the posterior's groups, they differ in "
            f"{sorted(set(self.kl_by_group) ^ names)}.",
        )
        if self.object.kind == "compressed":
            bits = self.object.code_bits or 0
            _require(
                math.isclose(self.kl, bits * math.log(2), rel_tol=1e-9),
                f"`kl` must be `code_bits` times ln 2, got {self.kl} for {bits} bits.",
            )
            return
        total = math.fsum(self.kl_by_group.values())
        if self.object.kind == "drawn":
            total = max(0.0, total)
        # two orders of summing differ by rounding only, far below 1e-9
        _require(
            math.isclose(total, self.kl, rel_tol=1e-9, abs_tol=1e-9),
            f"`kl_by_group` must add up to `kl`, {total} is not {self.kl}.",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the certificate as JSON values, keys in the order of the schema."""
        values: dict[str, Any] = _to_json(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Certificate:
        """Return the certificate that `to_dict` has written.

        Raises:
            InputError: The schema is another, a key is missing, unknown or of the wrong type, or
                the values contradict one another; the key is named.
        """
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            found = values.get("schema") if isinstance(values, dict) else strict_json.kind(values)
            raise InputError(
                f"not a certificate: `schema` must be {SCHEMA!r}, got {found!r}; the usual mistake "
                "is a file of another kind or another version."
            )
        certificate: Certificate = _from_json(cls, values, "")
        return certificate

    def to_json(self) -> str:
        """Return the text of `certificate.json`; floats are written so that they come back."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        return text + "\n"

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Return the certificate written in `text`.

        Raises:
            InputError: The text is not strict JSON, or as for `from_dict`.
        """
        try:
            values = strict_json.parse(text)
        except strict_json.JsonError as error:
            raise InputError(f"not a certificate: {error}.") from error
        return cls.from_dict(values)

    def write(self, path: str | Path) -> None:
        """Write `certificate.json`, all of it or nothing.

        Raises:
            InputError: The file cannot be written; what was there before is still there.
        """
        # a path of the data that is not valid UTF-8 holds lone surrogates: they become \udcXX,
        # which is JSON's own escape
        content = self.to_json().encode(errors="backslashreplace")
        try:
            _replace(Path(path), content)
        except OSError as error:
            raise InputError(
                f"the certificate cannot be written: {error.strerror}.", path=path
            ) from error

    @classmethod
    def read(cls, path: str | Path) -> Certificate:
        """Return the certificate in a file.

        Raises:
            InputError: The file cannot be read, or as for `from_json`; the file is named.
        """
        try:
            text = Path(path).read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}.", path=path) from error
        except UnicodeDecodeError as error:
            raise InputError("not a certificate: invalid UTF-8.", path=path) from error
        try:
            return cls.from_json(text)
        except InputError as error:
            raise InputError(str(error), path=path) from error


def _replace(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader sees the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def _to_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: _to_json(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):  # sorted: equal certificates are equal texts
        return {key: _to_json(value[key]) for key in sorted(value)}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    return value


def _from_json(kind: Any, value: Any, where: str) -> Any:
    """Return `value`, found at the key `where`, as the annotation `kind` asks."""
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _dataclass_from_json(kind, value, where)
    origin, args = get_origin(kind), get_args(kind)
    if origin is UnionType:  # a type or None
        return None if value is None else _from_json(args[0], value, where)
    if origin is Literal:
        if value not in args:
            raise InputError(f"`{where}` must be one of {list(args)}, got {value!r}.")
        return value
    if origin is tuple:
        return _tuple_from_json(args, value, where)
    if origin is dict:
        items = _typed(dict, value, where).items()
        return {key: _from_json(args[1], item, f"{where}.{key}") for key, item in items}
    return _typed(kind, value, where)


def _dataclass_from_json(kind: Any, value: Any, where: str) -> Any:
    values = _typed(dict, value, where)
    kinds = get_type_hints(kind)
    prefix = f"{where}." if where else ""
    for key in kinds:
        _require(key in values, f"`{prefix}{key}` is missing.")
    for key in values:
        _require(key in kinds, f"`{prefix}{key}` is not a key of {SCHEMA}.")
    fields = {key: _from_json(kinds[key], values[key], prefix + key) for key in kinds}
    try:
        return kind(**fields)
    except InputError as error:
        raise InputError(f"`{where}`: {error}" if where else str(error)) from error


def _tuple_from_json(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    items = _typed(list, value, where)
    kinds = (args[0],) * len(items) if args[-1] is ... else args
    _require(len(items) == len(kinds), f"`{where}` must have {len(kinds)} items, got {len(items)}.")
    return tuple(
        _from_json(kind, item, f"{where}[{i}]")
        for i, (kind, item) in enumerate(zip(kinds, items, strict=True))
    )


_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false"}
_NAMES |= {int: "an integer", float: "a number", NoneType: "null"}


def _typed(kind: type, value: Any, where: str) -> Any:
    if kind is float and type(value) is int:
        with suppress(OverflowError):
            return float(value)
    if type(value) is not kind:
        place = f"`{where}`" if where else "a certificate"
        raise InputError(f"{place} must be {_NAMES[kind]}, got {strict_json.kind(value)}.")
    return value


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise InputError(message)


def _require_probability(name: str, value: float) -> None:
    _require(0 < value < 1, f"`{name}` must lie in (0, 1), got {value}.")


def _require_nonnegative(name: str, value: float) -> None:
    _require(0 <= value < math.inf, f"`{name}` must be finite and at least 0, got {value}.")


def _require_interval(name: str, interval: Interval, inside: float | None = None) -> None:
    lower, upper = interval
    _require(
        0 <= lower <= upper <= 1, f"`{name}` must satisfy 0 <= lower <= upper <= 1, got {interval}."
    )
    _require(
        inside is None or lower <= inside <= upper,
        f"`{name}` must contain the mean {inside}, got {interval}.",
    )


def _require_unique(name: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        _require(value not in seen, f"`{name}` must have unique names, got {value!r} twice.")
        seen.add(value)


def _require_sha256(value: str) -> None:
    _require(
        len(value) == 64 and not set(value) - set("0123456789abcdef"),
        f"`sha256` must be 64 hexadecimal digits in lower case, got {value!r}.",
    )


def _require_timestamp(value: str) -> None:
    try:
        aware = datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        aware = False
    _require(aware, f"`created` must be ISO 8601 with a time zone, got {value!r}.")


def _require_json(name: str, value: dict[str, Any]) -> None:
    """Refuse what would not come back from JSON: NaN, tuples, keys that are no strings."""
    try:
        same = json.loads(json.dumps(value, allow_nan=False)) == value
    except (TypeError, ValueError):
        same = False
    _require(same, f"`{name}` must hold JSON values only (no NaN, lists for tuples), got {value}.")
