"""The divergence from the weights themselves: what changed, how far, and against which scales."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pacbayes.verify.comparisons import Report
from pacbayes.verify.reading import UnreadableError, content, strict
from pacbayes.verify.tensors import Weights, family_in, read_weights, rounded

RELATIVE = 1e-9
"""Of sums over weights, which the certificate has in float64 to 1.5e-13."""

DRAWN = 1e-5
"""Of the log density of a network that was rounded when it was written, in nats for each root of
its number of weights and for each nat of its parts."""

_STEPS, _LOWEST = 32, -512
"""The prior's scales are 2^((k − 512)/32), k from 0."""


def check_weights(
    document: dict[str, Any],
    report: Report,
    checkpoint: Path,
    prior: Path | None,
    network: Path | None,
) -> None:
    """Groups are the tensors that changed; their sizes, distances and prior scales are right.

    Args:
        document: The certificate.
        report: Is added to.
        checkpoint: Folder of the fine-tuned model, or the file of a posterior.
        prior: Folder before fine-tuning. Without it nothing is checked, but for an adapter whose
            factors were 0 in the prior, which the base then stands for.
        network: Folder of a network drawn from the posterior.
    """
    base = document["prior"]["base"]
    adapter = base is not None
    at_zero = adapter and document["prior"]["centre"]["sha256"] == base["sha256"]
    if document["object"]["kind"] == "compressed" or (prior is None and not at_zero):
        return
    dtype = "float32" if adapter else document["environment"]["dtype"]
    after = _centre(read_weights(checkpoint), is_file=checkpoint.is_file())
    before = {} if prior is None else read_weights(prior)
    groups = {group["name"]: i for i, group in enumerate(document["posterior"]["groups"])}
    names = [f"posterior.groups[{i}].name" for i in groups.values()]
    values = _Values(after, before, dtype)
    changed = [name for name in sorted(after) if values.changed(name)]
    moved = "; factors " in document["posterior"]["choice"]
    if moved or checkpoint.is_file():
        changed = [name for name in sorted(after) if name in groups]
    report.equal("posterior.groups", sorted(groups), changed, *names)
    if not groups.keys() <= after.keys():
        return
    for name, i in groups.items():
        size = document["posterior"]["groups"][i]["size"]
        report.equal(f"posterior.groups[{i}].size", size, after[name].size)
        if after[name].size != size:
            return
    scales = _own_scales(values, [n for n in changed if n in groups], prior, adapter=adapter)
    for name, i in groups.items():
        group, at = document["posterior"]["groups"][i], f"posterior.groups[{i}]"
        if not moved:
            found = values.distance_squared(name)
            close = math.isclose(group["distance_squared"], found, rel_tol=RELATIVE, abs_tol=1e-300)
            report.holds(close, f"{at}.distance_squared", group["distance_squared"], repr(found))
            report.pinned.add(f"{at}.distance_squared")
        if name in scales:
            _check_scale(document, report, i, scales[name])
    if checkpoint.is_file():
        _check_spread(document, report, checkpoint)
    alike = document["posterior"]["family"] == "gaussian" and not moved
    if document["object"]["kind"] == "drawn" and network is not None and alike:
        _check_drawn(document, report, values, read_weights(network))


def _centre(tensors: dict[str, Weights], *, is_file: bool) -> dict[str, Weights]:
    """Means of a posterior's file; a folder's tensors are what they are."""
    if not is_file:
        return tensors
    prefix = "means/"
    return {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}


class _Values:
    """The numbers in two sets of tensors, as the model holds them."""

    def __init__(
        self, after: Mapping[str, Weights], before: Mapping[str, Weights], dtype: str
    ) -> None:
        self.after, self.before, self.dtype = after, before, dtype

    def prior(self, name: str) -> Sequence[float]:
        """Of the prior's centre; zeros where none was kept."""
        if not self.before:
            return [0.0] * self.after[name].size
        if name not in self.before or self.before[name].shape != self.after[name].shape:
            raise UnreadableError(f"the prior has no tensor {name!r} of the checkpoint's shape.")
        return rounded(self.before[name].values(), self.dtype)

    def posterior(self, name: str) -> Sequence[float]:
        """Of the posterior's centre."""
        return rounded(self.after[name].values(), self.dtype)

    def changed(self, name: str) -> bool:
        """Whether the centres differ in this tensor."""
        return any(a != b for a, b in zip(self.posterior(name), self.prior(name), strict=True))

    def distance_squared(self, name: str) -> float:
        """Between the centres."""
        pairs = zip(self.posterior(name), self.prior(name), strict=True)
        return math.fsum((a - b) ** 2 for a, b in pairs)


def _own_scales(
    values: _Values, names: Sequence[str], prior: Path | None, *, adapter: bool
) -> dict[str, float]:
    """Scales of the tensors in the prior, up to their common factor, from the prior alone."""
    noted = _noted(prior)
    if noted and all(name in noted for name in names):
        return {name: noted[name] for name in names}
    if adapter:
        _require_matrices(values.after, names)
        return {name: (3 * values.after[name].shape[-1]) ** -0.5 for name in names}
    squares = {name: math.fsum(x * x for x in values.prior(name)) for name in names}
    own = {name: math.sqrt(squares[name] / values.after[name].size) for name in names}
    positive = [scale for scale in own.values() if scale > 0]
    typical = sum(positive) / len(positive) if positive else 1.0
    return {name: scale or typical for name, scale in own.items()}


def _require_matrices(tensors: Mapping[str, Weights], names: Sequence[str]) -> None:
    for name in names:
        if len(tensors[name].shape) != 2:
            raise UnreadableError(f"{tensors[name].path}: the factor {name!r} is no matrix.")


def _noted(prior: Path | None) -> dict[str, float]:
    """Noise that was learned with the prior."""
    path = None if prior is None else prior / "pacbayes.json"
    if path is None or not path.is_file():
        return {}
    raw = content(path)
    try:
        noted = {k: float(v) for k, v in strict(raw).get("sigma_posterior", {}).items()}
        if not all(0 < scale < math.inf for scale in noted.values()):
            raise ValueError("a scale is not positive")
        return noted
    except (ValueError, AttributeError, TypeError, OverflowError) as error:
        raise UnreadableError(f"{path}: cannot be read ({error}).") from None


def _check_scale(document: dict[str, Any], report: Report, place: int, own: float) -> None:
    """The prior's scale is the tensor's own times one of the factors that were fixed before."""
    grid, groups = document["prior"]["scale_grid"], document["posterior"]["groups"]
    where, recorded = f"posterior.groups[{place}].sigma_prior", groups[place]["sigma_prior"]
    if grid["size"] == 1:
        return
    wanted = own * 2.0 ** ((grid["index"] + _LOWEST) / _STEPS)
    close = math.isclose(recorded, wanted, rel_tol=1e-7)
    report.holds(close, where, recorded, repr(wanted), "prior.scale_grid.index")
    report.pinned |= {where, "prior.scale_grid.index"}


def _check_spread(document: dict[str, Any], report: Report, path: Path) -> None:
    """Family and scales of a posterior's file, where weights are independent.

    Of d independent weights with scales s_i, σ² is the mean of s_i² and the anisotropy
    d ln σ − Σ ln s_i.
    """
    family, tensors = family_in(path), read_weights(path)
    one_scale = family in ("isotropic", "per-group")
    named = "gaussian" if one_scale else family
    report.equal("posterior.family", document["posterior"]["family"], named)
    for i, group in enumerate(document["posterior"]["groups"]):
        found = tensors.get(f"scales/{group['name']}")
        if family not in ("diagonal", "per-group") or found is None:
            continue
        scales, at = rounded(found.values(), "float32"), f"posterior.groups[{i}]"
        if not scales or min(scales) <= 0:
            raise UnreadableError(f"{path}: the scales of {group['name']!r} must be positive.")
        sigma, size = group["sigma_posterior"], group["size"]
        wanted = math.sqrt(math.fsum(s * s for s in scales) / len(scales))
        close = math.isclose(sigma, wanted, rel_tol=RELATIVE)
        report.holds(close, f"{at}.sigma_posterior", sigma, repr(wanted))
        logs = math.fsum(map(math.log, scales)) * size / len(scales)
        excess, allowed = size * math.log(sigma) - logs, RELATIVE * size
        close = abs(group["anisotropy"] - excess) <= allowed
        report.holds(close, f"{at}.anisotropy", group["anisotropy"], repr(excess))


def _check_drawn(
    document: dict[str, Any], report: Report, values: _Values, network: Mapping[str, Weights]
) -> None:
    """Ln (dQ/dP)(h) at the network as it was written, for Gaussians of one scale in each group."""
    for i, group in enumerate(document["posterior"]["groups"]):
        name, size = group["name"], group["size"]
        if name not in network or network[name].size != values.after[name].size:
            raise UnreadableError(f"the network has no tensor {name!r} of the checkpoint's size.")
        h, w, prior = network[name].values(), values.posterior(name), values.prior(name)
        parts = (
            size * math.log(group["sigma_prior"] / group["sigma_posterior"]),
            -math.fsum((a - b) ** 2 for a, b in zip(h, w, strict=True))
            / (2 * group["sigma_posterior"] ** 2),
            math.fsum((a - b) ** 2 for a, b in zip(h, prior, strict=True))
            / (2 * group["sigma_prior"] ** 2),
        )
        found, recorded = math.fsum(parts), document["kl_by_group"].get(name, math.nan)
        allowed = DRAWN * (math.sqrt(size) + sum(map(abs, parts)))
        where, sigma = f"kl_by_group.{name}", f"posterior.groups[{i}].sigma_posterior"
        close = abs(found - recorded) <= allowed
        report.holds(close, where, recorded, f"{found!r} ± {allowed:.1g}", sigma)
        report.pinned.add(where)
