"""Processes that work together end together: with one line that says why, within seconds."""

import multiprocessing
import os
import signal
import socket
import time
from datetime import timedelta

import numpy as np
import pytest

from pacbayes import watch
from pacbayes.errors import InputError
from pacbayes.team import joined_team
from pacbayes.watch import State, Word

SIZE = 3
CUT_OFF = 5


def killed(team):
    os.kill(os.getpid(), signal.SIGKILL)


def stopped(team):
    os.kill(os.getpid(), signal.SIGSTOP)


def terminated(team):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def refusing(team):
    raise InputError("data.jsonl:3: is no good.")


def failing(team):
    raise MemoryError("no room\nfor 3 GB")


def work(team, end):
    """Waits for the others, or is busy and does not wait for any."""
    if team.rank == 2 or end is stopped:
        while True:
            sum(range(1000))
    team.sum(np.ones(2))


def member(rank, port, victim, end, folder, seconds):
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": str(SIZE),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    watch._SILENCE, watch._PATIENCE = timedelta(seconds=seconds), timedelta(seconds=2 * seconds)
    code = 0
    try:
        with joined_team(CUT_OFF) as team:
            assert team.sum(np.ones(2)).tolist() == [SIZE] * 2
            (folder / f"joined{rank}").touch()
            end(team) if rank == victim else work(team, end)
    except BaseException as error:
        told = "told " if getattr(error, "told", False) else ""
        (folder / str(rank)).write_text(f"{told}{type(error).__name__}: {error}")
        code = 1
    os._exit(code)


def _wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def ended(tmp_path):
    """Runs a team of which one member ends badly; gives what the others ended with, by rank."""

    def run(end, victim, seconds=60):
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            port = listening.getsockname()[1]
        fork = multiprocessing.get_context("fork")  # torch is imported already
        arguments = [(rank, port, victim, end, tmp_path, seconds) for rank in range(SIZE)]
        running = [fork.Process(target=member, args=given) for given in arguments]
        for process in running:
            process.start()
        for rank in range(SIZE):
            _wait_for(tmp_path / f"joined{rank}")
        others = [process for rank, process in enumerate(running) if rank != victim]
        for process in others:
            process.join(30)  # ½ s on an idle machine
        alive = [process for process in others if process.is_alive()]
        for process in running:
            process.kill()
        assert not alive
        found = {rank: tmp_path / str(rank) for rank in range(SIZE)}
        return {rank: path.read_text() for rank, path in found.items() if path.exists()}

    return run


@pytest.mark.parametrize(("end", "seconds"), [(killed, 60), (stopped, 2)])
def test_the_first_says_which_process_is_gone(ended, end, seconds):
    found = ended(end, 1, seconds)
    assert found[0] == (
        f"ProcessLostError: process 1 of 3 on {socket.gethostname()} is gone without a word "
        "(killed, perhaps for want of memory?); run the same command again, with any number of "
        "processes, to go on from here."
    )
    assert found[2].startswith("told ProcessLostError: process 1 of 3")


def test_without_the_first_each_of_the_others_says_so(ended):
    found = ended(killed, 0)
    assert found.keys() == {1, 2}
    for text in found.values():
        assert text.startswith("ProcessLostError: process 0 of 3 on ")


@pytest.mark.parametrize("victim", [0, 1])
def test_one_that_refuses_its_input_ends_all(ended, victim):
    found = ended(refusing, victim)
    where = "" if victim == 0 else f"process 1 of 3 on {socket.gethostname()}: "
    assert found[0] == f"InputError: {where}data.jsonl:3: is no good."
    assert all(found[rank].startswith("told ") for rank in (1, 2))  # one line, not three


def test_one_that_fails_shows_its_own_error(ended):
    found = ended(failing, 1)
    assert found[1] == "MemoryError: no room\nfor 3 GB"
    assert "1 of 3" in found[0]
    assert ": MemoryError: no room for 3 GB; run the same command again" in found[0]


def test_a_request_to_terminate_interrupts_all(ended):
    found = ended(terminated, 1)
    assert found[0] == "KeyboardInterrupt: "
    assert found[2].startswith("told ProcessLostError: ")


def test_one_that_does_not_end_is_cut_off(ended, monkeypatch, capfd):
    monkeypatch.setattr(watch, "_GRACE", 0.2)
    monkeypatch.setattr(watch.Watch, "_interrupt", lambda *_: None)
    assert ended(killed, 1).keys() == {0}  # 2 is busy, and did not come to say how it ended
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith("error: process 1 of 3 on ")


def test_words_arrive_as_they_were_sent():
    for word in (Word(State.RUNNING), Word(State.REFUSED, "größe ✓ " * 200)):
        found = Word.unpacked(bytes(word.packed()))
        assert (found.state, found.heard) == (word.state, True)
        assert word.text.startswith(found.text)
        assert len(word.packed()) == 1024
