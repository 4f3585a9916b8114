import os
import signal
import subprocess
import sys

import pytest

from pacbayes.errors import InputError, WriteError
from pacbayes.files import LOCK, claimed, claimed_file, filling, unfinished, write_all

HOLDER = """
import sys, time
from pathlib import Path
from pacbayes.files import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def held(tmp_path):
    """A folder that another process holds, and that process."""
    folder = tmp_path / "new" / "folder"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, folder], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    yield folder, holder
    holder.kill()
    holder.wait()
    holder.stdout.close()


def test_a_folder_has_one_writer_and_a_killed_one_lets_go(held):
    folder, holder = held
    with pytest.raises(InputError, match="being written to by another run"), claimed(folder):
        pass
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (folder / LOCK).is_file()
    for _ in range(2):
        with claimed(folder):
            assert (folder / LOCK).is_file()
        assert not folder.exists()


def test_what_a_killed_process_did_not_finish_is_removed(tmp_path):
    old, new = (unfinished(tmp_path / "draws" / name) for name in ("a.npy", "model"))
    new.mkdir(parents=True)
    old.write_bytes(b"half")
    (new / "file").touch()
    other = tmp_path / "nested"
    (other / LOCK).parent.mkdir()
    (other / LOCK).touch()  # of a writer with a claim of its own
    unfinished(other / "b").touch()
    alike = tmp_path / ".notes.tmp"
    alike.touch()
    with claimed(tmp_path):
        assert list((tmp_path / "draws").iterdir()) == []
        assert unfinished(other / "b").is_file()
        assert alike.is_file()


def test_one_file_has_one_writer_too(tmp_path):
    path = tmp_path / "new" / "scored.jsonl"
    refused = pytest.raises(InputError, match=r"scored.jsonl: is being written")
    with claimed_file(path):
        unfinished(path.with_name("scored.jsonl.report.json")).touch()
        with claimed_file(path.with_name("scored")), refused, claimed_file(path):
            pass
    with claimed_file(path):
        assert [p.name for p in path.parent.iterdir()] == [".scored.jsonl.lock"]


def test_all_files_are_in_place_or_none(tmp_path, monkeypatch):
    plan, figure = tmp_path / "out" / "plan.json", tmp_path / "out" / "figures" / "a.png"
    write = type(plan).write_bytes

    def full(path, content):
        if content == b"figure":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(type(plan), "write_bytes", full)
    with pytest.raises(WriteError, match=r"a.png: cannot be written: No space left on device"):
        write_all({plan: b"plan", figure: b"figure"})
    assert list(tmp_path.iterdir()) == []
    write_all({plan: b"plan", figure: b"another"})
    assert (plan.read_bytes(), figure.read_bytes()) == (b"plan", b"another")


def test_a_folder_is_filled_with_whole_files_or_not_at_all(tmp_path):
    (tmp_path / "kept").write_text("before")
    with pytest.raises(ZeroDivisionError), filling(tmp_path) as partial:
        (partial / "weights").write_text(str(1 / len(list(partial.iterdir()))))
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    with filling(tmp_path) as partial:
        (partial / "weights").write_text("whole")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept", "weights"]


def test_an_error_of_the_writer_is_its_own_and_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), claimed(tmp_path / "out"):
        raise ZeroDivisionError
    assert not (tmp_path / "out").exists()
    with claimed(tmp_path):
        (tmp_path / "result").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), claimed(tmp_path / "file" / "out"):
        pass


def test_certifying_into_it_is_refused(held, checkpoints, problem_file, run_bound):
    folder, _ = held
    before = sorted(folder.iterdir())
    checkpoint = checkpoints / "adapter"
    code, out, err = run_bound("--checkpoint", checkpoint, "--data", problem_file, "--out", folder)
    assert (code, out) == (2, "")
    assert "being written to by another run" in err
    assert sorted(folder.iterdir()) == before
