"""What a certificate guarantees, in one sentence that can be quoted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import PurePath
from types import MappingProxyType

from pacbayes.certificate import Certificate, StratumCertificate
from pacbayes.decimals import confidence, percent_up, up

MOST_NAMED = 6
"""With more strata a sentence names the best and the worst."""

CERTIFIED = "certified"

_CLAIMS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "exact": (
            "fails to reproduce the reference completion by greedy decoding on at most",
            "of fresh examples from the source of its data",
        ),
        "token": (
            "gets wrong on average at most",
            "of the completion tokens of a fresh example from the source of its data",
        ),
    }
)
"""What a loss counts, around the number that it is at most."""

_SUBJECTS = MappingProxyType(
    {
        "posterior": "the model “{name}”, with weights drawn afresh from its posterior for every "
        "prediction,",
        "drawn": "the network “{name}”, drawn once from the posterior,",
        "compressed": "the network “{name}”, decoded from a code of {bits} bits,",
    }
)


def model_name(certificate: Certificate) -> str:
    """Which model it is: the name of its folder; of a network made from it, the path."""
    if certificate.object.path is not None:
        return certificate.object.path
    path = PurePath(certificate.posterior.centre.path)
    return (path.parent if path.suffix == ".safetensors" else path).name or str(path)


def guarantee(certificate: Certificate) -> str:
    """The guarantee as one sentence, which also names the strata whose bound says nothing.

    Numbers are rounded up.
    """
    told = [stratum for stratum in certificate.strata if verdict(stratum) == CERTIFIED]
    untold = [stratum.name for stratum in certificate.strata if stratum not in told]
    nothing = f"o useful upper bound is guaranteed in {_listed(untold)}: it is 1, or nearly."
    if not told:
        return f"N{nothing}"
    sentence = (
        f"With {confidence(certificate.delta.total)} confidence, under the assumptions of its "
        f"certificate, {_subject(certificate)} {_claim(certificate, told)}"
    )
    return f"{sentence}; n{nothing}" if untold else f"{sentence}."


def kind(certificate: Certificate) -> str:
    """What to call its guarantee: a certificate, or vacuous where no stratum's bound tells."""
    told = any(verdict(stratum) == CERTIFIED for stratum in certificate.strata)
    return "certificate" if told else "vacuous"


def verdict(stratum: StratumCertificate) -> str:
    """Whether a stratum is certified, vacuous, or nearly: its bound then reads as 100 %."""
    if stratum.vacuous:
        return "vacuous"
    return CERTIFIED if Decimal(up(stratum.risk_bound[1], 3)) < 1 else "nearly vacuous"


def _subject(certificate: Certificate) -> str:
    # the name last, as it may hold braces
    template = _SUBJECTS[certificate.object.kind]
    bits = str(certificate.object.code_bits)
    return template.replace("{bits}", bits).replace("{name}", model_name(certificate))


def _claim(certificate: Certificate, strata: Sequence[StratumCertificate]) -> str:
    name, unit = certificate.loss.name, _unit(certificate)
    together = ", in all strata at once" if len(strata) > 1 else ""
    if certificate.object.target == "tokens":
        return (
            f"has, before each token of these very documents, a mean expected {name} loss of at "
            f"most {_numbers(strata, up)}{unit}{together}; that says nothing of fresh ones"
        )
    if name not in _CLAIMS:
        return (
            f"has on fresh examples from the source of its data a mean {name} loss of at most "
            f"{_numbers(strata, up)}{unit}{together}"
        )
    before, after = _CLAIMS[name]
    return f"{before} {_numbers(strata, percent_up, f' {after}')}{together}"


def _unit(certificate: Certificate) -> str:
    least, most = certificate.loss.range
    return "" if most - least == 1 else f" (1 stands for {most - least:.3f} nats)"


def _numbers(
    strata: Sequence[StratumCertificate], number: Callable[[float], str], after: str = ""
) -> str:
    shown = [number(stratum.risk_bound[1]) for stratum in strata]
    if len(strata) <= MOST_NAMED:
        pairs = zip(shown, strata, strict=True)
        return _listed([f"{value} ({stratum.name})" for value, stratum in pairs]) + after
    worst, best = ends(strata)
    return (
        f"{number(worst.risk_bound[1])}{after} in the worst of {len(strata)} strata "
        f"({worst.name}) and {number(best.risk_bound[1])} in the best ({best.name})"
    )


def ends(strata: Sequence[StratumCertificate]) -> tuple[StratumCertificate, StratumCertificate]:
    """The strata of the largest and of the least bound."""
    ordered = sorted(strata, key=lambda stratum: stratum.risk_bound[1])
    return ordered[-1], ordered[0]


def _listed(items: Sequence[str]) -> str:
    if len(items) > MOST_NAMED:
        return f"{items[0]}, {items[1]} and {len(items) - 2} more"
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
