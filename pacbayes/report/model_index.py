"""Certificates as evaluation results of the Hugging Face hub: the metadata of a model card.

The hub keeps them in the YAML in front of a model card, under `model-index`. Strings are written as
JSON, which YAML contains, so that no name can break out of its place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.decimals import confidence
from pacbayes.report.statements import model_name

BOUND = "pac_bayes_risk_bound"
HELD_OUT = "held_out_risk"
"""Metrics; none of the hub's own is a bound, and a certificate must not pass for a measurement."""


def front_matter(certificates: Sequence[Certificate]) -> str:
    """The YAML block of a model card; empty without certificates."""
    if not certificates:
        return ""
    index = _yaml(model_index(certificates))
    return "\n".join(["---", "tags:", "- pac-bayes", "model-index:", *index, "---", ""])


def model_index(certificates: Sequence[Certificate]) -> list[dict[str, Any]]:
    """An entry for each model, with a result for each stratum and loss.

    The bound is the upper end of the certified interval as it stands in the certificate; the
    held-out risk beside it is a measurement.
    """
    entries: dict[str, list[dict[str, Any]]] = {}
    for certificate in certificates:
        results = entries.setdefault(model_name(certificate), [])
        results += [_result(certificate, stratum) for stratum in certificate.strata]
    return [{"name": name, "results": results} for name, results in entries.items()]


def _result(certificate: Certificate, stratum: StratumCertificate) -> dict[str, Any]:
    names = ", ".join(PurePath(file.path).name for file in certificate.data)
    return {
        "task": {"type": "text-generation", "name": "Text Generation"},
        "dataset": {"type": "json", "name": names or "certification data", "config": stratum.name},
        "metrics": [_bound(certificate, stratum), *_held_out(certificate, stratum)],
    }


def _bound(certificate: Certificate, stratum: StratumCertificate) -> dict[str, Any]:
    level = confidence(certificate.delta.total)
    return {
        "type": BOUND,
        "name": f"certified upper bound on the {certificate.loss.name} risk ({level} confidence)",
        "value": stratum.risk_bound[1],
        "args": {
            "loss": certificate.loss.name,
            "object": certificate.object.kind,
            "target": certificate.object.target,
            "delta": certificate.delta.total,
            "n": stratum.n,
            "kl": certificate.kl,
        },
    }


def _held_out(certificate: Certificate, stratum: StratumCertificate) -> list[dict[str, Any]]:
    if stratum.held_out is None:
        return []
    risk = stratum.held_out.stochastic
    return [
        {
            "type": HELD_OUT,
            "name": f"held-out {certificate.loss.name} risk (estimate)",
            "value": risk.mean,
            "args": {
                "loss": certificate.loss.name,
                "interval": list(risk.interval),
                "delta": risk.delta,
                "n": stratum.held_out.n,
            },
        }
    ]


def _yaml(value: Any, indent: str = "") -> list[str]:
    """JSON values as lines of block-style YAML."""
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in _entry(f"{key}:", item, indent)]
    if isinstance(value, list):
        lines = []
        for item in value:
            first, *rest = _yaml(item, f"{indent}  ")
            lines += [f"{indent}- {first.strip()}", *rest]
        return lines
    return [f"{indent}{_scalar(value)}"]


def _entry(key: str, item: Any, indent: str) -> list[str]:
    if isinstance(item, dict) and item:
        return [f"{indent}{key}", *_yaml(item, f"{indent}  ")]
    if isinstance(item, list) and item:
        return [f"{indent}{key}", *_yaml(item, indent)]
    return [f"{indent}{key} {_scalar(item)}"]


def _seen(sign: str) -> str:
    """YAML takes hardly a sign as it is that cannot be seen, nor should a reader."""
    return sign if sign.isprintable() or ord(sign) > 0xFFFF else f"\\u{ord(sign):04x}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        quoted = json.dumps(value.encode(errors="backslashreplace").decode(), ensure_ascii=False)
        return "".join(map(_seen, quoted))
    text = json.dumps(value)
    # 1e-05 would be a string
    return text.replace("e", ".0e") if isinstance(value, float) and "." not in text else text
