"""One network: drawn from the posterior, or decoded from a code."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pacbayes.schemas import below
from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.centres import Values, at_zero, dtype_of, own_scales
from pacbayes.verify.inputs.codes import NAME, read_code, shifts
from pacbayes.verify.inputs.spreads import PosteriorFile
from pacbayes.verify.inputs.tensors import Weights, read_weights
from pacbayes.verify.reading import UnreadableError

DRAWN = 1e-5
"""Of the log density of a network that was rounded when it was written, in nats for each root of
its number of weights and for each nat of its parts."""

_ROUNDING = {
    "F64": (2.0**-52, 0.0),
    "F32": (2.0**-24, 2.0**-149),
    "F16": (2.0**-11, 2.0**-24),
    "BF16": (2.0**-8, 2.0**-133),
}
"""How far rounding moves a number at most: relative to it, and the least number there is."""

_SUMS = 1e-12
"""Relative error of the scales, which are roots of sums of squares in float64."""


def check_drawn(
    document: dict[str, Any],
    report: Report,
    values: Values,
    network: Mapping[str, Weights],
    file: PosteriorFile | None,
) -> None:
    """Ln (dQ/dP)(h) at the network as it was written, where weights are independent under Q.

    Args:
        document: The certificate of a drawn network.
        report: Is added to.
        values: The centres.
        network: Its weights.
        file: The posterior's, if it has one.
    """
    family = document["posterior"]["family"]
    if family not in ("gaussian", "diagonal") or (family == "diagonal" and file is None):
        return
    for i, group in enumerate(document["posterior"]["groups"]):
        name, size = group["name"], group["size"]
        if name not in values.after or name not in network:
            raise UnreadableError(f"the network has no tensor {name!r} of the posterior.")
        if network[name].size != values.after[name].size:
            raise UnreadableError(f"the network's tensor {name!r} has another size.")
        scales: Sequence[float] = [group["sigma_posterior"]]
        if family == "diagonal" and file is not None:
            scales = file.scales(name)
        parts = _log_ratio(
            network[name].values(), values, name, scales, sigma_prior=group["sigma_prior"]
        )
        found, recorded = math.fsum(parts), document["kl_by_group"].get(name, math.nan)
        allowed = DRAWN * (math.sqrt(size) + sum(map(abs, parts)))
        where, sigma = below("kl_by_group", name), f"posterior.groups[{i}].sigma_posterior"
        close = abs(found - recorded) <= allowed
        report.holds(close, where, recorded, f"{found!r} ± {allowed:.1g}", sigma)
        report.pinned.add(where)


def _log_ratio(
    h: Sequence[float],
    values: Values,
    name: str,
    scales: Sequence[float],
    *,
    sigma_prior: float,
) -> tuple[float, float, float]:
    """Logarithms of the scales, and the two squared distances in units of them."""
    each = [*scales] * (len(h) // len(scales))
    q = zip(h, values.posterior(name), each, strict=True)
    p = zip(h, values.prior(name), strict=True)
    return (
        math.fsum(math.log(sigma_prior / s) for s in each),
        -math.fsum(((a - b) / s) ** 2 for a, b, s in q) / 2,
        math.fsum((a - b) ** 2 for a, b in p) / (2 * sigma_prior**2),
    )


def check_compressed(
    document: dict[str, Any], report: Report, network: Path, prior: Path | None
) -> None:
    """The code beside the network has the recorded length, and decodes to this network.

    Args:
        document: The certificate of a compressed network.
        report: Is added to.
        network: Its folder.
        prior: Folder before fine-tuning, as for `check_weights`.
    """
    if prior is None and not at_zero(document):
        return
    adapter = document["prior"]["base"] is not None
    before = {} if prior is None else read_weights(prior)
    values = Values(read_weights(network), before, dtype_of(document))
    names = values.changed
    sizes = [values.after[name].size for name in names]
    code = read_code(network / NAME, sizes)
    report.equal("object.code_bits", document["object"]["code_bits"], code.n_bits)
    if report.findings:
        return
    scales = own_scales(values, names, prior, adapter=adapter)
    moved = shifts(code, sizes, [scales[name] for name in names])
    for name, shift in zip(names, moved, strict=True):
        same = _is_rounded(values.after[name], values.prior(name), shift)
        wanted = f"that of a network with the {name} of its code"
        report.holds(same, "object.sha256", document["object"]["sha256"], wanted)


def _is_rounded(written: Weights, prior: Sequence[float], shift: Sequence[float]) -> bool:
    """Whether the weights are those of the prior plus the shift, up to rounding."""
    relative, least = _ROUNDING[written.dtype]
    return all(
        abs(w - (p + s)) <= 1.001 * relative * abs(p + s) + least + _SUMS * abs(s)
        for w, p, s in zip(written.values(), prior, shift, strict=True)
    )
