"""Progress on a terminal."""

import io
from functools import partial

import pytest
from rich.console import Console

from pacbayes.cli.progress import progress


@pytest.mark.parametrize("terminal", [True, False])
def test_a_name_from_the_data_is_a_text(terminal, monkeypatch, capsys):
    shown = io.StringIO()
    made = partial(Console, file=shown, force_terminal=terminal, width=100)
    monkeypatch.setattr("pacbayes.cli.progress.Console", made)
    with progress() as track:
        track("stratum [/]\x1b[2J\n", 2)(2)
    text = shown.getvalue() + capsys.readouterr().err
    assert r"stratum [/]\u001b[2J\n" in text
