"""The page in a real Chromium: the slider, the keyboard, the colours, and axe's rules.

Skipped where there is no Chromium, and the last also where npm cannot fetch axe-core.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile

import pytest

from pacbayes.plan import Plan
from pacbayes.report.documents import read_documents
from pacbayes.report.page import page
from tests.chromium import Chromium, find_chromium
from tests.plans import hand_made_plan
from tests.test_certificate import make, make_stratum

AXE = "axe-core@4.10.3"
AXE_SHA512 = (
    "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
)

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder with a certificate, a plan and their page."""
    folder = tmp_path_factory.mktemp("page")
    names = ("easy", "<img src=x onerror=alert(1)>", "vacuous")
    strata = [make_stratum(name=name) for name in names[:2]]
    strata.append(make_stratum(name=names[2], risk_bound=(0.1, 1.0), vacuous=True))
    make(strata=tuple(strata)).write(folder / "certificate.json")
    hand_made_plan().write(folder / "plan.json")
    (folder / "report.html").write_bytes(page(read_documents([folder])))
    return folder


@pytest.fixture(scope="module")
def browser():
    with Chromium(find_chromium()) as browser:
        yield browser


@pytest.fixture
def opened(browser, folder):
    browser.prefer("light")
    browser.open(folder / "report.html")
    return browser


def shown(browser):
    """Headings and cells of the budgets that can be seen."""
    return browser.evaluate(
        """[...document.querySelectorAll(".budget")].filter(panel => panel.checkVisibility())
        .map(panel => ({
            title: panel.querySelector("h4").textContent,
            text: panel.innerText,
            cells: [...panel.querySelectorAll("table")].map(
                table => [...table.rows].map(row => [...row.cells].map(cell => cell.innerText))),
        }))"""
    )


def test_the_slider_shows_what_the_plan_says_at_every_budget(opened, folder):
    plan = Plan.read(folder / "plan.json")
    opened.evaluate("document.querySelector('input[type=range]').focus()")
    for place, answer in enumerate(plan.budgets):
        (panel,) = shown(opened)
        assert panel["title"] == f"Budget {answer.budget:,}"
        output = opened.evaluate("document.querySelector('output').textContent")
        spoken = opened.evaluate(
            "document.querySelector('input[type=range]').getAttribute('aria-valuetext')"
        )
        assert output == spoken == f"{answer.budget:,} units"
        mixture, parts, *_ = panel["cells"]
        wanted = [answer.objective.parts[name] for name in answer.objective.parts]
        assert [row[1] for row in parts[1:4]] == [f"{part.value:.4f}" for part in wanted]
        assert [row[3] for row in parts[1:4]] == [part.status for part in wanted]
        assert parts[4][1] == f"{answer.objective.bound:.4f}"
        shares = {row[0]: float(row[1].split()[0]) / 100 for row in mixture[1:]}
        assert shares == pytest.approx(answer.mixture.weights, abs=0.0005)
        assert f"difficulty {answer.optimal_difficulty.value:.3g} " in panel["text"]
        chosen = opened.evaluate("document.querySelector('.chosen').dataset.place")
        assert int(chosen) == place
        opened.press("ArrowRight")
    opened.press("Home")
    assert shown(opened)[0]["title"] == f"Budget {plan.budgets[0].budget:,}"


def test_a_link_in_the_table_chooses_its_budget(opened):
    opened.evaluate("[...document.querySelectorAll('article a')].at(-1).click()")
    # the event of a changed hash comes after the click
    opened.evaluate("new Promise(resolve => setTimeout(resolve, 50))")
    assert [panel["title"] for panel in shown(opened)] == ["Budget 64,000"]
    assert opened.evaluate("document.querySelector('input[type=range]').value") == "5"


def test_nothing_is_loaded_or_refused(opened, folder):
    requests = [p["request"]["url"] for m, p in opened.events if m == "Network.requestWillBeSent"]
    assert requests == [(folder / "report.html").as_uri()]
    assert not [p for m, p in opened.events if m in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert not [p for m, p in opened.events if m == "Page.javascriptDialogOpening"]
    assert opened.evaluate("document.querySelectorAll('img').length") == 0


def test_colours_follow_the_reader(opened):
    background = "getComputedStyle(document.body).backgroundColor"
    light = opened.evaluate(background)
    opened.prefer("dark")
    assert opened.evaluate(background) != light


def test_print_has_no_slider_and_nothing_folded_up(opened):
    folded = "document.querySelectorAll('details:not([open])').length"
    assert opened.evaluate(folded) > 0
    opened.send("Emulation.setEmulatedMedia", media="print")
    assert not opened.evaluate("document.querySelector('.control').checkVisibility()")
    opened.send("Emulation.setEmulatedMedia", media="")
    assert len(opened.send("Page.printToPDF")["data"]) > 10_000
    assert opened.evaluate(folded) == 0


def test_without_a_script_every_budget_is_there(browser, folder):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(folder / "report.html")
    browser.send("Emulation.setScriptExecutionDisabled", value=False)
    assert len(shown(browser)) == len(Plan.read(folder / "plan.json").budgets)
    assert not browser.evaluate("document.querySelector('.control').checkVisibility()")


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    """The source of axe-core, from npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch axe-core with")
    place = tmp_path_factory.mktemp("axe")
    try:
        subprocess.run([npm, "pack", AXE], cwd=place, capture_output=True, timeout=120, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip(f"npm cannot fetch {AXE}")
    (package,) = place.iterdir()
    digest = hashlib.sha512(package.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == AXE_SHA512
    with tarfile.open(package) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, axe, scheme):
    opened.prefer(scheme)
    opened.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    opened.evaluate(axe)
    found = opened.evaluate(
        """axe.run().then(result => ({
            passes: result.passes.length,
            violations: result.violations.map(v => [v.id, v.nodes.map(n => n.html)]),
        }))"""
    )
    assert found["violations"] == []
    assert found["passes"] > 20


def test_axe_would_find_something(opened, axe):
    """A twin that must fail: grey on grey, a control without a name."""
    opened.evaluate(
        """document.querySelector("main").innerHTML =
        '<p style="color:#bbb;background:#ccc">faint</p><input>'"""
    )
    opened.evaluate(axe)
    found = opened.evaluate("axe.run().then(result => result.violations.map(v => v.id))")
    assert "label" in found
