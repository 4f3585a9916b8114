"""Texts from data stay texts: in HTML, SVG, Markdown, notebooks and on the terminal."""

import io
import json
import re
import xml.etree.ElementTree as ET

import pytest

from pacbayes.cli import main
from pacbayes.data.sample import read_sample
from pacbayes.printable import printable_lines
from pacbayes.report.plan_table import show_plan
from pacbayes.report.table import show_certificates
from tests.chromium import Chromium, find_chromium
from tests.report.pages import Page
from tests.report.spoilt import spoilt_certificate, spoilt_plan

HIT = "window.hit=1"
EVILS = {
    "script": f"<script>{HIT}</script>",
    "attribute": f"\"'><img src=x onerror={HIT}>",
    "style": f"</style></svg></title><script>{HIT}</script><!--",
    "link": f"javascript:{HIT}",
    "markdown": f"](javascript:{HIT}) ![x](x) `{{{{{HIT}}}}}` <b>|</b>",
    "direction": "\u202e\u2066evil\u200f",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b1m\x7f\x00",
    "rich": "[bold red][/] :smile: [link=x]",
    "lines": "a\nb\r\nc\u2028d\x85e",
    "half": "\ud83d",
}


@pytest.fixture(params=EVILS)
def evil(request):
    return EVILS[request.param]


@pytest.fixture
def folder(tmp_path, monkeypatch, evil):
    """A folder with an evil certificate and an evil plan, in files of evil names."""
    monkeypatch.chdir(tmp_path)
    shown = re.sub(r"[/\x00\ud800-\udfff]", "_", evil)
    spoilt_certificate(evil).write(tmp_path / f"c{shown}.json")
    spoilt_plan(evil).write(tmp_path / f"p{shown}.json")
    return tmp_path


def report(folder, run_program, form, out):
    files = sorted(folder.glob("*.json"))
    arguments = ("--format", form, "--out", out)
    code, shown, told = run_program(main, "pacbayes", "report", *files, *arguments)
    assert (code, told) == (0, "")
    return shown


def unseen(text):
    """Signs in a text that cannot be seen, but for ends of lines."""
    return [sign for sign in text if not sign.isprintable() and sign not in "\n\r\t\xa0\u2028"]


def test_a_page_and_a_notebook_hold_texts_only(folder, run_program, evil):
    report(folder, run_program, "html", "page.html")
    content = (folder / "page.html").read_text(encoding="utf-8")
    found = Page(content)
    kinds = [(tag, attrs.get("type")) for tag, attrs in found.tags if tag == "script"]
    assert kinds == [("script", "application/json")] * 2 + [("script", None)]
    assert "img" not in dict(found.tags)
    for _, attrs in found.tags:
        assert not any(key.startswith("on") for key in attrs)
        assert attrs.get("href", "#").startswith("#")
    assert not unseen(content)
    for document in (spoilt_certificate(evil), spoilt_plan(evil)):
        shown = document._repr_html_()
        assert not {"script", "img", "style", "a"} & {tag for tag, _ in Page(shown).tags}
        assert not unseen(shown)


@pytest.mark.parametrize("evil", [EVILS[name] for name in ("style", "terminal", "half")])
def test_figures_are_well_formed_and_hold_no_script(folder, run_program):
    report(folder, run_program, "svg", "figures")
    for path in (folder / "figures").iterdir():
        root = ET.parse(path).getroot()
        assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject"))]
        assert not [key for e in root.iter() for key in e.attrib if key.lower().startswith("on")]
        assert not unseen(path.read_text(encoding="utf-8"))


def test_a_model_card_holds_texts_only(folder, run_program):
    report(folder, run_program, "markdown", "card.md")
    _, front, body = (folder / "card.md").read_text(encoding="utf-8").split("---\n", 2)
    assert not re.search(r"<[a-z/!]", body)
    assert not re.search(r"(?<!\\)\]\(", body)
    assert not unseen(body)
    assert printable_lines(front) == front


def test_tables_cannot_steer_a_terminal(evil):
    file = io.StringIO()
    show_certificates([spoilt_certificate(evil)], file)
    show_plan(spoilt_plan(evil), file)
    assert printable_lines(file.getvalue()) == file.getvalue()


def test_labels_of_records_cannot_steer_a_terminal(tmp_path, monkeypatch, run_program, evil):
    """Prompts, groups, ids and strata, in what is said of a file and in what is refused."""
    monkeypatch.chdir(tmp_path)
    text = evil.replace("\ud83d", "x")
    record = {"prompt": text, "completion": text, "stratum": text, "group": text, "id": text}
    lines = [record | {"difficulty": d, "group": f"{text}{d}"} for d in (1, 2)]
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    sample = read_sample([tmp_path / "pool.jsonl"])
    for sentence in (*sample.notes, *sample.assumptions):
        assert not unseen(sentence)
    weights = f"{text.replace(chr(0), '')}=1"
    arguments = ("--weights", weights, "--budget", 2, "--out", "out.jsonl")
    _, *told = run_program(main, "pacbayes", "select", "--pool", "pool.jsonl", *arguments)
    other = json.dumps(record | {"stratum": "other", "difficulty": 3, "group": f"{text}1"})
    with (tmp_path / "pool.jsonl").open("a") as file:
        file.write(other + "\n")
    arguments = ("--weights", "other=1", "--budget", 1, "--out", "more.jsonl")
    code, *refused = run_program(main, "pacbayes", "select", "--pool", "pool.jsonl", *arguments)
    assert code == 2
    for shown in (*told, *refused):
        assert printable_lines(shown) == shown


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")
def test_no_script_runs_in_a_browser(tmp_path, monkeypatch, run_program):
    monkeypatch.chdir(tmp_path)
    evil = "".join(text for name, text in EVILS.items() if name != "half")
    spoilt_certificate(evil).write(tmp_path / "<img src=x onerror=window.hit=1>.json")
    spoilt_plan(evil).write(tmp_path / "plan.json")
    report(tmp_path, run_program, "html", "page.html")
    report(tmp_path, run_program, "svg", "figures")
    with Chromium(find_chromium()) as browser:
        for path in (tmp_path / "page.html", *sorted((tmp_path / "figures").iterdir())):
            browser.open(path)
            assert browser.evaluate("typeof window.hit") == "undefined"
            assert browser.evaluate("document.getElementsByTagName('img').length") == 0
            asked = [p["request"]["url"] for m, p in browser.events if m.endswith("WillBeSent")]
            assert asked.pop(0) == path.as_uri()
            assert all(url.startswith("data:image/png;") for url in asked)
        browser.open(tmp_path / "page.html")
        scripts = browser.evaluate("document.scripts.length")
        links = browser.evaluate("[...document.links].every(a => a.hash && a.protocol == 'file:')")
        assert (scripts, links) == (3, True)
