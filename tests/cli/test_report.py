"""`pacbayes report`: every format, and bad input that leaves nothing."""

import dataclasses
import json
import xml.etree.ElementTree as ET

import pytest

from pacbayes.cli import main
from pacbayes.report.canvas import DPI
from pacbayes.report.figure import certificate_figure
from tests.plans import hand_made_plan
from tests.report.certificates import kl_certificate, kl_stratum
from tests.report.pages import Page


@pytest.fixture
def run(monkeypatch, run_program, tmp_path):
    """Runs the verb in a folder with a run and a plan; returns exit code, stdout and stderr."""
    (tmp_path / "run").mkdir()
    names = "$\\frac{<b>$", "hard"  # no formula, whatever the dollars
    certificate = kl_certificate(*(kl_stratum(name=name) for name in names))
    certificate.write(tmp_path / "run" / "certificate.json")
    certificate.write(tmp_path / "run" / "certificate.drawn.json")
    hand_made_plan(budgets=(1000,)).write(tmp_path / "plan.json")

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        return run_program(main, "pacbayes", "report", *arguments)

    return call


def test_folders_and_files_make_one_page(run, tmp_path):
    code, shown, _ = run("run", "plan.json", "run/certificate.json")
    assert (code, shown) == (0, "Written: report.html\n")
    found = Page((tmp_path / "report.html").read_text())
    assert list(found.data) == ["document-0-json", "document-1-json", "document-2-json"]
    assert "From run/certificate.json." in found.text


def test_a_sweep_is_a_page_of_its_cells_the_small_ones_first(run, tmp_path):
    certificate = (tmp_path / "run" / "certificate.json").read_bytes()
    for cell in ("3..4-1000-0", "3..4-500-0", "tests"):
        (tmp_path / "sweep" / cell).mkdir(parents=True)
    for cell in ("3..4-1000-0", "3..4-500-0"):
        (tmp_path / "sweep" / cell / "certificate.json").write_bytes(certificate)
    assert run("sweep")[0] == 0
    found = Page((tmp_path / "report.html").read_text())
    cells = [row[0].split("/")[-2] for row in found.table("On this page")]
    assert cells == ["3..4-500-0", "3..4-1000-0"]
    assert run("sweep", "--format", "svg")[0] == 0
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{cell}.certificate.svg" for cell in cells}


def test_markdown_for_a_model_card(run, tmp_path):
    assert run("run", "--format", "markdown", "--out", "new/card.md")[0] == 0
    assert (tmp_path / "new" / "card.md").read_text().startswith("---\ntags:\n- pac-bayes\n")


def test_figures_in_a_folder(run, tmp_path):
    code, shown, _ = run("run", "--format", "svg", "--out", "figures")
    assert (code, shown) == (0, "Written: 2 figures in figures\n")
    names = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert names == ["certificate.drawn.svg", "certificate.svg"]
    drawing = (tmp_path / "figures" / "certificate.svg").read_text()
    ET.fromstring(drawing)
    assert "$\\frac{&lt;b&gt;$" in drawing


def test_a_figure_of_very_many_strata_can_still_be_written():
    stratum = kl_stratum(held_out=None)
    strata = [dataclasses.replace(stratum, name=str(i)) for i in range(740)]
    height = certificate_figure(kl_certificate(*strata)).get_size_inches()[1]
    assert height * DPI < 2**16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: cannot be read: No such file or directory."),
        (("run", "--format", "pdf"), "--format must be one of html, markdown, png, svg"),
        (("run", "--out", "run/certificate.json"), "ends in .html, got 'run/certificate.json'"),
        (("run", "--out", "card.md"), "the usual mistake is a --format left out"),
        (("run", "--out", "plan.json/report.html"), "plan.json: is a file, where --out needs a"),
        (("run", "--out", "folder.html"), "folder.html: is a folder, where --out needs a file."),
        (("run", "--format", "png", "--out", "plan.json"), "plan.json: is a file"),
        (("empty",), "empty: a folder without certificate.json or plan.json, in it or in"),
        (("other.json",), "`schema` must be 'pacbayes.certificate/1' or 'pacbayes.plan/1', got 7"),
        (("list.json",), "got 'a list'"),
        (("broken.json",), "not a certificate or a plan: malformed JSON"),
        (("latin.json",), "not a certificate or a plan: invalid UTF-8"),
        (("short.json",), "short.json: `created` is missing."),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.html").mkdir()
    (tmp_path / "other.json").write_text('{"schema": 7}')
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "latin.json").write_bytes(b'{"schema": "\xe9"}')
    (tmp_path / "short.json").write_text(json.dumps({"schema": "pacbayes.plan/1"}))
    before = sorted(tmp_path.rglob("*"))
    code, shown, error = run(*arguments)
    assert (code, shown) == (2, "")
    assert message in error
    assert len(error.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
