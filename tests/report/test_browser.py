"""The page in a real Chromium: the slider, the keyboard, the colours, and axe's rules.

Skipped where there is no Chromium, and the last also where npm cannot fetch axe-core.
"""

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pacbayes.plan import Plan
from pacbayes.report.documents import Found, read_documents
from pacbayes.report.page import page
from tests.chromium import Chromium, find_chromium
from tests.plans import hand_made_plan
from tests.report.certificates import kl_certificate, kl_stratum
from tests.test_certificate import make, make_stratum

AXE = "axe-core@4.10.3"
AXE_SHA512 = (
    "Xm7bpRXnDSX2YE2YFfBk2FnF0ep6tmG7xPh8iHee8MIcrgq762Nkce856dYtJYLkuIoYZvGfTs/PbZhideTcEg=="
)
KINDS = Path(__file__).parents[1] / "verify" / "certificates"

PLAN = hand_made_plan()

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run's folder with a certificate, a plan and their page."""
    folder = tmp_path_factory.mktemp("page")
    names = ("easy", "<img src=x onerror=alert(1)>", "vacuous")
    strata = [make_stratum(name=name) for name in names[:2]]
    strata.append(make_stratum(name=names[2], risk_bound=(0.1, 1.0), vacuous=True))
    make(strata=tuple(strata)).write(folder / "certificate.json")
    PLAN.write(folder / "plan.json")
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


def words(quantity):
    """A number and its interval as the page has them."""
    low, high = quantity.interval
    return f"{quantity.value:.4f} [{low:.4f}, {high:.4f}]"


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
        assert spoken == f"{answer.budget:,} units"
        assert output == (
            f"{spoken}: difficulty {answer.optimal_difficulty.value:.3g}, target risk "
            f"{answer.predicted_risk.value:.3f} (forecast)"
        )
        mixture, parts, *runs = panel["cells"]
        wanted = [answer.objective.parts[name] for name in answer.objective.parts]
        assert [row[1] for row in parts[1:4]] == [f"{part.value:.4f}" for part in wanted]
        assert [row[3] for row in parts[1:4]] == [part.status for part in wanted]
        assert parts[4][1] == f"{answer.objective.bound:.4f}"
        assert f"target risk {words(answer.predicted_risk)}." in panel["text"]
        assert f"target risk {words(answer.mixture.predicted_risk)};" in panel["text"]
        assert f"take {answer.mixture.best_single_stratum}." in panel["text"]
        gap = answer.objective.extrapolation_gap
        assert parts[3][1:3] == words(gap).split(" ", 1)
        assert [[row[0], row[2], row[4]] for rows in runs for row in rows[1:]] == [
            [f"{run.difficulty:.3g}", f"{run.risk_bound[1]:.4f}", f"{run.bound.value:.4f}"]
            for run in answer.observed or ()
        ]
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


def test_the_keyboard_reaches_all_there_is_to_do_and_shows_where_it_is(opened):
    opened.evaluate("document.activeElement.blur()")
    seen = []
    while True:
        opened.press("Tab")
        now = opened.evaluate(
            """(() => {
                const at = document.activeElement, style = getComputedStyle(at);
                return [at.localName, parseFloat(style.outlineWidth), at.textContent,
                        at.scrollWidth > at.clientWidth];
            })()"""
        )
        if now[0] == "body" or now in seen[:1]:
            break
        seen.append(now)
    assert seen[0][2] == "Skip to the content"
    assert all(width >= 2 for _, width, *_ in seen)
    kinds = [kind for kind, *_ in seen]
    counts = {kind: kinds.count(kind) for kind in ("a", "summary", "input")}
    # a link to skip, two in the contents, one for each budget
    assert counts == {"a": 3 + len(PLAN.budgets), "summary": 3, "input": 1}
    assert all(scrolls for kind, *_, scrolls in seen if kind == "div")


def test_a_screen_reader_is_told_names_captions_and_what_changes(opened):
    assert opened.evaluate("document.documentElement.lang") == "en"
    assert opened.evaluate("document.title").startswith("Certificate of “easy” (nll loss)")
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    found = {}
    for node in nodes:
        found.setdefault(node.get("role", {}).get("value"), []).append(node)
    names = {role: [n["name"]["value"] for n in found[role]] for role in ("image", "table")}
    assert len(names["image"]) == 3
    assert all(names["image"])
    assert all(names["table"])
    assert len(set(names["table"])) == len(names["table"])
    (slider,), (status,) = found["slider"], found["status"]
    assert slider["name"]["value"] == "Budget"
    assert slider["description"]["value"] == "Arrow keys move it too."
    live = {entry["name"]: entry["value"]["value"] for entry in status["properties"]}
    assert live["live"] == "polite"
    assert {"banner", "navigation", "main", "rowheader", "columnheader"} <= set(found)


def test_what_does_not_fit_scrolls_by_itself_and_with_the_keyboard(opened):
    try:
        opened.send(
            "Emulation.setDeviceMetricsOverride",
            width=400, height=800, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        opened.evaluate("new Promise(resolve => setTimeout(resolve, 100))")
        page = "document.documentElement"
        assert opened.evaluate(f"{page}.scrollWidth <= {page}.clientWidth")
        found = opened.evaluate(
            """[...document.querySelectorAll(".wide")].filter(part => part.checkVisibility())
            .map(part => [part.scrollWidth > part.clientWidth, part.tabIndex === 0])"""
        )
        assert [True, True] in found
        assert all(scrolls == reached for scrolls, reached in found)
    finally:
        opened.send("Emulation.clearDeviceMetricsOverride")


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


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """A page of all kinds of certificates, of a hundred strata with long names, and of a plan."""
    strata = [kl_stratum(name=f"{i} {'very-long-name-' * 9}", n=20 * i + 5) for i in range(99)]
    strata.append(kl_stratum(name="<b>", risk=0.9, n_unscorable=3))
    many = Found(path="many.json", document=kl_certificate(*strata))
    plan = Found(path="plan.json", document=PLAN)
    path = tmp_path_factory.mktemp("everything") / "report.html"
    path.write_bytes(page([*read_documents([KINDS]), many, plan]))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser, everything, axe, scheme):
    browser.prefer(scheme)
    browser.open(everything)
    browser.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.evaluate(axe)
    found = browser.evaluate(
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
