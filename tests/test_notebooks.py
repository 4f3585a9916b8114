"""Every notebook runs in a kernel, with the assertions in it, and says what it did not show."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))
SECONDS = 60.0
"""The most processor time of one notebook, on one core: the clock's on a machine without load."""
CLOCK = float(os.environ.get("PACBAYES_NOTEBOOK_SECONDS", "600"))
"""A cell that takes longer by the clock is stopped; machines under load may need more."""


@dataclass(frozen=True, kw_only=True)
class Executed:
    notebook: nbformat.NotebookNode
    seconds: float
    left: list[str]

    def outputs(self):
        return [output for cell in self.notebook.cells for output in cell.get("outputs", [])]


def processor_time():
    """Of all child processes that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, tmp_path_factory):
    """A notebook after a run in an empty folder, and what is left there and of temporary files."""
    home, work, temporary = (tmp_path_factory.mktemp(name) for name in ("home", "work", "tmp"))
    notebook = jupytext.read(request.param)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(home))
        patch.setenv("TMPDIR", str(temporary))
        # the kernel's own, which puts figures into the notebook
        patch.delenv("MPLBACKEND", raising=False)
        patch.setenv("OMP_NUM_THREADS", "1")
        started = processor_time()
        NotebookClient(
            notebook,
            timeout=CLOCK,
            kernel_name="python3",
            resources={"metadata": {"path": str(work)}},
        ).execute()
        seconds = processor_time() - started
    left = [str(path) for folder in (work, temporary) for path in folder.iterdir()]
    return Executed(notebook=notebook, seconds=seconds, left=left)


def test_there_are_notebooks():
    assert len(NOTEBOOKS) > 1


def test_asks_one_question_and_answers_it_in_the_first_cell(executed):
    first = executed.notebook.cells[0]
    title, *rest = first.source.splitlines()
    assert first.cell_type == "markdown"
    assert title.startswith("# ")
    assert title.endswith("?")
    assert any(line.startswith("**Answer.**") for line in rest)


def test_checks_what_it_says(executed):
    code = [cell.source for cell in executed.notebook.cells if cell.cell_type == "code"]
    assert sum("assert " in source for source in code) > len(code) / 2


def test_shows_a_figure(executed):
    assert any("image/png" in output.get("data", {}) for output in executed.outputs())


def test_warns_of_nothing(executed):
    said = [output.text for output in executed.outputs() if output.get("name") == "stderr"]
    assert not [text for text in said if "Warning" in text]


def test_ends_with_what_was_not_shown(executed):
    last = executed.notebook.cells[-1]
    assert last.cell_type == "markdown"
    assert last.source.startswith("## What this did not show")


def test_leaves_nothing_behind(executed):
    assert executed.left == []


def test_is_quick(executed):
    # a kernel that was not waited for would count as nothing
    assert 0.5 < executed.seconds < SECONDS
