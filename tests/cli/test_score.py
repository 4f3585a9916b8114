"""`pacbayes score` as its users meet it: exit codes, streams, files, and every bad input."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from pacbayes.cli.scorers import _GRADES
from pacbayes.data import read_jsonl
from pacbayes.difficulty import PRESETS
from pacbayes.difficulty.pass_rate import GRADES

SAMPLE = Path(str(files("pacbayes.sample")))
EASY = SAMPLE / "data" / "easy.held_out.jsonl"


@pytest.fixture
def run_score(run_program):
    """Runs `pacbayes score`; gives its exit code, stdout and stderr."""
    from pacbayes.cli import main

    return partial(run_program, main, "pacbayes", "score")


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def difficulties(path):
    return [json.loads(line).get("difficulty") for line in path.open()]


def test_steps_of_the_sample(run_score, tmp_path):
    out = tmp_path / "o.jsonl"
    code, printed, err = run_score("--data", EASY, "--out", out, "--by", "steps", "--separator=;")
    assert code == 0
    assert "1500 of 1500 records have a difficulty, from 4 to 5" in printed
    assert str(out) in printed
    assert "score by steps" in err
    for record in read_jsonl(out):
        assert record.difficulty == record.completion.count(";") + 1


def test_tokens_of_the_sample(run_score, tmp_path):
    out = tmp_path / "o.jsonl"
    tokenizer = SAMPLE / "base"
    code, _, _ = run_score("--data", EASY, "--out", out, "--by=tokens", "--tokenizer", tokenizer)
    assert code == 0
    assert all(r.difficulty == len(r.completion) for r in read_jsonl(out))


def test_field(run_score, tmp_path):
    data = write(tmp_path / "d.jsonl", {"s": "6/8"}, {"s": None}, {"s": "0/8"}, {})
    out = tmp_path / "o.jsonl"
    arguments = ("--data", data, "--out", out, "--field=s", "--orientation=easier")
    code, _, err = run_score(*arguments)
    assert code == 2
    assert err == (
        f"error: {data}:2: `s` is null, so there is no difficulty; --missing skip leaves such "
        "records out, --missing keep writes them without one.\n"
    )
    assert list(tmp_path.iterdir()) == [data]
    code, printed, _ = run_score(*arguments, "--missing=skip")
    assert code == 0
    assert difficulties(out) == [0.25, 1]
    assert "1 left out: `s` is null." in printed
    assert "Their lines: 2, 4" in printed
    assert "Pass rates: 1 records with none right, 0 with all" in printed
    code, printed, _ = run_score(*arguments, "--missing=keep", "--overwrite")
    assert difficulties(out) == [0.25, None, 1, None]


def test_json_is_the_report_alone(run_score, tmp_path):
    data = write(tmp_path / "d.jsonl", {"x": 1}, {"x": 2})
    out = tmp_path / "o.jsonl"
    arguments = ("--data", data, "--out", out, "--field=x", "--orientation=harder", "--json")
    code, printed, _ = run_score(*arguments)
    assert code == 0
    assert json.loads(printed) == json.loads((tmp_path / "o.jsonl.report.json").read_text())
    assert json.loads(printed)["settings"]["score"]["scale"] == "number"


def test_preset_with_its_group(run_score, tmp_path):
    rows = [{"problem": p, "pass_rate_72b_tir": r} for p, r in (("a", "0.5"), ("a", "n/a"))]
    data, out = write(tmp_path / "d.jsonl", *rows), tmp_path / "o.jsonl"
    code, printed, _ = run_score("--data", data, "--out", out, "--preset=openmathreasoning")
    assert code == 0
    assert "1 left out: `pass_rate_72b_tir` is 'n/a'" in printed
    (record,) = [json.loads(line) for line in out.open()]
    assert record["group"] == "a"
    assert record["pass_rate"] == {"k": 16, "m": 32}


def test_options_of_a_file(run_score, tmp_path):
    data = write(tmp_path / "d.jsonl", {"x": "b"}, {"x": "a"})
    config = tmp_path / "c.toml"
    config.write_text('data = "d.jsonl"\nfield = "x"\nlabels = "a,b"\norientation = "easier"\n')
    out = tmp_path / "o.jsonl"
    code, _, _ = run_score("--config", config, "--out", out)
    assert code == 0
    assert difficulties(out) == [-2, -1]
    assert data.exists()


def test_pass_rate_and_loss_of_a_model(run_score, checkpoints, problem_file, tmp_path):
    out = tmp_path / "o.jsonl"
    shared = ("--data", problem_file, "--model", checkpoints / "adapter", "--overwrite")
    rate = ("--by=pass-rate", "--samples=2", "--max-new-tokens=3", "--batch-size=64")
    code, printed, _ = run_score(*shared, "--out", out, *rate)
    assert code == 0
    assert "answers were cut off" in printed
    assert all(json.loads(line)["pass_rate"]["m"] == 2 for line in out.open())
    code, _, _ = run_score(*shared, "--out", out, "--by=loss")
    assert code == 0
    assert all(r.difficulty > 1 for r in read_jsonl(out))


def test_names_that_are_written_twice_agree():
    assert tuple(GRADES) == _GRADES
    from pacbayes.cli import app

    (command,) = (c for c in app.registered_commands if c.name == "score")
    help_text = command.callback.__annotations__["preset"]
    assert all(name in str(help_text) for name in PRESETS)


BAD = {
    "no measure": ((), "say where difficulty comes from: --by, --field or --preset"),
    "measure": (("--by=length",), "--by must be one of field, tokens, steps, pass-rate, loss"),
    "orientation": (("--field=x",), "--orientation must be given: harder if larger values"),
    "orientation word": (("--field=x", "--orientation=up"), "must be harder or easier"),
    "preset": (("--preset=aime",), "--preset must be one of math"),
    "preset and measure": (("--preset=math", "--by=loss"), "takes the difficulty from a field"),
    "preset and field": (("--preset=math", "--field=x"), "--field does nothing with --preset"),
    "other option": (
        ("--field=x", "--orientation=harder", "--samples=3"),
        "--samples does nothing with --by field; leave it out",
    ),
    "no field": (("--by=field",), "--by field needs --field"),
    "no tokenizer": (("--by=tokens",), "--by tokens needs --tokenizer"),
    "steps": (("--by=steps",), "--by steps needs either --steps or --separator"),
    "both steps": (("--by=steps", "--steps=lines", "--separator=x"), "needs either --steps or"),
    "steps word": (("--by=steps", "--steps=words"), "--steps must be one of lines, sentences"),
    "no model": (("--by=loss",), "--by loss needs --model"),
    "model": (("--by=loss", "--model=no"), "no: no such folder"),
    "samples": (("--by=pass-rate", "--model=no", "--samples=0"), "--samples must be at least 1"),
    "temperature": (("--by=pass-rate", "--model=no", "--temperature=0"), "must be positive"),
    "greedy": (
        ("--by=pass-rate", "--model=no", "--samples=1", "--temperature=1"),
        "--samples 1 decodes greedily",
    ),
    "grade": (("--by=pass-rate", "--model=no", "--grade=f1"), "--grade must be one of exact"),
    "seed": (("--by=pass-rate", "--model=no", "--seed=-1"), "--seed must lie in [0, 2**64)"),
    "dtype": (("--by=loss", "--model=no", "--dtype=int8"), "--dtype must be one of float32"),
    "device": (("--by=loss", "--model=no", "--device=tpu9"), "--device 'tpu9' cannot be used"),
    "missing": (("--field=x", "--orientation=harder", "--missing=x"), "--missing must be error"),
    "labels": (("--field=x", "--orientation=harder", "--labels=a"), "at least two different"),
    "labels scale": (
        ("--field=x", "--orientation=harder", "--labels=a,b", "--scale=rate"),
        "--labels needs --scale labels",
    ),
    "rate of": (
        ("--field=x", "--orientation=harder", "--rate-of=8"),
        "--rate-of needs --scale rate; `x` is read as number",
    ),
    "layout": (("--field=x", "--orientation=harder", "--prompt-field=x"), "be given together"),
    "group": (
        ("--field=x", "--orientation=harder", "--group-field=problem"),
        "d.jsonl:1: no `problem`",
    ),
    "no value": (("--field=y", "--orientation=harder"), "no record has a value in `y`"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(run_score, tmp_path, name):
    data = write(tmp_path / "d.jsonl", {"x": 1, "prompt": "a", "completion": "b"})
    arguments, message = BAD[name]
    code, printed, err = run_score("--data", data, "--out", tmp_path / "o.jsonl", *arguments)
    assert code == 2
    assert message in err
    assert [line for line in err.splitlines() if line.startswith("error: ")] == [
        err.splitlines()[-1]
    ]
    assert printed == ""
    assert list(tmp_path.iterdir()) == [data]


def test_missing_files(run_score, tmp_path):
    code, _, err = run_score("--data", tmp_path / "no", "--out", tmp_path / "o", "--preset=math")
    assert code == 2
    assert "no: no such file" in err


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_interrupted_by_the_keyboard_and_run_again(tmp_path):
    data, out = tmp_path / "d.jsonl", tmp_path / "o.jsonl"
    line = json.dumps({"prompt": "p", "completion": "a. " * 2000}) + "\n"
    data.write_text(line * 2500)
    command = [sys.executable, "-c", "from pacbayes.cli import main; main()", "score"]
    command += ["--data", str(data), "--out", str(out), "--by=steps", "--steps=sentences"]
    for _ in range(5):
        running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        part = out.with_name("o.jsonl.part")
        # a chunk is about 1.5 MB; the one being written when the signal comes is done again
        while running.poll() is None and not (part.exists() and part.stat().st_size > 4 * 10**6):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
        if running.returncode:
            break
        out.unlink()  # it was ready before this process had its turn to interrupt it
    assert running.returncode == 130
    assert "run the same command again to go on from here" in err
    assert not out.exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"of {data}.\n" in done.stderr
    assert "note: going on from line " in done.stderr
    assert difficulties(out) == [2000] * 2500
