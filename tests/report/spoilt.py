"""Certificates and plans with an evil text behind every text that is free."""

from pacbayes.certificate import Certificate
from pacbayes.plan import Plan
from tests.plans import hand_made_plan
from tests.test_certificate import make

_FIXED = {"schema", "created", "sha256", "status", "verdict", "kind", "target", "family"}
_FIXED |= {"dominated_by"}


def _spoilt(values, evil):
    if isinstance(values, dict):
        return {
            key: value if key in _FIXED and isinstance(value, str) else _spoilt(value, evil)
            for key, value in values.items()
        }
    if isinstance(values, list):
        return [_spoilt(value, evil) for value in values]
    return f"{values}{evil}" if isinstance(values, str) else values


def spoilt_certificate(evil):
    values = _spoilt(make().to_dict(), evil)
    group = values["posterior"]["groups"][0]
    values["kl_by_group"] = {group["name"]: values["kl_by_group"]["lora_B"]}
    return Certificate.from_dict(values)


def spoilt_plan(evil):
    values = _spoilt(hand_made_plan(budgets=(1000, 8000)).to_dict(), evil)
    for answer in values["budgets"]:
        for name in ("weights", "marginal_value"):
            named = answer["mixture"][name]
            answer["mixture"][name] = {f"{key}{evil}": value for key, value in named.items()}
    return Plan.from_dict(values)
