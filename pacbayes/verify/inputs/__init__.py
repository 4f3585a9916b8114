"""What a certificate was made from: hashes, numbers of records and units."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from flint import ctx

from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.draws import check_draws
from pacbayes.verify.inputs.networks import check_compressed
from pacbayes.verify.inputs.tensors import digest, identity, notes_in
from pacbayes.verify.inputs.weights import check_weights
from pacbayes.verify.reading import UnreadableError, content

_BITS = 128

_GIVEN = "given"
"""How a posterior was chosen that may have been made from another checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files and folders at hand; those not given are not looked at.

    Attributes:
        checkpoint: Folder of the fine-tuned model.
        posterior: File of the posterior, if it is centred elsewhere than at the checkpoint.
        prior: Folder before fine-tuning.
        base: Base model of an adapter.
        network: Folder of the one network that is certified.
        data: The certification data, in the order of the certificate.
        held_out: Held-out data.
        prior_data: What the prior was trained on.
        draws: The run's folder of losses under posterior draws.
    """

    checkpoint: Path | None = None
    posterior: Path | None = None
    prior: Path | None = None
    base: Path | None = None
    network: Path | None = None
    data: Sequence[Path] = ()
    held_out: Sequence[Path] = ()
    prior_data: Sequence[Path] = ()
    draws: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Counted:
    """A file of data: its hash, its records, its independent units."""

    sha256: str
    n_records: int
    n: int


def check_inputs(document: dict[str, Any], report: Report, inputs: Inputs) -> None:
    """Adds to a report what the inputs say; the certificate itself must be in order.

    Raises:
        UnreadableError: An input cannot be read.
    """
    with ctx.workprec(_BITS):
        _check_hashes(document, report, inputs)
        if inputs.data:
            _check_data(document, report, [count(path) for path in inputs.data])
        if inputs.prior_data:
            apart = map(count, inputs.prior_data)
            _check_files("prior.data", document["prior"]["data"], report, apart)
        if inputs.held_out:
            _check_held_out(document, report, [count(path) for path in inputs.held_out])
        if document["object"]["kind"] == "compressed":
            if inputs.network is not None:
                check_compressed(document, report, inputs.network, inputs.prior)
        else:
            check_weights(
                document,
                report,
                checkpoint=inputs.checkpoint,
                posterior=inputs.posterior,
                prior=inputs.prior,
                network=inputs.network,
            )
        if inputs.draws is not None:
            check_draws(document, report, inputs.draws)


def posterior_beside(certificate: Path, document: dict[str, Any]) -> Path | None:
    """The file of a posterior in the folder of its certificate, if the certificate names one.

    Raises:
        UnreadableError: It names one that is not there.
    """
    named = PurePath(document["posterior"]["centre"]["path"])
    if document["object"]["kind"] == "compressed" or named.suffix != ".safetensors":
        return None
    path = certificate.parent / named.name
    if not path.is_file():
        raise UnreadableError(f"{path}: is not there, and the posterior is centred in it.")
    return path


def count(path: Path) -> Counted:
    """Records and units of a JSONL file: those of one `group` are one unit.

    Raises:
        UnreadableError: A line is no JSON object.
    """
    groups: set[str] = set()
    records = alone = 0
    lines = content(path).split(b"\n")
    try:
        for number, line in enumerate(lines, start=1):
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if not text:
                continue
            record = json.loads(text)
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is no object")
            records += 1
            group = record.get("group")
            if group is None:
                alone += 1
            else:
                whole = isinstance(group, float) and group.is_integer()
                groups.add(str(int(group) if whole else group))
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{path}: is no JSONL: {error}.") from None
    return Counted(sha256=digest(path), n_records=records, n=alone + len(groups))


def _check_hashes(document: dict[str, Any], report: Report, inputs: Inputs) -> None:
    prior, centre = document["prior"], document["posterior"]["centre"]
    # the centre of a compressed network is that network
    coded = document["object"]["kind"] == "compressed"
    at = inputs.checkpoint if inputs.posterior is None else inputs.posterior
    wanted = (
        ("prior.centre", prior["centre"], inputs.prior),
        ("prior.base", prior["base"], inputs.base),
        ("posterior.centre", centre, inputs.network if coded else at),
        ("object", document["object"], inputs.network),
    )
    for where, said, place in wanted:
        if place is None:
            continue
        if said is None or said.get("sha256") is None:
            report.holds(False, where, None, f"a hash, as {place} is given")
        else:
            report.equal(f"{where}.sha256", said["sha256"], identity(place))
    own = document["posterior"]["choice"] != _GIVEN
    if own and inputs.posterior is not None and inputs.checkpoint is not None:
        noted = notes_in(inputs.posterior).get("checkpoint")
        same = noted in (None, identity(inputs.checkpoint))
        report.holds(same, "posterior.centre", f"made from {noted}", "of the checkpoint given")


def _check_files(where: str, said: list[dict[str, Any]], report: Report, found: Any) -> None:
    files = list(found)
    report.equal(where, len(said), len(files))
    for i, (file, recount) in enumerate(zip(said, files, strict=False)):
        report.equal(f"{where}[{i}].sha256", file["sha256"], recount.sha256)
        report.equal(f"{where}[{i}].n_records", file["n_records"], recount.n_records)
        report.equal(f"{where}[{i}].excluded", file["excluded"], [])


def _check_data(document: dict[str, Any], report: Report, files: list[Counted]) -> None:
    """Several files are a stratum each; one file may be cut into strata that add up to it."""
    _check_files("data", document["data"], report, files)
    strata = document["strata"]
    if document["object"]["target"] == "tokens":
        return
    if len(files) == len(strata):
        for i, (stratum, file) in enumerate(zip(strata, files, strict=True)):
            report.equal(f"strata[{i}].n", stratum["n"], file.n)
            report.equal(f"strata[{i}].n_records", stratum["n_records"], file.n_records)
        return
    total = sum(stratum["n"] for stratum in strata)
    places = [f"strata[{i}].n" for i in range(len(strata))]
    report.equal("strata", f"{total} units", f"{sum(file.n for file in files)} units", *places)


def _check_held_out(document: dict[str, Any], report: Report, files: list[Counted]) -> None:
    """Each file's strata add up to it."""
    known = {file.sha256: file for file in files}
    sizes = dict.fromkeys(known, 0)
    for i, stratum in enumerate(document["strata"]):
        held = stratum["held_out"]
        if held is None:
            continue
        where = f"strata[{i}].held_out"
        report.holds(held["sha256"] in known, f"{where}.sha256", held["sha256"], "of a file given")
        report.pinned.add(f"{where}.sha256")
        if held["sha256"] in known:
            sizes[held["sha256"]] += held["n"]
    for sha256, total in sizes.items():
        wanted = known[sha256].n
        report.holds(total in (0, wanted), "strata", f"{total} held-out units", f"{wanted} units")
