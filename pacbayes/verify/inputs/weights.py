"""The divergence from the weights themselves: what changed, how far, and against which scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.centres import Values, at_zero, dtype_of, own_scales
from pacbayes.verify.inputs.factors import change_of_product
from pacbayes.verify.inputs.networks import check_drawn
from pacbayes.verify.inputs.spreads import RELATIVE, PosteriorFile, check_spread
from pacbayes.verify.inputs.tensors import read_weights
from pacbayes.verify.reading import UnreadableError

_STEPS, _LOWEST = 32, -512
"""The prior's scales are 2^((k − 512)/32), k from 0."""


def check_weights(
    document: dict[str, Any],
    report: Report,
    *,
    checkpoint: Path | None,
    posterior: Path | None,
    prior: Path | None,
    network: Path | None,
) -> None:
    """Groups are the tensors that changed; their sizes, distances and prior scales are right.

    Args:
        document: The certificate, of a posterior or of a network drawn from it.
        report: Is added to.
        checkpoint: Folder of the fine-tuned model; not needed with a posterior.
        posterior: File of the posterior, if it is centred elsewhere.
        prior: Folder before fine-tuning. Without it nothing is checked, but for an adapter whose
            factors were 0 in the prior, which the base then stands for.
        network: Folder of a network drawn from the posterior.
    """
    base = document["prior"]["base"]
    if prior is None and not at_zero(document):
        return
    before = {} if prior is None else read_weights(prior)
    dtype = dtype_of(document)
    trained = None if checkpoint is None else Values(read_weights(checkpoint), before, dtype)
    file = None if posterior is None else PosteriorFile(posterior)
    centre = trained if file is None else Values(file.means, before, dtype)
    if centre is None:
        return
    groups = {group["name"]: i for i, group in enumerate(document["posterior"]["groups"])}
    _check_names(report, groups, sorted(centre.after) if trained is None else trained.changed)
    known = [name for name in groups if name in centre.after]
    scales = own_scales(centre, known, prior, adapter=base is not None)
    moved = "; factors " in document["posterior"]["choice"]
    for name in known:
        _check_group(document, report, groups[name], centre, distances=not moved or bool(file))
        _check_scale(document, report, groups[name], scales[name])
    if file is not None:
        report.equal("posterior.groups", sorted(groups), sorted(centre.after))
        check_spread(document, report, file)
        if moved and trained is not None:
            _check_products(report, known, trained, centre)
    known_centre = file is not None or not moved
    if document["object"]["kind"] == "drawn" and network is not None and known_centre:
        check_drawn(document, report, centre, read_weights(network), file)


def _check_names(report: Report, groups: dict[str, int], changed: Sequence[str]) -> None:
    names = [f"posterior.groups[{i}].name" for i in groups.values()]
    report.equal("posterior.groups", sorted(groups), list(changed), *names)


def _check_group(
    document: dict[str, Any], report: Report, place: int, centre: Values, *, distances: bool
) -> None:
    """Size and distance of one tensor."""
    group, at = document["posterior"]["groups"][place], f"posterior.groups[{place}]"
    report.equal(f"{at}.size", group["size"], centre.after[group["name"]].size)
    if distances:
        recorded, found = group["distance_squared"], centre.distance_squared(group["name"])
        close = math.isclose(recorded, found, rel_tol=RELATIVE, abs_tol=1e-300)
        report.holds(close, f"{at}.distance_squared", recorded, repr(found))
        report.pinned.add(f"{at}.distance_squared")


def _check_products(report: Report, names: Sequence[str], trained: Values, moved: Values) -> None:
    """Where both factors are covered their product is the checkpoint's; the others are its own."""
    for name in names:
        a_name, b_name = (name.replace(f".lora_{x}.", f".lora_{y}.") for x, y in ("BA", "AB"))
        where, source = "posterior.choice", "posterior.centre.sha256"
        if name not in trained.after or trained.after[name].shape != moved.after[name].shape:
            raise UnreadableError(
                f"the checkpoint has no tensor {name!r} of the posterior's shape."
            )
        if a_name == b_name or not {a_name, b_name} <= set(names):
            same = list(moved.posterior(name)) == list(trained.posterior(name))
            report.holds(same, where, f"{name!r} moved alone", "that of the checkpoint", source)
        elif name == a_name:
            before, after = (
                (values.posterior(a_name), values.posterior(b_name)) for values in (trained, moved)
            )
            rank = moved.after[a_name].shape[0]
            change = change_of_product(before, after, rank, moved.dtype)
            far = f"a product with {name!r} that is {change.distance:.3g} from the checkpoint's"
            report.holds(change.explained, where, far, f"at most {change.allowed:.3g}", source)


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
