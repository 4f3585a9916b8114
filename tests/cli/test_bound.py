"""`pacbayes-bound` as its users meet it: exit codes, streams, files, and every bad input."""

import json
import shutil
import subprocess
import sys

import pytest
from safetensors.torch import load_file, save_file

from pacbayes.certificate import Certificate
from pacbayes.sample.pretrain import make_tokenizer
from tests.conftest import tiny_llama


@pytest.fixture
def good(checkpoints, problem_file, tmp_path):
    """Arguments that work, as a dict, with an output folder that is not there yet."""
    return {
        "--checkpoint": checkpoints / "adapter",
        "--prior": checkpoints / "initial",
        "--data": problem_file,
        "--out": tmp_path / "out",
        "--passes": 1,
    }


def flat(arguments):
    return [str(part) for pair in arguments.items() for part in pair]


def write(path, text):
    path.write_text(text)
    return path


def changed(tmp_path, good, name):
    """The arguments with one thing wrong, and what the message must say."""
    short = good["--data"].read_text().splitlines()
    copy = tmp_path / "copy"
    shutil.copytree(good["--checkpoint"].parent, copy)
    weights = copy / "adapter" / "adapter_model.safetensors"
    if name == "shapes":
        tiny_llama(make_tokenizer(), intermediate_size=64).save_pretrained(copy / "wide")
    if name == "truncated":
        weights.write_bytes(weights.read_bytes()[:300])
    if name == "pickle":
        weights.rename(weights.with_name("adapter_model.bin"))
    settings = {
        "config type": ("base/config.json", {"hidden_size": "wide"}),
        "remote code": ("base/config.json", {"auto_map": {"AutoModelForCausalLM": "evil.Model"}}),
        "too large": ("base/config.json", {"hidden_size": 10**12}),
        "rank": ("adapter/adapter_config.json", {"r": 10**9}),
    }
    if name in settings:
        file, values = settings[name]
        (copy / file).write_text(json.dumps(json.loads((copy / file).read_text()) | values))
    if name == "shards":
        (copy / "base" / "model.safetensors").rename(copy / "model.safetensors")
        index = {"weight_map": {"a": "../model.safetensors"}}
        (copy / "base" / "model.safetensors.index.json").write_text(json.dumps(index))
    if name == "nan":
        tensors = load_file(weights)
        tensors[min(k for k in tensors if "lora_B" in k)][0, 0] = float("nan")
        save_file(tensors, weights, metadata={"format": "pt"})
    one, other = (f'{{"prompt": "{p}", "completion": "b", "id": 7}}' for p in "ac")
    data = {
        "messages": '{"messages": [{"role": "assistant", "content": "a"}]}',
        "malformed": "\n".join([short[0], '{"prompt": "a", ']),
        "empty": "",
        "no completion": '{"prompt": "a=1;a?"}',
    }
    file = write(tmp_path / "d.jsonl", data.get(name, short[0]))
    return {
        "missing folder": ({"--checkpoint": tmp_path / "no"}, "no such folder"),
        "no base": (
            {"--checkpoint": copy / "adapter", "--base": tmp_path / "no"},
            "no such folder",
        ),
        "malformed": ({"--data": file}, "d.jsonl:2: "),
        "empty": ({"--data": file}, "d.jsonl: no records"),
        "no completion": ({"--data": file}, "d.jsonl:1: record without completion"),
        "missing file": ({"--data": tmp_path / "no.jsonl"}, "no.jsonl: no such file"),
        "truncated": ({"--checkpoint": copy / "adapter"}, "truncated or damaged"),
        "pickle": ({"--checkpoint": copy / "adapter"}, "is a pickle"),
        "config type": ({"--checkpoint": copy / "adapter"}, "cannot be loaded"),
        "remote code": ({"--checkpoint": copy / "adapter"}, "which is never run: `auto_map`"),
        "too large": ({"--checkpoint": copy / "adapter"}, "but its files hold"),
        "rank": ({"--checkpoint": copy / "adapter"}, "those of the weights are [4]"),
        "shards": ({"--checkpoint": copy / "adapter"}, "outside the folder"),
        "nan": ({"--checkpoint": copy / "adapter"}, "holds NaN or infinity"),
        "shapes": ({"--checkpoint": copy / "full", "--prior": copy / "wide"}, "one architecture"),
        "messages": ({"--data": file}, "d.jsonl:1: "),
        "out": ({"--out": file / "below"}, "is a file, where --out needs a folder"),
        "delta 0": ({"--delta": 0}, "--delta must lie in (0, 1), got 0.0"),
        "delta 1": ({"--delta": 1}, "--delta must lie in (0, 1), got 1.0"),
        "delta nan": ({"--delta": "nan"}, "--delta must lie in (0, 1), got nan"),
        "loss": ({"--loss": "accuracy"}, "--loss must be one of exact, token, nll"),
        "also": ({"--also": "sampled"}, "--also must be one of drawn, compressed, tokens, got"),
        "tokens": ({"--also": "tokens"}, "--also tokens needs --loss token or --loss nll"),
        "passes": ({"--passes": 0}, "--passes must be at least 1, got 0"),
        "edges": ({"--strata-edges": "2,x"}, "--strata-edges must be numbers"),
        "strata": ({"--strata": 0}, "--strata must be at least 1, got 0"),
        "levels": ({"--strata-levels": "level"}, ":1: record without `level`"),
        "device": ({"--device": "nowhere"}, "--device 'nowhere' cannot be used here"),
        "held-out": ({"--held-out": good["--data"]}, "the same record as"),
        "prior split": (
            {"--prior-data": good["--data"]},
            "a prior may be trained on other data only",
        ),
        "prior id": (
            {
                "--data": write(tmp_path / "a.jsonl", one),
                "--prior-data": write(tmp_path / "b.jsonl", other),
            },
            "b.jsonl:1: id '7' is that of ",
        ),
        "family": ({"--family": "kronecker"}, "--family must be one of isotropic, per-group"),
        "not learned": ({"--family": "diagonal"}, "for each weight, which --optimize STEPS learns"),
        "groups": ({"--family": "per-group"}, "must be given together"),
        "group": ({"--family": "per-group", "--group": "*"}, "--group must be NAME=PATTERN"),
        "not covered": (
            {"--family": "per-group", "--group": "value=*v_proj*"},
            "is in no group",
        ),
        "tolerance": ({"--tolerance": 1}, "--tolerance must lie in (0, 1), got 1.0"),
        "prior scale": ({"--prior-scale": 0}, "--prior-scale must be positive"),
        "config": ({"--config": write(tmp_path / "c.toml", "lossy = 1")}, "did you mean 'loss'?"),
    }[name]


CASES = [
    *("missing folder", "no base", "malformed", "empty", "no completion", "missing file"),
    *("truncated", "pickle", "delta 0", "delta 1", "delta nan", "loss", "passes", "edges"),
    *("remote code", "too large", "rank", "shards"),
    *("config type", "nan", "shapes", "messages", "out", "strata", "device", "held-out", "config"),
    *("prior split", "prior id", "prior scale", "tolerance", "levels"),
    *("family", "not learned", "groups", "group", "not covered"),
    *("also", "tokens"),
]


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, good, tmp_path, run_bound):
    wrong, message = changed(tmp_path, good, name)
    code, out, err = run_bound(*flat(good | wrong))
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert message in err
    assert not good["--out"].exists()


def test_prior_data_without_its_prior(good, run_bound):
    del good["--prior"]
    code, _, err = run_bound(*flat(good | {"--prior-data": good["--data"]}))
    assert code == 2
    assert "give it as --prior" in err


def test_draws_to_a_tolerance(good, run_bound):
    code, _, err = run_bound(*flat(good | {"--tolerance": 0.2, "--passes": 50}), "--loss", "token")
    assert code == 0, err
    (stratum,) = Certificate.read(good["--out"] / "certificate.json").strata
    assert stratum.empirical_risk_bound[1] - stratum.empirical_risk <= 0.2
    assert stratum.n_draws < 50 * stratum.n


def test_a_noise_scale_for_each_group(good, run_bound):
    code, _, err = run_bound(
        *flat(good | {"--family": "per-group", "--loss": "token"}),
        *("--group", "attention=*_proj.lora_B*", "--no-gauge"),
    )
    assert code == 0, err
    found = Certificate.read(good["--out"] / "certificate.json")
    ratios = {round(g.sigma_posterior / g.sigma_prior, 9) for g in found.posterior.groups}
    assert len(ratios) == 1
    assert found.posterior.choice == "a multiple for each group"


def test_a_split_prior_is_shown_beside(good, tmp_path, run_bound):
    other = write(tmp_path / "other.jsonl", '{"prompt": "c", "completion": "d"}')
    code, out, err = run_bound(*flat(good | {"--prior-data": other}))
    assert code == 0, err
    assert "the prior's own model, for which these data are held out, has risk" in out


def test_bad_input_in_a_process_of_its_own(good, tmp_path):
    """Nothing that libraries print gets between the user and the one line."""
    wrong, message = changed(tmp_path, good, "truncated")
    command = [sys.executable, "-c", "from pacbayes.cli import bound_main; bound_main()"]
    done = subprocess.run(
        [*command, *flat(good | wrong)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_alone_on_stdout(good, run_bound):
    code, out, _ = run_bound(*flat(good), "--json")
    assert code == 0
    assert Certificate.from_json(out) == Certificate.read(good["--out"] / "certificate.json")
    assert (good["--out"] / "figures" / "certificate.png").stat().st_size > 1000
    assert "What would halve it" in (good["--out"] / "report.html").read_text()


def test_vacuous_and_told_so(good, run_bound):
    code, out, _ = run_bound(*flat(good), "--require-nonvacuous")
    assert code == 3
    assert "vacuous" in out


def test_several_losses_and_strata(good, run_bound):
    code, out, _ = run_bound(
        *flat(good | {"--strata-edges": 2}), "--loss", "exact", "--loss", "token", "--loss", "nll"
    )
    assert code == 0
    assert "difficulty<=2" in out
    for name in ("certificate", "certificate.token", "certificate.nll"):
        certificate = Certificate.read(good["--out"] / f"{name}.json")
        assert [s.name for s in certificate.strata] == ["difficulty<=2", "difficulty>2"]
        assert sum(s.n for s in certificate.strata) == 60
    assert certificate.loss.range[1] == pytest.approx(8.4, abs=0.3)  # ln(1 + 99 · 48)


def test_other_objects_beside_the_posterior(good, run_bound):
    names = ("drawn", "compressed", "tokens")
    also = [part for name in names for part in ("--also", name)]
    code, out, _ = run_bound(*flat(good), "--loss", "exact", "--loss", "token", *also)
    assert code == 0
    assert out.count("Object: one network") == 3
    flowing = " ".join(out.split())
    for words in ("drawn once from the posterior", "compressed to", "tokens of these documents"):
        assert words in flowing
    stems = ["certificate", "certificate.drawn", "certificate.compressed", "certificate.tokens"]
    for stem in stems:
        certificate = Certificate.read(good["--out"] / f"{stem}.json")
        kind = {"certificate": "posterior", "certificate.tokens": "drawn"}.get(stem)
        assert certificate.object.kind == kind or stem.endswith(certificate.object.kind)
        assert (good["--out"] / "figures" / f"{stem}.png").stat().st_size > 1000
    assert Certificate.read(good["--out"] / "certificate.drawn.token.json").loss.name == "token"
    assert Certificate.read(good["--out"] / "certificate.tokens.json").loss.name == "token"
    assert not (good["--out"] / "certificate.tokens.token.json").exists()


def test_json_of_several_objects_is_a_list(good, run_bound):
    code, out, _ = run_bound(*flat(good), "--also", "drawn", "--json")
    assert code == 0
    assert [found["object"]["kind"] for found in json.loads(out)] == ["posterior", "drawn"]


def test_config_file(good, tmp_path, run_bound):
    config = tmp_path / "run.toml"
    shutil.copy(good["--data"], tmp_path / "short.jsonl")
    config.write_text(
        f'checkpoint = "{good["--checkpoint"]}"\nprior = "{good["--prior"]}"\n'
        'data = "short.jsonl"\nloss = "token"\npasses = 2\ndelta = 0.1\nout = "elsewhere"\n'
    )
    code, _, err = run_bound("--config", config, "--delta", 0.2)
    assert code == 0, err
    certificate = Certificate.read(tmp_path / "elsewhere" / "certificate.json")
    assert certificate.delta.total == 0.2  # what is typed wins
    assert certificate.strata[0].n_draws == 120
    assert certificate.loss.name == "token"


def test_dry_run_writes_nothing(good, run_bound):
    code, out, _ = run_bound(*flat(good), "--dry-run")
    assert code == 0
    assert "n = 60 units" in out
    assert "KL range" in out
    assert not good["--out"].exists()


def test_levels_and_notes(good, tmp_path, run_bound):
    records = [json.loads(line) for line in good["--data"].read_text().splitlines()]
    copies = [record | {"completion": record["completion"] + ";"} for record in records[:3]]
    good["--data"] = write(tmp_path / "d.jsonl", "\n".join(map(json.dumps, records + copies)))
    code, _, err = run_bound(*flat(good), "--strata-levels", "difficulty")
    assert code == 0, err
    assert "note: of 63 units 3 answer an earlier one's prompt, and all count as indep" in err
    certificate = Certificate.read(good["--out"] / "certificate.json")
    assert [s.name for s in certificate.strata] == ["difficulty=2", "difficulty=3"]
    assert any(s.startswith("Of 63 units 3 answer") for s in certificate.assumptions)


def test_difficulties_scored_with_the_checkpoint_are_refused(good, tmp_path, run_bound):
    good["--data"] = shutil.copy(good["--data"], tmp_path / "d.jsonl")
    good |= {"--strata": 2}
    assert run_bound(*flat(good))[0] == 0
    certificate = json.loads((good["--out"] / "certificate.json").read_text())
    report = {
        "schema": "pacbayes.score/1",
        "out": {"sha256": certificate["data"][0]["sha256"]},
        "settings": {
            "score": {"by": "loss", "model": [certificate["posterior"]["centre"]["sha256"]]}
        },
    }
    write(tmp_path / "d.jsonl.report.json", json.dumps(report))
    code, _, err = run_bound(*flat(good))
    assert code == 2
    assert "difficulties that were scored with this very checkpoint" in err


def test_too_long_counts_as_loss_one(good, tmp_path, run_bound):
    long = {"prompt": "a=1;" * 60, "completion": "a1"}
    text = good["--data"].read_text() + json.dumps(long) + "\n"
    good["--data"] = write(tmp_path / "long.jsonl", text)
    code, out, _ = run_bound(*flat(good), "--loss", "token")
    assert code == 0
    assert "1 records cannot be scored" in out
    (stratum,) = Certificate.read(good["--out"] / "certificate.json").strata
    assert (stratum.n, stratum.n_unscorable) == (61, 1)
    assert stratum.empirical_risk >= 1 / 61


def test_draws_of_another_model_are_not_reused(good, checkpoints, tmp_path, run_bound):
    """A changed configuration is another model, though its weights are the same file."""
    folder = tmp_path / "c"
    shutil.copytree(checkpoints, folder)
    good |= {"--checkpoint": folder / "adapter", "--loss": "nll"}
    assert run_bound(*flat(good))[0] == 0
    config = folder / "adapter" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"lora_alpha": 80}))
    assert run_bound(*flat(good))[0] == 0
    assert run_bound(*flat(good | {"--out": tmp_path / "fresh"}))[0] == 0
    again, fresh = (
        Certificate.read(place / "certificate.json")
        for place in (good["--out"], tmp_path / "fresh")
    )
    assert again.strata == fresh.strata


def test_interruption_says_how_to_go_on(good, run_bound, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pacbayes.cli.results.certify", interrupted)
    code, out, err = run_bound(*flat(good))
    assert code == 130
    assert out == ""
    assert "run the same command again" in err


def test_help_is_quick_and_complete(run_bound):
    code, out, _ = run_bound("--help")
    assert code == 0
    for option in ("--checkpoint", "--data", "--held-out", "--strata-edges", "--dry-run", "--json"):
        assert option in out
