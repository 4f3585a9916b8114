import json
import math
import os
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes import certificate as schema
from pacbayes.certificate import (
    Bet,
    Centre,
    Certificate,
    CertifiedObject,
    Complexity,
    DataFile,
    Delta,
    Environment,
    Exclusion,
    HeldOut,
    HeldOutRisk,
    LedgerEntry,
    Loss,
    Posterior,
    Prior,
    ScaleGrid,
    StratumCertificate,
    TensorGroup,
)
from pacbayes.errors import InputError

HASH = "0123456789abcdef" * 4


def make_stratum(**changes):
    values = {
        "name": "easy",
        "n": 8,
        "n_records": 10,
        "n_draws": 8,
        "sampling": "kl interval over 1 pass with fresh draws",
        "n_unscorable": 1,
        "empirical_risk": 0.25,
        "empirical_risk_bound": (0.125, 0.375),
        "bets": (Bet(lam=0.5, mean_log=-0.2), Bet(lam=-1.0, mean_log=0.2)),
        "unperturbed_risk": 0.2,
        "risk_bound": (0.0625, 0.75),
        "bounds": {"kl": 0.75, "pinsker": 0.8},
        "complexity": Complexity(kl=0.125, log_term=0.5),
        "dominated_by": "log_term",
        "held_out": HeldOut(
            path="easy.held_out.jsonl",
            sha256=HASH,
            n=4,
            stochastic=HeldOutRisk(n_errors=1, mean=0.25, interval=(0.01, 0.81), delta=0.05),
            unperturbed=HeldOutRisk(n_errors=None, mean=0.1, interval=(0.0, 0.81), delta=0.05),
        ),
        "prior_held_out": HeldOutRisk(n_errors=4, mean=0.5, interval=(0.1, 0.9), delta=0.05),
        "vacuous": False,
    }
    return StratumCertificate(**{**values, **changes})


def make(**changes):
    centre = Centre(path="adapters/easy", sha256=HASH)
    group = TensorGroup(
        name="lora_B", size=64, sigma_prior=0.5, sigma_posterior=0.5, distance_squared=0.5
    )
    values = {
        "created": "2026-11-24T12:00:00+00:00",
        "version": "0.1.0",
        "seed": 0,
        "delta": Delta(total=0.05, ledger=(LedgerEntry(event="kl bound", delta=0.04),)),
        "loss": Loss(name="nll", range=(0.0, 7.5), parameters={"alpha": 0.1}),
        "object": CertifiedObject.posterior(),
        "prior": Prior(
            centre=centre,
            base=None,
            family="gaussian",
            scale_grid=ScaleGrid(size=3, index=2, log_cost=math.log(3)),
            data=(DataFile(path="first.jsonl", sha256=HASH, n_records=9, excluded=()),),
        ),
        "posterior": Posterior(
            centre=centre, family="gaussian", choice="one multiple", groups=(group,)
        ),
        "kl": 1.0,
        "kl_by_group": {"lora_B": 1.0},
        "strata": (make_stratum(), make_stratum(name="hard", held_out=None, prior_held_out=None)),
        "joint": {"gap": {"easy to hard": [-0.5, 0.75]}},
        "data": (
            DataFile(
                path="easy.jsonl",
                sha256=HASH,
                n_records=10,
                excluded=(Exclusion(line=3, reason="in the held-out file"),),
            ),
        ),
        "assumptions": ("The examples are independent.",),
        "environment": Environment(packages={"torch": "2.13.0"}, device="cpu", dtype="float32"),
    }
    return Certificate(**{**values, **changes})


def test_round_trip():
    certificate = make()
    assert Certificate.from_json(certificate.to_json()) == certificate
    assert Certificate.from_dict(certificate.to_dict()) == certificate


def test_words_on_disk():
    values = make().to_dict()
    assert list(values) == [
        *("schema", "created", "version", "seed", "delta", "loss", "object", "prior", "posterior"),
        *("kl", "kl_by_group", "strata", "joint", "data", "assumptions", "environment"),
    ]
    assert values["schema"] == "pacbayes.certificate/1"
    assert values["delta"] == {"total": 0.05, "ledger": [{"event": "kl bound", "delta": 0.04}]}
    assert values["object"]["kind"] == "posterior"
    assert values["strata"][0]["risk_bound"] == [0.0625, 0.75]
    assert values["strata"][1]["held_out"] is None


def test_equal_certificates_are_equal_texts():
    strata = (make_stratum(bounds={"kl": 0.75, "a": 0.5}),)
    reordered = (make_stratum(bounds={"a": 0.5, "kl": 0.75}),)
    assert make(strata=strata).to_json() == make(strata=reordered).to_json()


def test_every_field_is_documented():
    classes = [c for c in vars(schema).values() if isinstance(c, type) and is_dataclass(c)]
    assert len(classes) >= 16
    for c in classes:
        for field in fields(c):
            assert f"\n        {field.name}: " in c.__doc__, f"{c.__name__}.{field.name}"


unit = st.floats(0, 1)
intervals = st.lists(unit, min_size=3, max_size=3).map(sorted)
names = st.text(st.characters(codec="utf-8"), min_size=1)


@given(
    st.lists(st.tuples(names, intervals, intervals, st.integers(1, 10**12)), min_size=1),
    st.lists(st.tuples(names, st.floats(0, 1e300)), unique_by=lambda pair: pair[0]),
    st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False)),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_floats_and_names_come_back_exactly(strata, kls, joint):
    certificate = make(
        strata=tuple(
            make_stratum(
                name=f"{i}{name}",
                n=n,
                n_records=n,
                n_unscorable=0,
                empirical_risk=r[1],
                empirical_risk_bound=(r[0], r[2]),
                risk_bound=(b[0], b[2]),
                vacuous=b[2] == 1,
            )
            for i, (name, r, b, n) in enumerate(strata)
        ),
        posterior=replace(
            make().posterior,
            groups=tuple(replace(make().posterior.groups[0], name=name) for name, _ in kls),
        ),
        kl_by_group=dict(kls),
        kl=math.fsum(kl for _, kl in kls),
        joint=joint,
    )
    again = Certificate.from_json(certificate.to_json())
    assert again == certificate
    assert again.to_json() == certificate.to_json()


@given(st.floats(1e-6, 0.999), st.lists(st.floats(1e-9, 0.5), min_size=1, max_size=6))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_ledger_is_summed_exactly(total, shares):
    ledger = tuple(LedgerEntry(event="e", delta=share) for share in shares)
    if sum(map(Fraction, shares)) <= Fraction(total):
        assert Delta(total=total, ledger=ledger).ledger == ledger
    else:
        with pytest.raises(InputError, match="must sum to at most"):
            Delta(total=total, ledger=ledger)


def test_ledger_notices_the_last_bit():
    tenth = LedgerEntry(event="e", delta=0.1)
    assert 0.1 + 0.1 + 0.1 > 0.3  # and the exact sum of the floats is above the float 0.3 as well
    with pytest.raises(InputError, match="round them down"):
        Delta(total=0.3, ledger=(tenth,) * 3)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Delta(total=1.0, ledger=()), r"`delta.total` must lie in \(0, 1\), got 1.0"),
        (lambda: Delta(total=0.1, ledger=()), "`delta.ledger` must not be empty"),
        (lambda: LedgerEntry(event="e", delta=0.0), r"`delta` must lie in \(0, 1\), got 0.0"),
        (lambda: LedgerEntry(event="e", delta=math.nan), "got nan"),
        (lambda: make(kl=math.inf), "`kl` must be finite and at least 0, got inf"),
        (lambda: make(kl=math.nan), "`kl` must be finite"),
        (lambda: make(kl=-1e-9), "`kl` must be finite and at least 0"),
        (lambda: make(kl=1.01), "must add up to `kl`, 1.0 is not 1.01"),
        (lambda: make(kl_by_group={"lora_A": 1.0}), r"they differ in \['lora_A', 'lora_B'\]"),
        (lambda: make(strata=()), "`strata` must not be empty"),
        (lambda: make(strata=(make_stratum(),) * 2), "unique names, got 'easy' twice"),
        (lambda: make(created="2026-11-24 12:00"), "ISO 8601 with a time zone"),
        (lambda: make(created="today"), "ISO 8601 with a time zone, got 'today'"),
        (lambda: make(schema="pacbayes.certificate/2"), "`schema` must be"),
        (lambda: make(joint={"gap": (0.0, 1.0)}), "`joint` must hold JSON values only"),
        (lambda: make(joint={"gap": math.nan}), "`joint` must hold JSON values only"),
        (lambda: Centre(path="a", sha256="0" * 63), "64 hexadecimal digits"),
        (lambda: ScaleGrid(size=0, index=0, log_cost=0.0), "`size` must be at least 1"),
        (lambda: ScaleGrid(size=2, index=2, log_cost=0.0), r"`index` must lie in \[0, 2\), got 2"),
        (lambda: Complexity(kl=0.0, log_term=-1.0), "`log_term` must be finite and at least 0"),
        (lambda: Loss(name="nll", range=(1.0, 1.0), parameters={}), "finite and increasing"),
        (lambda: make_stratum(n=0), "`n` must be at least 1, got 0"),
        (lambda: make(strata=(make_stratum(n_records=7),)), "must be at least `n`, got 7 < 8"),
        (lambda: make_stratum(n_draws=0), "`n_draws` must be at least 1"),
        (lambda: make_stratum(n_unscorable=11), r"`n_unscorable` must lie in \[0, n_records\]"),
        (lambda: make_stratum(risk_bound=(0.5, 0.25)), "0 <= lower <= upper <= 1"),
        (lambda: make_stratum(risk_bound=(-0.1, 0.25)), "0 <= lower <= upper <= 1"),
        (lambda: make_stratum(risk_bound=(0.1, math.nan)), "0 <= lower <= upper <= 1"),
        (lambda: make_stratum(risk_bound=(0.1, 1.0)), "whether the upper risk bound is 1, got F"),
        (lambda: make_stratum(empirical_risk=0.5), "must contain the mean 0.5"),
        (lambda: make_stratum(bounds={"pinsker": 1.5}), r"`pinsker` must lie in \[0, 1\], got 1.5"),
        (lambda: make_stratum(unperturbed_risk=2.0), "`unperturbed_risk` must lie in"),
        (
            lambda: replace(make_stratum().held_out, n=5),
            "`n_errors` must be `mean` times `n`, got 1, 0.25 and 5",
        ),
        (
            lambda: replace(make().posterior.groups[0], sigma_posterior=0.0),
            "`sigma_posterior` must be positive and finite, got 0.0",
        ),
        (
            lambda: replace(make().posterior.groups[0], anisotropy=-1.0),
            "`anisotropy` must be finite and at least 0, got -1.0",
        ),
        (
            lambda: replace(
                make().posterior, groups=(replace(make().posterior.groups[0], anisotropy=1.0),)
            ),
            "'lora_B' of the family 'gaussian' has one scale, so that its `anisotropy` must be 0",
        ),
    ],
)
def test_contradictions(build, message):
    with pytest.raises(InputError, match=message):
        build()


def spoil(path, value):
    """Return the certificate's JSON values with the one at `path` replaced, or left out if ...."""
    values = make().to_dict()
    *outer, last = path
    place = values
    for key in outer:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], ..., "not a certificate: `schema` must be 'pacbayes.certificate/1', got None"),
        (["schema"], "pacbayes.plan/1", "got 'pacbayes.plan/1'; the usual mistake"),
        (["kl"], ..., "^`kl` is missing"),
        (["strata", 1, "held_out"], ..., r"`strata\[1\].held_out` is missing"),
        (["strata", 0, "extra"], 1, r"`strata\[0\].extra` is not a key of pacbayes.cert"),
        (["strata", 0, "n"], 8.0, r"`strata\[0\].n` must be an integer, got a number"),
        (["strata", 0, "vacuous"], 0, r"`strata\[0\].vacuous` must be true or false, got a number"),
        (["strata", 0, "risk_bound"], [0.1], r"`strata\[0\].risk_bound` must have 2 items, got 1"),
        (["strata", 0, "risk_bound"], [0.1, "1"], r"risk_bound\[1\]` must be a number, got a str"),
        (["strata", 0, "risk_bound"], [0.3, 0.2], r"`strata\[0\]`: `risk_bound` must satisfy"),
        (["strata", 0, "dominated_by"], "luck", r"`strata\[0\].dominated_by` must be one of \["),
        (["strata", 0, "bounds"], [], r"bounds` must be an object, got a list"),
        (["strata"], {}, "`strata` must be a list, got an object"),
        (["seed"], True, "`seed` must be an integer, got true or false"),
        (["kl"], True, "`kl` must be a number, got true or false"),
        (["kl"], 10**400, r"`kl` must be at most 2\*\*64"),
        (["environment"], None, "`environment` must be an object, got null"),
        (["environment", "packages", "torch"], 2, "`environment.packages.torch` must be a string"),
        (["delta", "ledger", 0, "delta"], 0.06, "`delta`: `delta.ledger` must sum to at most"),
    ],
)
def test_bad_values_name_their_key(path, value, message):
    with pytest.raises(InputError, match=message):
        Certificate.from_dict(spoil(path, value))


def test_whole_numbers_are_numbers():
    again = Certificate.from_dict(spoil(["kl"], 1))
    assert again == make()
    assert isinstance(again.kl, float)


def test_write_and_read(tmp_path):
    path = tmp_path / "certificate.json"
    make().write(path)
    make(seed=1).write(path)
    assert Certificate.read(path) == make(seed=1)
    assert os.listdir(tmp_path) == ["certificate.json"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask():
    os.umask(mask := os.umask(0))
    return mask


def test_paths_that_are_not_utf8_come_back(tmp_path):
    name = os.fsdecode(b"caf\xe9.jsonl")
    certificate = make(data=(replace(make().data[0], path=name),))
    certificate.write(tmp_path / "c.json")
    assert Certificate.read(tmp_path / "c.json") == certificate


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "certificate.json"
    make().write(path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"certificate\.json: .* written: No space left"):
        make(seed=1).write(path)
    assert Certificate.read(path) == make()
    assert os.listdir(tmp_path) == ["certificate.json"]


def test_unwritable_and_unreadable(tmp_path):
    with pytest.raises(InputError, match="cannot be written: No such file"):
        make().write(tmp_path / "absent" / "certificate.json")
    with pytest.raises(InputError, match="cannot be read: No such file"):
        Certificate.read(tmp_path / "certificate.json")
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        Certificate.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "invalid UTF-8"),
        (b"", "malformed JSON"),
        (b"[]", "got 'a list'"),
        (b'{"schema": 1, "schema": 2}', "duplicate key 'schema'"),
        (json.dumps({**make().to_dict(), "kl": math.inf}).encode(), "Infinity is not JSON"),
    ],
)
def test_files_that_are_no_certificate(tmp_path, content, message):
    path = tmp_path / "certificate.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"certificate\.json: .*{message}"):
        Certificate.read(path)


def test_a_notebook_shows_the_strata_and_runs_nothing_from_them():
    evil = make_stratum(name="<script>", risk_bound=(0.05, 0.23991))
    shown = make(strata=(evil, make_stratum(risk_bound=(0.0, 1.0), vacuous=True)))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "[0.0500, 0.2400]" in shown
    assert "0.2500 [0.0100, 0.8101]" in shown
    assert "vacuous" in shown
    assert "95 % confidence" in shown
