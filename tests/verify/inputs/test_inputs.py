"""Certificates of real runs, checked with the checkpoints, data and draws that they came from."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pacbayes.cli import bound_main
from pacbayes.verify import Inputs, UnreadableError, check_inputs, read, verify
from pacbayes.verify.inputs.tensors import identity
from tests.verify.test_tampering import at, dotted, edits, kin, kind_of, names, others, tampered

FREE = {
    "created",
    "object.path",
    "prior.centre.path",
    "prior.base.path",
    "posterior.centre.path",
    "strata[].n_unscorable",
    "strata[].held_out.path",
    "data[].path",
    "assumptions[]",
    "environment.packages",
}
"""Paths, which a hash stands beside; words; what takes the tokenizer; and the time."""


@pytest.fixture(scope="module")
def halves(tmp_path_factory, problem_file):
    """Two files of data, the second with groups, and two of held-out data."""
    root = tmp_path_factory.mktemp("halves")
    lines = [json.loads(line) for line in problem_file.read_text().splitlines()]
    for place, record in enumerate(lines[20:40]):
        record["group"] = place // 2
    for name, part in zip(("a", "b", "c", "d"), (0, 20, 40, 50), strict=True):
        last = part + (20 if part < 40 else 10)
        text = "".join(json.dumps(record) + "\n" for record in lines[part:last])
        (root / f"{name}.jsonl").write_text(text)
    return {name: root / f"{name}.jsonl" for name in "abcd"}


def options(checkpoints, halves, kind, prior):
    return [
        *("--checkpoint", checkpoints / kind, "--prior", checkpoints / prior),
        *("--data", halves["a"], "--data", halves["b"]),
        *("--held-out", halves["c"], "--held-out", halves["d"], "--passes", 2),
    ]


@pytest.fixture(scope="module")
def runs(checkpoints, halves, tmp_path_factory):
    """An adapter's run with all objects, and a full model's with shared draws."""
    root = tmp_path_factory.mktemp("runs")
    losses = ("--loss", "exact", "--loss", "nll")
    also = [x for name in ("drawn", "compressed", "tokens") for x in ("--also", name)]
    run_quietly(options(checkpoints, halves, "adapter", "initial"), losses, also, root / "adapter")
    shared = ("--draw-mode", "block", "--noise-batch", 3)
    coded = (*shared, "--also", "compressed")
    run_quietly(options(checkpoints, halves, "full", "base"), losses, coded, root / "full")
    few = ("--tolerance", 0.1, *shared)
    run_quietly(options(checkpoints, halves, "full", "base"), losses, few, root / "full-pairs")
    few = ("--tolerance", 0.05)
    pairs = options(checkpoints, halves, "adapter", "initial")
    run_quietly(pairs, losses, few, root / "adapter-pairs")
    steps = ("--optimize", 40, "--optimize-rate", 0.3, "--family", "diagonal")
    run_quietly(pairs, ("--loss", "nll"), steps, root / "adapter-diagonal")
    moved = options(checkpoints, halves, "free", "initial")
    run_quietly(moved, ("--loss", "nll"), ("--also", "drawn"), root / "adapter-moved")
    return root


def run_quietly(arguments, losses, more, out):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", list(map(str, ["x", *arguments, *losses, *more, "--out", out])))
        with pytest.raises(SystemExit) as stop:
            bound_main()
    assert not stop.value.code


CASES = {
    "adapter/certificate.json": None,
    "adapter/certificate.nll.json": None,
    "adapter/certificate.drawn.json": "drawn",
    "adapter/certificate.compressed.nll.json": "compressed",
    "full/certificate.compressed.json": "compressed",
    "adapter/certificate.tokens.json": "drawn",
    "full/certificate.json": None,
    "full/certificate.nll.json": None,
    "full-pairs/certificate.nll.json": None,
    "adapter-pairs/certificate.json": None,
    "adapter-pairs/certificate.nll.json": None,
    "adapter-diagonal/certificate.json": None,
    "adapter-moved/certificate.json": None,
    "adapter-moved/certificate.drawn.json": "drawn",
}


def inputs_of(runs, checkpoints, halves, case, network, **changes):
    folder = runs / Path(case).parent
    adapter = case.startswith("adapter")
    kind = "free" if "moved" in case else "adapter" if adapter else "full"
    given = {
        "checkpoint": checkpoints / kind,
        "prior": checkpoints / ("initial" if adapter else "base"),
        "base": checkpoints / "base" if adapter else None,
        "network": None if network is None else folder / "objects" / network,
        "data": (halves["a"], halves["b"]),
        "held_out": (halves["c"], halves["d"]),
        "draws": folder / "draws",
    }
    if "diagonal" in case or "moved" in case:
        given["posterior"] = folder / "posterior.safetensors"
    return Inputs(**(given | changes))


def checked(document, inputs):
    report = verify(document)
    if not report.findings:
        check_inputs(document, report, inputs)
    return report


def test_a_prior_that_is_not_given_leaves_the_weights_unchecked(runs, checkpoints, halves):
    """The checkpoint alone does not say which of its factors were trained."""
    case = "adapter/certificate.json"
    without = checked(
        read(runs / case), inputs_of(runs, checkpoints, halves, case, None, prior=None)
    )
    assert without.findings == []
    assert "prior.centre.sha256" in without.unchecked


@pytest.mark.parametrize(("case", "network"), CASES.items())
def test_real_runs_agree_with_their_inputs(runs, checkpoints, halves, case, network):
    inputs = inputs_of(runs, checkpoints, halves, case, network)
    report = checked(read(runs / case), inputs)
    assert report.findings == []
    few = FREE | ({"strata[].unperturbed_risk", "prior.data"} if "tokens" in case else set())
    vacuous = {"strata[].bets[].lam", "strata[].bets[].mean_log"} if "tokens" in case else set()
    assert {kind_of(path) for path in report.unchecked} <= few | vacuous


@pytest.mark.parametrize(
    "case",
    [
        "adapter/certificate.nll.json",
        "full/certificate.json",
        "full-pairs/certificate.nll.json",
        "adapter-pairs/certificate.nll.json",
        "adapter-moved/certificate.json",
        "adapter-diagonal/certificate.json",
    ],
)
def test_what_only_inputs_can_tell_is_found_out(runs, checkpoints, halves, case):
    document = read(runs / case)
    inputs = inputs_of(runs, checkpoints, halves, case, None)
    alone, free = set(verify(document).unchecked), set(checked(document, inputs).unchecked)
    tried = set()
    for keys in edits(document, limit=1):
        path, value = dotted(keys), at(document, keys)
        if path not in alone - free or value in ([], {}):
            continue
        for other in others(value):
            report = checked(tampered(document, keys, other), inputs)
            assert any(kin(path, name) for name in names(report)), (path, other)
        tried.add(kind_of(path))
    assert {"seed", "version", "environment.dtype", "data[].sha256", "prior.centre.sha256"} <= tried
    assert {"posterior.choice", "strata[].unperturbed_risk", "prior.scale_grid.index"} <= tried
    if "pairs" in case:
        assert {"strata[].empirical_risk", "strata[].empirical_risk_bound[]"} <= tried
        assert "strata[].n_draws" in tried


def test_another_spread_of_the_posterior_is_found_out(runs, checkpoints, halves):
    case = "adapter-diagonal/certificate.json"
    document, inputs = read(runs / case), inputs_of(runs, checkpoints, halves, case, None)
    assert document["posterior"]["family"] == "diagonal"
    report = verify(document)
    group = document["posterior"]["groups"][0]
    assert group["anisotropy"] > 0
    group["anisotropy"] *= 0.99
    group["sigma_posterior"] *= 1.01
    document["posterior"]["family"] = "kronecker"
    check_inputs(document, report, inputs)
    at = "posterior.groups[0]"
    wanted = {f"{at}.anisotropy", f"{at}.sigma_posterior", "posterior.family"}
    assert {f.field for f in report.findings} >= wanted


def test_factors_that_were_moved_have_the_products_of_the_checkpoint(
    runs, checkpoints, halves, tmp_path
):
    case = "adapter-moved/certificate.json"
    document, inputs = read(runs / case), inputs_of(runs, checkpoints, halves, case, None)
    assert "; factors " in document["posterior"]["choice"]
    assert document["posterior"]["centre"]["path"].endswith("posterior.safetensors")
    tensors, notes = load_file(inputs.posterior), safe_open(inputs.posterior, "pt").metadata()
    assert json.loads(notes["pacbayes"])["checkpoint"] == identity(inputs.checkpoint)

    def found(changes, checkpoint="free"):
        changed = replace(
            inputs, posterior=tmp_path / "x.safetensors", checkpoint=checkpoints / checkpoint
        )
        save_file(tensors | changes, changed.posterior, metadata=notes)
        return {f.field for f in checked(document, changed).findings}

    assert found({}) <= {"posterior.centre.sha256"}, "the same tensors in another order at most"
    for name in (f"means/{group['name']}" for group in document["posterior"]["groups"][:4]):
        moved = tensors[name].clone()
        moved[0, 0] += 1e-4 * moved.norm()
        fields = found({name: moved})
        assert {"posterior.centre.sha256", "posterior.choice"} <= fields
        assert any(field.endswith(".distance_squared") for field in fields)
    # no longer the least distance, but the same products
    a, b = (f"means/{group['name']}" for group in document["posterior"]["groups"][:2])
    fields = found({a: 2 * tensors[a], b: tensors[b] / 2})
    assert "posterior.choice" not in fields
    assert {"posterior.groups[0].distance_squared", "posterior.centre.sha256"} <= fields
    assert {"posterior.centre", "posterior.choice"} <= found({}, checkpoint="adapter")


def test_a_changed_input_is_found_out(runs, checkpoints, halves, tmp_path):
    case, document = "adapter/certificate.nll.json", read(runs / "adapter/certificate.nll.json")
    lines = halves["a"].read_text().splitlines(keepends=True)
    fewer = tmp_path / "a.jsonl"
    fewer.write_text("".join(lines[1:]))
    grouped = tmp_path / "b.jsonl"
    grouped.write_text(halves["b"].read_text().replace('"group": 0', '"group": 1'))
    for change, fields in {
        ("data", (fewer, halves["b"])): {"data[0].sha256", "data[0].n_records", "strata[0].n"},
        ("data", (halves["a"], grouped)): {"data[1].sha256", "strata[1].n"},
        ("data", (halves["a"],)): {"data"},
        ("held_out", (halves["c"], fewer)): {"strata[1].held_out.sha256"},
        ("checkpoint", checkpoints / "free"): {"posterior.centre.sha256", "posterior.groups"},
        ("prior", checkpoints / "adapter"): {"prior.centre.sha256", "posterior.groups"},
        ("base", checkpoints / "full"): {"prior.base.sha256"},
        ("draws", runs / "full" / "draws"): {"posterior.centre.sha256", "posterior.choice"},
    }.items():
        inputs = inputs_of(runs, checkpoints, halves, case, None, **dict([change]))
        assert {f.field for f in checked(document, inputs).findings} >= fields, change


def test_changed_losses_are_found_out(runs, checkpoints, halves, tmp_path):
    case, document = "adapter/certificate.nll.json", read(runs / "adapter/certificate.nll.json")
    shutil.copytree(runs / "adapter" / "draws", tmp_path / "draws")
    (path,) = (tmp_path / "draws").glob("*/stratum1.pass1.npy")
    raw = path.read_bytes()
    path.write_bytes(raw[:-8] + bytes(8))
    inputs = inputs_of(runs, checkpoints, halves, case, None, draws=tmp_path / "draws")
    found = {f.field for f in checked(document, inputs).findings}
    assert found >= {"strata[1].empirical_risk", "strata[1].bets[0].mean_log"}
    for damaged in (raw[:-1], b"", raw[:20], b"\x93NUMPY\x01\x00\xff\xff"):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError, match="is no npy file of losses"):
            checked(document, inputs)
    path.unlink()
    with pytest.raises(UnreadableError, match="cannot be read"):
        checked(document, inputs)
    with pytest.raises(UnreadableError, match="holds no stored draws"):
        checked(document, inputs_of(runs, checkpoints, halves, case, None, draws=tmp_path))


def test_another_network_than_the_drawn_one_is_found_out(runs, checkpoints, halves):
    case = "adapter/certificate.drawn.json"
    inputs = inputs_of(runs, checkpoints, halves, case, "compressed")
    found = {f.field for f in checked(read(runs / case), inputs).findings}
    assert "object.sha256" in found
    assert any(field.startswith("kl_by_group.") for field in found)


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_a_code_of_another_network_is_found_out(runs, checkpoints, halves, tmp_path, kind):
    case = f"{kind}/certificate.compressed.json"
    document, inputs = read(runs / case), inputs_of(runs, checkpoints, halves, case, "compressed")
    shutil.copytree(inputs.network, tmp_path / "network")
    inputs = replace(inputs, network=tmp_path / "network")
    assert checked(document, inputs).findings == []
    path = tmp_path / "network" / "code.bin"
    raw = path.read_bytes()
    # a word, a longer first number, an amplitude
    for place, flipped in ((-2, 16), (0, 128), (1, 64)):
        changed = bytearray(raw)
        changed[place] ^= flipped
        path.write_bytes(changed)
        try:
            found = {f.field for f in checked(document, inputs).findings}
        except UnreadableError:
            continue
        assert found & {"object.code_bits", "object.sha256"}, place
    for damaged in (raw[:2], b"", bytes(4), b"\x00\x00\x00\x01" + raw):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableError, match="is no code of this network"):
            checked(document, inputs)
    path.unlink()
    with pytest.raises(UnreadableError, match=r"code\.bin: cannot be read"):
        checked(document, inputs)
