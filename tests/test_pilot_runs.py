"""The script that makes pilot fine-tunes, on a run too small to learn anything."""

from benchmarks.pilot_runs import make_run
from pacbayes.certificate import Certificate
from pacbayes.runs import Measured, Run


def test_a_run_is_trained_certified_and_tested(tmp_path):
    base_target = Measured(mean=0.9, n=100)
    run = make_run("easy", 16, 1, tmp_path, base_target, n_held_out=8, seen=32)
    assert Run.read(tmp_path / "run.json") == run
    certificate = Certificate.read(tmp_path / "certificate.json")
    assert run.kl == certificate.kl
    assert run.budget == certificate.strata[0].n == 16
    assert {name: test.n for name, test in run.tests.items()} == {
        "easy": 8,
        "medium": 8,
        "hard": 8,
    }
    assert 3 <= run.difficulty <= 4
