"""What a plan was made from: its runs, read anew from their files."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

from pacbayes.verify.comparisons import TOLERANCE, Report
from pacbayes.verify.inputs.tensors import digest
from pacbayes.verify.reading import UnreadableError, read

_RUN, _LINES, _CERTIFICATE = "run.json", "runs.jsonl", "certificate.json"
_LEAST_KL = 0.01
_PURE = 1e-6

Run = dict[str, Any]
Key = tuple[tuple[str, float], ...]


def check_runs(plan: dict[str, Any], report: Report, path: Path) -> None:
    """Adds to a report what the runs say; the plan itself must be in order.

    Args:
        plan: The plan.
        report: Is added to.
        path: Folder of runs, or a file of them.

    Raises:
        UnreadableError: There are none, or a file is no run.
    """
    try:
        runs, sha256 = _read_runs(path)
        report.equal("runs.sha256", plan["runs"]["sha256"], sha256)
        _check(plan, report, runs)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(f"{path}: holds what is no run ({error!r}).") from None


def _read_runs(path: Path) -> tuple[list[Run], str]:
    files = sorted(path.rglob(_RUN)) if path.is_dir() else []
    if files:
        beside = [file.with_name(_CERTIFICATE) for file in files]
        sources = sorted([*files, *filter(Path.is_file, beside)])
        lines = (f"{digest(file)}  {file.relative_to(path).as_posix()}\n" for file in sources)
        listed = "".join(lines).encode(errors="surrogateescape")
        return [_filled(read(file), file) for file in files], hashlib.sha256(listed).hexdigest()
    path = path / _LINES if path.is_dir() else path
    sha256 = digest(path)
    rows = path.read_text(encoding="utf-8-sig").split("\n")
    return [json.loads(row) for row in rows if row.strip()], sha256


def _filled(run: Run, file: Path) -> Run:
    """A run with what it leaves to the certificate beside it."""
    path = file.with_name(_CERTIFICATE)
    given = {key: value for key, value in run.items() if value is not None}
    return (_of_certificate(read(path)) if path.is_file() else {}) | given


def _of_certificate(document: dict[str, Any]) -> Run:
    """Means over the strata by their units."""
    strata, prior = document["strata"], document["prior"]
    budget = sum(stratum["n"] for stratum in strata)
    base = prior["base"] or prior["centre"]
    shares = {s["name"]: s["n"] / budget for s in strata}
    held = {s["name"]: s["held_out"] for s in strata if s["held_out"] is not None}
    return {
        "base": f"{Path(base['path']).name}@{base['sha256'][:12]}",
        "train_weights": shares,
        "budget": budget,
        "loss": document["loss"]["name"],
        "delta": document["delta"]["total"],
        "kl": document["kl"],
        "risk_bound": [
            math.fsum(shares[s["name"]] * s["risk_bound"][i] for s in strata) for i in range(2)
        ],
        "tests": {k: {"mean": h["stochastic"]["mean"], "n": h["n"]} for k, h in held.items()},
    }


def _key(run: Run) -> Key:
    return tuple(sorted((s, round(w, 6)) for s, w in run["train_weights"].items() if w > _PURE))


def _check(plan: dict[str, Any], report: Report, runs: Sequence[Run]) -> None:
    for name in ("loss", "delta"):
        (found,) = {run[name] for run in runs}
        report.equal(name, plan[name], found)
    counts, bases = Counter(run["base"] for run in runs), plan["bases"]
    places = [f"bases[{i}]" for i in range(len(bases))]
    report.equal("bases", sorted(bases), sorted(counts), *places)
    difficulties = defaultdict(list)
    for run in runs:
        difficulties[_key(run)].append(run["difficulty"])
    means = {key: math.fsum(found) / len(found) for key, found in difficulties.items()}
    of_base = [run for run in runs if run["base"] == bases[0]]
    pure = [run for run in of_base if len(_key(run)) == 1]
    used = pure if len({_key(run) for run in pure}) > 1 else of_base
    report.equal("runs.number", plan["runs"]["number"], len(used))
    for i, stratum in enumerate(plan["strata"]):
        where, wanted = f"strata[{i}].difficulty", means.get(((stratum["name"], 1.0),))
        report.equal(where, stratum["difficulty"], wanted, f"strata[{i}].name")
    largest = max((run["budget"] for run in used), default=0)
    for i, answer in enumerate(plan["budgets"]):
        where, ratio = f"budgets[{i}].extrapolation", answer["budget"] / largest
        report.equal(where, answer["extrapolation"], ratio, f"budgets[{i}].budget")
        here = [run for run in used if run["budget"] == answer["budget"]]
        _check_observed(plan, report, f"budgets[{i}].observed", answer["observed"] or [], here)
    _check_growth(plan, report, used, [means[_key(run)] for run in used])


def _check_observed(
    plan: dict[str, Any], report: Report, at: str, shown: Sequence[Run], runs: Sequence[Run]
) -> None:
    """Every run of this budget is shown, as it is."""
    several = {(_key(said), said["seed"]) for said in shown}
    report.equal(at, f"{len(several)} runs", f"{len(runs)} runs")
    known = {(_key(run), run["seed"]): run for run in runs}
    for j, said in enumerate(shown):
        here, key = f"{at}[{j}]", (_key(said), said["seed"])
        fields = [f"{here}.train_weights.{name}" for name in said["train_weights"]]
        report.holds(key in known, f"{here}.seed", said["seed"], "that of a run", *fields)
        if key not in known:
            continue
        run = known[key]
        report.pinned |= {f"{here}.seed", *fields}
        shares = [run["train_weights"].get(name) for name in said["train_weights"]]
        found = list(said["train_weights"].values())
        report.holds(_alike(found, shares), f"{here}.train_weights", found, f"{shares}", *fields)
        ends = [f"{here}.risk_bound[{i}]" for i in range(2)]
        same = _alike(said["risk_bound"], run["risk_bound"])
        wanted = f"{run['risk_bound']}"
        report.holds(same, f"{here}.risk_bound", said["risk_bound"], wanted, *ends)
        report.pinned |= set(ends)
        risk, low, high = _measured(run, plan["target"], plan["level"])
        measured = said["target_risk"]
        same = _alike([measured["value"], *measured["interval"]], [risk, low, high])
        fields = [f"{here}.target_risk.{part}" for part in ("value", "interval[0]", "interval[1]")]
        report.holds(same, fields[0], measured["value"], f"{risk} in [{low}, {high}]", *fields)
        report.pinned |= set(fields)


def _alike(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return len(found) == len(wanted) and all(
        y is not None and abs(x - y) <= TOLERANCE for x, y in zip(found, wanted, strict=True)
    )


def _measured(run: Run, target: dict[str, Any], level: float) -> tuple[float, float, float]:
    """The risk on the target with Wilson's interval."""
    if target["weights"]:
        risk, n = _weighted(run["tests"], target["weights"], target["n"])
    else:
        risk, n = run["target"]["mean"], run["target"]["n"]
    ratio = NormalDist().inv_cdf((1 + level) / 2) ** 2 / n
    centre = (risk + ratio / 2) / (1 + ratio)
    half = math.sqrt(ratio) / (1 + ratio) * math.sqrt(risk * (1 - risk) + ratio / 4)
    return risk, min(max(0.0, centre - half), risk), max(min(1.0, centre + half), risk)


def _weighted(
    tests: dict[str, Any], weights: dict[str, float], counted: int | None
) -> tuple[float, float]:
    """The risk of a mixture of strata, and the units of a mean that is as uncertain."""
    needed = [(w, tests[name]["mean"], tests[name]["n"]) for name, w in weights.items() if w > 0]
    smooth = [(mean * n + 0.5) / (n + 1) for _, mean, n in needed]
    pairs = list(zip(needed, smooth, strict=True))
    middle = math.fsum(w * s for (w, _, _), s in pairs)
    variance = math.fsum(w * w * s * (1 - s) / n for (w, _, n), s in pairs)
    if counted is not None:
        second = math.fsum(w * s * s for (w, _, _), s in pairs)
        variance += max(0.0, second - middle**2) / counted
    risk = min(1.0, math.fsum(w * mean for w, mean, _ in needed))
    return risk, max(1.0, middle * (1 - middle) / variance)


def _check_growth(
    plan: dict[str, Any], report: Report, runs: Sequence[Run], difficulties: Sequence[float]
) -> None:
    """The exponent is the slope of ln KL over ln n, of all difficulties together."""
    points = defaultdict(list)
    for run, difficulty in zip(runs, difficulties, strict=True):
        points[difficulty].append((math.log(run["budget"]), math.log(max(run["kl"], _LEAST_KL))))
    above = below = 0.0
    for found in points.values():
        x, y = (math.fsum(column) / len(found) for column in zip(*found, strict=True))
        above += math.fsum((a - x) * (b - y) for a, b in found)
        below += math.fsum((a - x) ** 2 for a, _ in found)
    said, where = plan["kl_growth"]["exponent"], "kl_growth.exponent"
    slope = above / below if below > 0 else None
    same = slope == said if slope is None or said is None else abs(slope - said) <= TOLERANCE
    report.holds(same, where, said, f"{slope!r}")
    report.pinned.add(where)
