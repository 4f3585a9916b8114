"""Runs from folders and files, what is taken from a certificate, and every way to be refused."""

import dataclasses
import json
import math

import pytest

from pacbayes.errors import InputError
from pacbayes.runs import Measured, Run, read_runs, require_comparable
from tests.pilots import make_runs
from tests.test_certificate import make, make_stratum

RUNS = make_runs(budgets=(1000, 2000), seeds=1)

FROM_CERTIFICATE = (
    "train_weights",
    "budget",
    "loss",
    "delta",
    "kl",
    "empirical_risk",
    "empirical_risk_bound",
    "risk_bound",
)


EASY = dataclasses.replace(make(), strata=(make_stratum(),))


def write_jsonl(path, runs):
    path.write_text("".join(json.dumps(run.to_dict()) + "\n" for run in runs))
    return path


def write_folder(root, runs):
    for i, run in enumerate(runs):
        folder = root / f"level-{i % 2}" / f"run-{i}"
        folder.mkdir(parents=True)
        run.write(folder / "run.json")
    return root


def beside_certificate(folder, certificate, **changes):
    """A run that gives only what its certificate does not know."""
    folder.mkdir(parents=True)
    certificate.write(folder / "certificate.json")
    given = {"schema": "pacbayes.run/1", "difficulty": 4.0, "seed": 0} | changes
    (folder / "run.json").write_text(json.dumps(given))
    return folder


def test_folder_and_file_give_the_same_runs(tmp_path):
    from_file = read_runs(write_jsonl(tmp_path / "runs.jsonl", RUNS[::-1]))
    from_folder = read_runs(write_folder(tmp_path / "deep", RUNS))
    assert from_file.runs == from_folder.runs
    assert len(from_file.runs) == len(RUNS)
    keys = [(run.difficulty, run.budget, run.seed) for run in from_file.runs]
    assert keys == sorted(keys)
    # a folder that holds a runs.jsonl instead
    assert read_runs(tmp_path / "deep").runs == from_file.runs
    (tmp_path / "only").mkdir()
    write_jsonl(tmp_path / "only" / "runs.jsonl", RUNS)
    assert read_runs(tmp_path / "only").runs == from_file.runs


def test_hash_changes_with_any_file(tmp_path):
    root = write_folder(tmp_path / "a", RUNS)
    before = read_runs(root)
    assert before.sha256 == read_runs(root).sha256
    (path,) = root.glob("level-0/run-0/run.json")
    changed = dataclasses.replace(Run.read(path), kl=1.0)
    changed.write(path)
    assert read_runs(root).sha256 != before.sha256


def test_blank_lines_and_a_byte_order_mark_are_accepted(tmp_path):
    path = write_jsonl(tmp_path / "runs.jsonl", RUNS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert len(read_runs(path).runs) == len(RUNS)


def test_what_is_not_given_is_taken_from_the_certificate(tmp_path):
    certificate = EASY
    beside_certificate(tmp_path / "a", certificate)
    beside_certificate(tmp_path / "b", certificate, difficulty=6.0, base="mine")
    first, second = read_runs_unchecked(tmp_path)
    (stratum,) = certificate.strata
    assert first.budget == stratum.n
    assert first.train_weights == {"easy": 1.0}
    assert first.kl == certificate.kl
    assert first.loss == certificate.loss.name
    assert first.delta == certificate.delta.total
    assert first.empirical_risk_bound == stratum.empirical_risk_bound
    assert first.risk_bound == stratum.risk_bound
    assert first.tests == {"easy": Measured(mean=0.25, n=4)}
    assert first.base == "easy@0123456789ab"
    assert first.target is None
    assert second.base == "mine"


def read_runs_unchecked(root):
    """Without the demand that runs can be compared."""
    from pacbayes.runs import reading

    return [reading._read_run(path) for path in sorted(root.rglob("run.json"))]


def test_a_value_copied_with_fewer_digits_does_not_improve_the_certificate(tmp_path):
    stratum = make_stratum(risk_bound=(0.1, 0.40003), bounds={"kl": 0.40003})
    certificate = dataclasses.replace(make(), strata=(stratum,))
    beside_certificate(tmp_path / "a", certificate, risk_bound=[0.1, 0.4])
    beside_certificate(tmp_path / "b", certificate, difficulty=5.0)
    for run in read_runs(tmp_path).runs:
        assert run.risk_bound == (0.1, 0.40003)


def test_strata_are_weighed_by_their_units(tmp_path):
    certificate = EASY
    hard = make_stratum(
        name="hard",
        n=24,
        n_records=24,
        n_draws=24,
        empirical_risk=0.5,
        empirical_risk_bound=(0.4, 0.6),
        risk_bound=(0.25, 1.0),
        bounds={},
        held_out=None,
        vacuous=True,
    )
    both = dataclasses.replace(certificate, strata=(*certificate.strata, hard))
    beside_certificate(tmp_path / "a", both)
    (run,) = read_runs_unchecked(tmp_path)
    assert run.train_weights == {"easy": 0.25, "hard": 0.75}
    assert run.budget == 32
    assert run.empirical_risk == pytest.approx(0.25 * 0.25 + 0.75 * 0.5)
    low, high = run.risk_bound
    # outward of the exact means
    assert low <= 0.25 * 0.0625 + 0.75 * 0.25
    assert high >= 0.25 * 0.75 + 0.75
    assert high == pytest.approx(0.9375)
    assert set(run.tests) == {"easy"}


@pytest.mark.parametrize("name", FROM_CERTIFICATE)
def test_contradicting_the_certificate_is_refused(tmp_path, name):
    certificate = EASY
    beside_certificate(tmp_path / "agrees", certificate)
    (run,) = read_runs_unchecked(tmp_path)
    values = run.to_dict()
    other = {
        "train_weights": {"hard": 1.0},
        "loss": "exact",
        "empirical_risk_bound": [0.0, 0.5],
        "risk_bound": [0.0, 0.5],
    }.get(name)
    changed = other if other is not None else values[name] * 2
    # giving the same again is no contradiction
    beside_certificate(tmp_path / "same", certificate, **{name: values[name]})
    assert len(read_runs_unchecked(tmp_path)) == 2
    beside_certificate(tmp_path / "zz", certificate, **{name: changed})
    with pytest.raises(InputError, match=f"zz.run.json: `{name}` is .* another fine-tune"):
        read_runs(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a run"),
        ("[]", "`schema` must be 'pacbayes.run/1', got None"),
        ('{"schema": "pacbayes.plan/1"}', "`schema` must be"),
        ('{"schema": "pacbayes.run/1"}', "is missing, and there is no certificate.json beside it"),
        ('{"schema": "pacbayes.run/1", "kl": NaN}', "NaN is not JSON"),
        (b"\xff", "invalid UTF-8"),
    ],
)
def test_bad_files_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "a" / "run.json"
    path.parent.mkdir()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as caught:
        read_runs(tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_line_is_named(tmp_path):
    path = write_jsonl(tmp_path / "runs.jsonl", RUNS)
    path.write_text(path.read_text() + "\nnot json\n")
    with pytest.raises(InputError, match=rf"runs.jsonl:{len(RUNS) + 2}: not a run"):
        read_runs(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, "`budget` must be at least 1, got 0"),
        ({"kl": math.nan}, "`kl` must be finite and at least 0, got nan"),
        ({"kl": -1.0}, "`kl` must be finite and at least 0"),
        ({"difficulty": math.nan}, "`difficulty` must be finite, got nan"),
        ({"empirical_risk": math.nan}, "`empirical_risk` must lie in"),
        ({"empirical_risk": 0.9}, "`empirical_risk_bound` must contain the mean"),
        ({"risk_bound": (0.5, math.nan)}, "`risk_bound` must satisfy"),
        ({"train_weights": {"easy": 50.0, "hard": 50.0}}, "must sum to 1, got 100; .* percentages"),
        ({"train_weights": {"easy": 2.0, "hard": -1.0}}, "`train_weights.hard` must be finite"),
        ({"train_weights": {}}, "must sum to 1, got 0"),
        ({"base_strength": 92.0}, "`base_strength` must lie in"),
        ({"delta": 0.0}, "`delta` must lie in"),
        ({"base": ""}, "`base` must not be empty"),
    ],
)
def test_impossible_values_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(RUNS[0], **changes)


def test_measured_must_be_possible():
    with pytest.raises(InputError, match="`mean` must lie in"):
        Measured(mean=math.nan, n=10)
    with pytest.raises(InputError, match="`n` must be at least 1, got 0"):
        Measured(mean=0.1, n=0)


def changed(**changes):
    return (dataclasses.replace(RUNS[0], **changes), *RUNS[1:])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (changed(loss="token"), "`loss` is 'exact', but 'token' at run 1"),
        (changed(delta=0.1), "`delta` is 0.05, but 0.1 at run 1"),
        (changed(base_strength=0.5), "another `base_strength` elsewhere"),
        (changed(base_target=Measured(mean=0.5, n=10)), "another `base_target` elsewhere"),
        (changed(base="large", base_strength=None), "runs of different bases .*'large' has no"),
        ((*RUNS, RUNS[0]), "run 7: the same difficulty, budget, seed and base as run 1"),
        ([r for r in RUNS if r.train_weights == {"easy": 1.0}][:1], "two difficulties or more"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(runs, message):
    with pytest.raises(InputError, match=message):
        require_comparable(runs)


def test_bases_of_known_strength_are_comparable():
    require_comparable(changed(base="large", base_strength=0.5, base_target=None))


def test_empty_places_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no run.json at any depth and no runs.jsonl"):
        read_runs(tmp_path)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_runs(tmp_path / "nowhere.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="no runs; the file is empty"):
        read_runs(tmp_path / "empty.jsonl")


def test_certificate_of_tokens_is_refused(tmp_path):
    certificate = EASY
    tokens = dataclasses.replace(
        certificate, object=dataclasses.replace(certificate.object, target="tokens")
    )
    beside_certificate(tmp_path / "a", tokens)
    with pytest.raises(InputError, match="about tokens of its documents"):
        read_runs(tmp_path)
