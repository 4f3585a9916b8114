"""The empirical risk from the losses under posterior draws that a run has stored."""

from __future__ import annotations

import hashlib
import math
from array import array
from pathlib import Path
from typing import Any

from flint import arb

from pacbayes.verify.comparisons import Report
from pacbayes.verify.core import PASSES, kl_margin
from pacbayes.verify.inputs.pairs import check_pairs, share_of
from pacbayes.verify.inputs.tensors import read_losses
from pacbayes.verify.reading import UnreadableError, content, strict


def check_draws(document: dict[str, Any], report: Report, folder: Path) -> None:
    """The losses are of this model, these data and this seed, and their means are as recorded.

    Args:
        document: The certificate.
        report: Is added to.
        folder: `draws` of the run, or the folder in it.

    Raises:
        UnreadableError: There is no such folder, or a file in it is damaged or missing.
    """
    place, key = _key(document, folder)
    _check_key(document, report, key)
    name = document["loss"]["name"]
    if name not in key["losses"]:
        return
    row = key["losses"].index(name)
    for i, stratum in enumerate(document["strata"]):
        if document["object"]["target"] == "fresh":
            _check_centre(report, i, stratum, place, row)
        if document["object"]["kind"] != "posterior":
            continue
        if PASSES.fullmatch(stratum["sampling"]):
            _check_passes(document, report, i, place, row)
        elif (place / f"stratum{i}.units0.npy").is_file():
            check_pairs(document, report, i, place, row, key["block"] or 1)


def _key(document: dict[str, Any], folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder whose key fits the certificate best, and the key."""
    paths = [folder / "key.json", *sorted(folder.glob("*/key.json"))]
    keys = {path.parent: _read_key(path) for path in paths if path.is_file()}
    if not keys:
        raise UnreadableError(f"{folder}: holds no stored draws (no key.json).")

    def fits(place: Path) -> int:
        return sum(keys[place].get(k) == said for k, (_, said) in _stated(document).items())

    best = max(keys, key=fits)
    return best, keys[best]


def _read_key(path: Path) -> dict[str, Any]:
    raw = content(path)
    try:
        key: dict[str, Any] = strict(raw)
        if path.parent.name != hashlib.sha256(raw).hexdigest()[:16]:
            raise ValueError("it is not what its folder is named after")
        _require_shape(key)
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{path}: is no key of stored draws ({error!r}).") from None
    return key


def _require_shape(key: dict[str, Any]) -> None:
    if not all(isinstance(name, str) for name in [*key["losses"], *key["sigmas"]]):
        raise ValueError("`losses` and `sigmas` must have names")
    if not all(isinstance(entry, list) and len(entry) == 3 for entry in key["strata"]):
        raise ValueError("`strata` must be lists of three")
    if type(key["block"]) not in (int, type(None)) or (key["block"] or 1) < 1:
        raise ValueError("`block` must be at least 1, or null")


def _stated(document: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], Any]]:
    """What the key must say, with the fields that say it."""
    prior, posterior, environment = (document[k] for k in ("prior", "posterior", "environment"))
    base = prior["base"]
    packages = tuple(f"environment.packages.{name}" for name in environment["packages"])
    stated: dict[str, tuple[tuple[str, ...], Any]] = {
        "version": (("version",), document["version"]),
        "seed": (("seed",), document["seed"]),
        "data": (
            tuple(f"data[{i}].sha256" for i in range(len(document["data"]))),
            [file["sha256"] for file in document["data"]],
        ),
        "base": (("prior.base.sha256",), None if base is None else base["sha256"]),
        "environment": ((*packages, "environment.device", "environment.dtype"), environment),
    }
    if posterior["family"] != "point":
        stated |= {
            "posterior": (("posterior.centre.sha256",), posterior["centre"]["sha256"]),
            "choice": (("posterior.choice",), posterior["choice"]),
            "sigmas": (
                tuple(
                    f"posterior.groups[{i}].sigma_posterior"
                    for i in range(len(posterior["groups"]))
                ),
                {group["name"]: group["sigma_posterior"] for group in posterior["groups"]},
            ),
        }
    return stated


def _check_key(document: dict[str, Any], report: Report, key: dict[str, Any]) -> None:
    for name, (fields, said) in _stated(document).items():
        if not fields:
            continue
        where, *others = fields
        report.equal(where, said, key.get(name), *others)
    strata = document["strata"]
    tokens = document["object"]["target"] == "tokens"
    said = [[s["name"], None if tokens else s["n"]] for s in strata]
    found = [[name, None if tokens else n] for name, n, _ in key["strata"]]
    report.equal("strata", said, found, *(f"strata[{i}].name" for i in range(len(strata))))
    loss = document["loss"]["name"]
    report.holds(loss in key["losses"], "loss.name", loss, f"one of {key['losses']}")


def _mean(rows: list[array[float]]) -> float:
    return math.fsum(math.fsum(row) for row in rows) / sum(map(len, rows))


def _check_centre(report: Report, i: int, stratum: dict[str, Any], place: Path, row: int) -> None:
    """The loss without noise, where it was kept."""
    paths = [place / f"stratum{i}.{name}.npy" for name in ("centre", "margins")]
    path = next(filter(Path.is_file, paths), None)
    if path is None:
        return
    found = _mean([read_losses(path, row)])
    where = f"strata[{i}].unperturbed_risk"
    close = math.isclose(stratum["unperturbed_risk"], found, rel_tol=1e-12, abs_tol=1e-15)
    report.holds(close, where, stratum["unperturbed_risk"], repr(found))
    report.pinned.add(where)


def _check_passes(document: dict[str, Any], report: Report, i: int, place: Path, row: int) -> None:
    """The mean of whole passes, and of the logarithms of bets."""
    stratum, at = document["strata"][i], f"strata[{i}]"
    said = PASSES.fullmatch(stratum["sampling"])
    if said is None:
        raise ValueError(stratum["sampling"])
    numbers = range(int(said[1]))
    losses = [read_losses(place / f"stratum{i}.pass{number}.npy", row) for number in numbers]
    for part in losses:
        report.equal(f"{at}.n", stratum["n"], len(part))
    found = min(1.0, _mean(losses))
    close = math.isclose(stratum["empirical_risk"], found, rel_tol=1e-12, abs_tol=1e-15)
    report.holds(close, f"{at}.empirical_risk", stratum["empirical_risk"], repr(found))
    share = arb(document["delta"]["ledger"][2 * i + 1]["delta"]) / 4
    cost = -share.log() / stratum["n_draws"]
    block = int(said[2] or 1)
    stretch = arb(-(-stratum["n"] // block) * block) / stratum["n"]
    for j, bet in enumerate(stratum["bets"]):
        lam = bet["lam"]
        mean = _mean([array("d", (share_of(lam, x) for x in part)) for part in losses])
        margin = kl_margin(arb(mean) / stretch, cost, stretch, above=lam > 0)
        recorded = bet["mean_log"] / math.log1p(-lam)
        where = f"{at}.bets[{j}].mean_log"
        share = min(1.0, max(0.0, recorded))
        report.end(where, share, margin, f"{at}.bets[{j}].lam", above=lam > 0)
        report.pinned |= {where, f"{at}.bets[{j}].lam"}
