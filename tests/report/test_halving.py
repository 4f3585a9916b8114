"""Break-even numbers against the theorems themselves, evaluated apart in ball arithmetic."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.bounds import certified, log_kt_constant
from pacbayes.certificate import Bet, CertifiedObject, Complexity
from pacbayes.report.halving import halving
from tests.report.certificates import LOG_COST, kl_certificate, kl_stratum


def found_for(stratum, **changes):
    return halving(kl_certificate(stratum, **changes), stratum)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(100, 10**6),
    share=st.floats(0.001, 0.5),
    risk=st.floats(0.001, 0.6),
    delta=st.floats(1e-6, 0.5),
)
def test_n_and_kl_are_where_the_theorem_crosses_half_of_the_bound(n, share, risk, delta):
    kl = share * n
    stratum = kl_stratum(n=n, kl=kl, risk=risk, delta=delta)
    found = found_for(stratum, kl=kl)
    half = stratum.risk_bound[1] / 2

    def at(**changes):
        terms = {"empirical_risk": risk, "kl": kl + LOG_COST, "n": n, "delta": delta}
        return certified("seeger_maurer", **terms | changes)

    # the log term is recovered from the record with the rounding of a few float64 operations
    if found.n is None:
        assert at(n=10**15) > half * (1 - 1e-9)
    else:
        assert at(n=found.n) <= half * (1 + 1e-9)
        assert at(n=found.n - 1) > half * (1 - 1e-6)
    if found.kl is None:
        assert at(kl=LOG_COST) > half * (1 - 1e-9)
    else:
        assert at(kl=found.kl + LOG_COST) <= half * (1 + 1e-9)
        assert at(kl=found.kl * (1 + 1e-6) + 1e-6 + LOG_COST) > half * (1 - 1e-9)


def test_a_risk_above_half_cannot_be_halved():
    found = found_for(kl_stratum(n=1000, kl=50.0, risk=0.4), kl=50.0)
    assert (found.n, found.kl) == (None, None)
    assert found.floor == pytest.approx(0.4, abs=1e-5)


def test_graded_losses_by_their_bet_and_by_kl():
    n, kl, delta = 8000, 300.0, 0.04
    bet = Bet(lam=0.9, mean_log=-0.02)
    terms = {"kl": kl + LOG_COST, "n": n, "delta": delta}
    upper = certified("log_wealth_at", lam=bet.lam, mean_log=bet.mean_log, **terms)
    stratum = kl_stratum(
        n=n,
        kl=kl,
        risk=0.02,
        bets=(bet, Bet(lam=-1.0, mean_log=0.02)),
        risk_bound=(0.0, upper),
        bounds={
            "log_wealth_at": upper,
            "time_uniform_kl": certified("time_uniform_kl", empirical_risk=0.02, **terms),
        },
        complexity=Complexity(
            kl=kl / n, log_term=(LOG_COST + log_kt_constant(n) - math.log(delta)) / n
        ),
    )
    found = found_for(stratum, kl=kl)

    def at(n):
        changed = terms | {"n": n}
        return min(
            certified("log_wealth_at", lam=bet.lam, mean_log=bet.mean_log, **changed),
            certified("time_uniform_kl", empirical_risk=0.02, **changed),
        )

    assert at(found.n) <= upper / 2 * (1 + 1e-9) < at(found.n - 2)


def test_a_code_pays_no_constant():
    n, bits, delta = 4000, 500, 0.05
    cost = bits * math.log(2)
    terms = {"empirical_risk": 0.05, "log_prior": -cost, "delta": delta}
    upper = certified("occam_kl", n=n, **terms)
    stratum = kl_stratum(
        n=n,
        risk=0.05,
        risk_bound=(0.0, upper),
        bounds={"occam_kl": upper, "occam_binomial": upper * 0.999},
        complexity=Complexity(kl=cost / n, log_term=-math.log(delta) / n),
    )
    certificate = dataclasses.replace(
        kl_certificate(stratum),
        kl=cost,
        kl_by_group={},
        posterior=dataclasses.replace(kl_certificate().posterior, family="point", groups=()),
        object=CertifiedObject(
            kind="compressed", description="a code", target="fresh", path="net",
            sha256="0" * 64, code_bits=bits,
        ),
    )  # fmt: skip
    found = halving(certificate, stratum)
    assert certified("occam_kl", n=found.n, **terms) <= upper / 2 * (1 + 1e-9)
    assert certified("occam_kl", n=found.n - 2, **terms) > upper / 2 * (1 - 1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"bounds": {"token_freedman": 0.5}},
        {"bounds": {}},
        {"n": 10**400, "n_records": 10**400},
        {"complexity": Complexity(kl=0.0, log_term=0.0)},
        {"complexity": Complexity(kl=1e300, log_term=1e300)},
        {"bounds": {"log_wealth_at": 0.3}, "bets": ()},
    ],
)
def test_a_record_that_does_not_tell_is_no_crash(changes):
    assert found_for(dataclasses.replace(kl_stratum(), **changes)) is None
