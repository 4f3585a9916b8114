"""`pacbayes verify` as it is called: codes, names of fields, JSON."""

import json
import os
import resource
import subprocess
import sys
from functools import partial

import pytest

from pacbayes.cli import bound_main, main
from tests.verify.making import made_plan, make_certificate


@pytest.fixture
def run_verify(run_program):
    return partial(run_program, main, "pacbayes", "verify")


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "certificate.json"
    make_certificate([40, 50], rates=(0.1, 0.2)).write(path)
    return path


def rewritten(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_certificate_as_it_should_be(run_verify, written):
    code, out, err = run_verify(written)
    assert (code, err) == (0, "")
    assert "all agree" in out
    assert "created" in out.splitlines()[-1]


def test_a_field_that_is_wrong_is_named(run_verify, written):
    kl = json.loads(written.read_text())["kl"]
    rewritten(written, f'"kl": {kl!r}', f'"kl": {kl * 0.99!r}')
    code, out, _ = run_verify(written)
    assert code == 4
    assert out.startswith(f"kl: recorded {kl * 0.99!r}, must be at least {kl!r}"[:40])


def test_json(run_verify, written):
    code, out, _ = run_verify(written, "--json")
    found = json.loads(out)
    assert (code, found["verified"], found["findings"]) == (0, True, [])
    rewritten(written, '"name": "stratum 1"', '"name": "stratum\\u001b[2J"')
    code, out, _ = run_verify(written, "--json")
    assert code == 4
    assert "strata[1].name" in json.loads(out)["findings"][0]["depends_on"]
    code, out, _ = run_verify(written)
    assert code == 4
    assert "\x1b" not in out


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "cannot be read"),
        ("{", "is no strict JSON"),
        ('{"schema": "pacbayes.certificate/1", "kl": NaN}', "NaN is not JSON"),
        ('{"kl": 1e999}', "1e999 is not JSON"),
        ('{"kl": 1, "kl": 2}', "comes twice"),
        ("[]", "is no certificate and no plan"),
        ("[" * 100_000, "is no strict JSON"),
        ("\xff", "is no strict JSON"),
    ],
)
def test_unreadable_files(run_verify, tmp_path, text, reason):
    path = tmp_path / "x.json"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    code, out, err = run_verify(path)
    assert (code, out) == (2, "")
    assert reason in err
    assert len(err.splitlines()) == 1


def test_another_schema_is_a_wrong_field(run_verify, written):
    rewritten(written, "pacbayes.certificate/1", "pacbayes.certificate/2")
    code, out, _ = run_verify(written)
    assert code == 4
    assert out.startswith("schema: recorded 'pacbayes.certificate/2'")


def test_inputs(run_verify, written, tmp_path):
    data = tmp_path / "data.jsonl"
    data.write_text('{"text": "a"}\n\n' * 90)
    code, out, _ = run_verify(written, "--data", data)
    assert code == 4
    assert out.startswith("data[0].sha256: recorded '0123456789abcdef")
    assert len(out.splitlines()) == 2, "the numbers of records and units are right"
    data.write_text("{")
    code, out, err = run_verify(written, "--data", data)
    assert (code, out) == (2, "")
    assert "data.jsonl: is no JSONL" in err
    code, _, err = run_verify(written, "--draws", tmp_path)
    assert code == 2
    assert "holds no stored draws" in err


def test_a_plan(run_verify, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(made_plan().to_json())
    code, out, err = run_verify(path)
    assert (code, err) == (0, "")
    assert "all agree" in out
    assert "budgets[].by_difficulty.upper[]" in out.splitlines()[-1]
    rewritten(path, '"verdict": "shift"', '"verdict": "flat"')
    code, out, _ = run_verify(path)
    assert code == 4
    assert out.startswith("kl_growth.verdict: recorded 'flat', must be 'shift'")
    code, _, err = run_verify(path, "--data", path)
    assert code == 2
    assert "a plan is checked by itself" in err
    path.write_text('{"schema": "pacbayes.plan/1"}')
    code, out, _ = run_verify(path)
    assert code == 4
    assert "budgets: recorded None, must be is missing" in out


@pytest.fixture(scope="module")
def parts(problem_file, tmp_path_factory):
    """The problems in two files."""
    root = tmp_path_factory.mktemp("parts")
    lines = problem_file.read_text().splitlines(keepends=True)
    for name, part in (("a", lines[:40]), ("b", lines[40:])):
        (root / f"{name}.jsonl").write_text("".join(part))
    return root / "a.jsonl", root / "b.jsonl"


ALSO = ("--also", "drawn", "--also", "compressed")


@pytest.mark.parametrize(
    ("prior", "split", "options"),
    [
        ("initial", True, ("--loss", "nll", "--tolerance", 0.1)),
        (None, False, ("--strata-edges", 2.5, "--passes", 2, "--prior-scale", 0.5, *ALSO)),
    ],
)
def test_real_runs_with_all_inputs(
    run_program, run_verify, checkpoints, parts, tmp_path, prior, split, options
):
    """Certificates of a posterior at moved factors; what they are made from is at hand."""
    a, b = parts
    given = ["--checkpoint", checkpoints / "free", "--data", a]
    given += ["--prior", checkpoints / prior] if prior else []
    given += ["--prior-data", b] if split else ["--held-out", b]
    code, _, err = run_program(bound_main, "x", *given, *options, "--out", tmp_path / "out")
    assert code == 0, err
    given += ["--base", checkpoints / "base", "--draws", tmp_path / "out" / "draws"]
    for path in sorted((tmp_path / "out").glob("certificate*.json")):
        of = json.loads(path.read_text())["object"]
        network = ["--network", of["path"]] if of["path"] else []
        code, out, err = run_verify(path, *given, *network)
        assert code == 0, out + err
        assert "sha256" not in out.splitlines()[-1] or prior is None, "all hashes are checked"
    beside = tmp_path / "out" / "posterior.safetensors"
    code, _, _ = run_verify(tmp_path / "out" / "certificate.json", *given, "--posterior", beside)
    assert code == 0
    raw = beside.read_bytes()
    beside.write_bytes(raw[:-2] + bytes([raw[-2] ^ 1]) + raw[-1:])
    code, out, _ = run_verify(tmp_path / "out" / "certificate.json", *given)
    assert code == 4
    assert out.startswith("posterior.centre.sha256: recorded ")
    beside.unlink()
    code, _, err = run_verify(tmp_path / "out" / "certificate.json", *given)
    assert code == 2
    assert "is not there, and the posterior is centred in it" in err


def test_a_hundred_strata_take_less_than_two_seconds_of_a_process(tmp_path):
    path = tmp_path / "certificate.json"
    made = make_certificate([1000 + 37 * i for i in range(100)], rates=(0.02, 0.3))
    made.write(path)
    code = "from pacbayes.cli import main; main()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code, "verify", path],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    assert "all agree" in done.stdout
    assert spent < 2
