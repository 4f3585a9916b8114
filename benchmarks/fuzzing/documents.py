"""Readers of certificates and plans: the package's, the verifier's, and what shows them."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from benchmarks.fuzzing.data_files import SAMPLE, chosen, put
from benchmarks.fuzzing.target import Target
from pacbayes.certificate import Certificate
from pacbayes.plan import Plan
from pacbayes.planning.planner import PlanSettings, plan
from pacbayes.planning.recommendation import read_recommendation
from pacbayes.planning.target import parse_target_weights
from pacbayes.report.documents import Found, read_documents
from pacbayes.runs import read_runs
from pacbayes.schemas import leaves
from pacbayes.verify import Inputs, Report, check_inputs, read, verify

_RECORDED = Path(__file__).parents[2] / "tests" / "verify" / "certificates"


@lru_cache
def certificates() -> tuple[bytes, ...]:
    """Certificates of every kind as runs have written them, without indents."""
    paths = sorted(_RECORDED.glob("*.json"))
    return tuple(json.dumps(json.loads(path.read_bytes())).encode() for path in paths)


def certificate_seeds(_: Path) -> list[bytes]:
    """Those with fewer tensors, which are cheaper to read."""
    return [_with_few_groups(json.loads(text)) for text in certificates()]


def _with_few_groups(document: dict[str, Any]) -> bytes:
    groups = document["posterior"]["groups"][:2]
    parts = {group["name"]: document["kl_by_group"][group["name"]] for group in groups}
    document["posterior"]["groups"], document["kl_by_group"] = groups, parts
    if groups:
        document["kl"] = max(0.0, sum(parts.values()))
    return json.dumps(document).encode()


@lru_cache
def plans() -> tuple[bytes, ...]:
    """A plan from the sample's pilot runs."""
    found = read_runs(SAMPLE / "pilots" / "runs.jsonl")
    target = parse_target_weights("easy=.2,medium=.3,hard=.5")
    settings = PlanSettings(budgets=(1000, 8000), n_fits=40, grid=2)
    return (json.dumps(plan(found, target, settings).to_dict()).encode(),)


def _read_certificate(folder: Path, content: bytes) -> None:
    found = Certificate.read(put(folder, "certificate.json", content))
    if Certificate.from_json(found.to_json()) != found:
        raise AssertionError("it does not come back as it was")


def _read_plan(folder: Path, content: bytes) -> None:
    path = put(folder, "plan.json", content)
    Plan.read(path).to_json()
    read_recommendation(path, 1000).rule()


def _verify(folder: Path, content: bytes) -> None:
    document = read(put(folder, "certificate.json", content))
    report = verify(document)
    json.dumps([str(finding) for finding in report.findings])
    if not set(report.unchecked) <= {path for path, _ in leaves(document)}:
        raise AssertionError("unchecked fields that there are not")


def _show(folder: Path, content: bytes) -> None:
    found = read_documents([put(folder, "certificate.json", content)])
    chosen(content, (_page, _text, _on_terminal))(found[0])


def _page(found: Found) -> None:
    from pacbayes.report.page import page

    page([found])


def _text(found: Found) -> None:
    from pacbayes.report.markdown import markdown

    (markdown([found.document]) + found.document._repr_html_()).encode()


def _on_terminal(found: Found) -> None:
    from pacbayes.report.plan_table import show_plan
    from pacbayes.report.table import show_certificates

    file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    if isinstance(found.document, Plan):
        show_plan(found.document, file)
    else:
        show_certificates([found.document], file)
    file.flush()


def _key_seeds(_: Path) -> list[bytes]:
    document = json.loads(certificates()[0])
    groups = document["posterior"]["groups"]
    key = {
        "version": document["version"],
        "seed": document["seed"],
        "data": [file["sha256"] for file in document["data"]],
        "base": None,
        "environment": document["environment"],
        "losses": [document["loss"]["name"]],
        "block": None,
        "strata": [[s["name"], s["n"], "0" * 64] for s in document["strata"]],
        "sigmas": {group["name"]: group["sigma_posterior"] for group in groups},
    }
    return [json.dumps(key).encode()]


@lru_cache
def _verified() -> tuple[dict[str, Any], Report]:
    document = json.loads(certificates()[0])
    return document, verify(document)


def _read_key(folder: Path, content: bytes) -> None:
    place = folder / "draws" / hashlib.sha256(content).hexdigest()[:16]
    place.mkdir(parents=True)
    path = put(place, "key.json", content)
    try:
        document, report = _verified()
        fresh = replace(report, findings=[], pinned=set(report.pinned))
        check_inputs(document, fresh, Inputs(draws=folder / "draws"))
    finally:
        path.unlink()
        place.rmdir()


def _verify_seeds(folder: Path) -> list[bytes]:
    return [*certificate_seeds(folder), certificates()[0], certificates()[2]]


def _report_seeds(folder: Path) -> list[bytes]:
    return [*plans(), *certificate_seeds(folder)]


TARGETS = (
    Target(name="certificate", seeds=certificate_seeds, read=_read_certificate),
    Target(name="verify", seeds=_verify_seeds, read=_verify),
    Target(name="plan", seeds=lambda _: list(plans()), read=_read_plan),
    Target(name="report", seeds=_report_seeds, read=_show),
    Target(name="draws-key", seeds=_key_seeds, read=_read_key),
)
