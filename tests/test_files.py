import os
import signal
import subprocess
import sys

import pytest

from pacbayes.errors import InputError
from pacbayes.files import LOCK, claimed

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
