"""The ladder: what the certificate has written, and the other theorems beside it."""

from pacbayes.bounds import BOUNDS, certified
from pacbayes.certificate import CertifiedObject
from pacbayes.report.ladder import ladder
from tests.report.certificates import LOG_COST, kl_certificate, kl_stratum


def test_every_rung_is_its_theorem_at_the_recorded_numbers():
    stratum = kl_stratum()
    rungs = ladder(kl_certificate(stratum), stratum)
    assert [rung.upper for rung in rungs] == sorted(rung.upper for rung in rungs)
    terms = {"empirical_risk": 0.08, "kl": 644.7 + LOG_COST, "n": 8000, "delta": 0.04}
    for rung in rungs:
        if rung.name not in ("thiemann", "uniform_catoni"):  # these search for a constant
            # δ is recovered from the record, and rounded down by 1e-9 of it
            exact = certified(rung.name, **terms)
            assert exact * (1 - 1e-12) <= rung.upper <= exact * (1 + 1e-7)
    assert {"seeger_maurer", "pinsker", "time_uniform_kl", "catoni_grid"} <= {r.name for r in rungs}


def test_only_the_event_that_was_paid_for_is_claimed():
    stratum = kl_stratum()
    rungs = {rung.name: rung for rung in ladder(kl_certificate(stratum), stratum)}
    paid = BOUNDS["seeger_maurer"].event
    for name, rung in rungs.items():
        assert rung.paid == (BOUNDS[name].event == paid)
    assert not rungs["time_uniform_kl"].paid
    assert not any(name.startswith("test_set") for name in rungs)


def test_written_bounds_are_shown_as_they_are():
    stratum = kl_stratum(bounds={"seeger_maurer": 0.9, "<b>": 0.95})
    rungs = {rung.name: rung for rung in ladder(kl_certificate(stratum), stratum)}
    assert rungs["seeger_maurer"].upper == 0.9
    assert rungs["<b>"].event == "as recorded"


def test_a_drawn_network_has_its_own_theorem_only():
    stratum = kl_stratum(bounds={"disintegrated_kl": 0.3})
    network = CertifiedObject(
        kind="drawn",
        description="a network",
        target="fresh",
        path="net",
        sha256="0" * 64,
        code_bits=None,
    )
    (rung,) = ladder(kl_certificate(stratum, object=network), stratum)
    assert (rung.name, rung.upper, rung.paid) == ("disintegrated_kl", 0.3, True)
