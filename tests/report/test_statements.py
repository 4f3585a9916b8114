"""The sentence to quote says no more than the certificate."""

import re

import pytest

from pacbayes.certificate import CertifiedObject
from pacbayes.report.statements import guarantee, kind, verdict
from tests.report.certificates import kl_certificate, kl_stratum
from tests.test_certificate import make


def test_one_stratum():
    sentence = guarantee(kl_certificate(kl_stratum(risk_bound=(0.0, 0.24001))))
    assert sentence == (
        "With 95 % confidence, under the assumptions of its certificate, the model “easy”, with "
        "weights drawn afresh from its posterior for every prediction, fails to reproduce the "
        "reference completion by greedy decoding on at most 24.1 % (easy) of fresh examples from "
        "the source of its data."
    )


def test_numbers_are_never_below_the_bounds():
    strata = [kl_stratum(name=f"s{i}", risk_bound=(0.0, 0.1 + i / 77)) for i in range(5)]
    sentence = guarantee(kl_certificate(*strata))
    shown = [float(x) / 100 for x in re.findall(r"([\d.]+) % \(s", sentence)]
    for stratum, number in zip(strata, shown, strict=True):
        assert stratum.risk_bound[1] <= number < stratum.risk_bound[1] + 0.0011
    assert "in all strata at once" in sentence


def test_many_strata_are_named_by_the_best_and_the_worst():
    strata = [kl_stratum(name=f"s{i}", risk_bound=(0.0, 0.1 + i / 50)) for i in range(20)]
    sentence = guarantee(kl_certificate(*strata))
    assert (
        "at most 48.0 % of fresh examples from the source of its data in the worst of 20 strata "
        "(s19) and 10.1 % in the best (s0), in all strata at once." in sentence
    )
    assert "s7" not in sentence


@pytest.mark.parametrize("upper", [1.0, 0.9999])
def test_a_vacuous_stratum_is_said_to_be(upper):
    vacuous = kl_stratum(name="hard", risk_bound=(0.0, upper), vacuous=upper == 1)
    sentence = guarantee(kl_certificate(kl_stratum(), vacuous))
    assert sentence.endswith("; no useful upper bound is guaranteed in hard: it is 1, or nearly.")
    assert "(hard)" not in sentence
    assert guarantee(kl_certificate(vacuous)).startswith("No useful upper bound is guaranteed")
    assert kind(kl_certificate(vacuous)) == "vacuous" == verdict(vacuous).removeprefix("nearly ")
    assert kind(kl_certificate(kl_stratum(), vacuous)) == "certificate"


def test_other_losses_and_objects_are_not_said_to_be_what_they_are_not():
    assert "a mean nll loss of at most 0.7500 (easy) and 0.7500 (hard)" in guarantee(make())
    assert "(1 stands for 7.500 nats)" in guarantee(make())
    tokens = CertifiedObject(
        kind="drawn",
        description="one network",
        target="tokens",
        path="objects/{bits}",
        sha256="0" * 64,
        code_bits=None,
    )
    sentence = guarantee(kl_certificate(object=tokens))
    assert "“objects/{bits}”, drawn once" in sentence
    assert "token of these very documents" in sentence
    assert "says nothing of fresh ones" in sentence
