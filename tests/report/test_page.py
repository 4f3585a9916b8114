"""The page says what the files say, escapes what came from data, and refers to nothing outside."""

import dataclasses
import re
import time

import pytest

from pacbayes.bounds import certified
from pacbayes.certificate import Delta, LedgerEntry
from pacbayes.decimals import outward, up
from pacbayes.plan import Plan, Quantity
from pacbayes.report.documents import Found
from pacbayes.report.halving import halving
from pacbayes.report.ladder import ladder
from pacbayes.report.page import page
from tests.plans import hand_made_plan
from tests.report.certificates import LOG_COST, kl_certificate, kl_stratum
from tests.report.pages import Page
from tests.report.spoilt import spoilt_certificate, spoilt_plan
from tests.test_certificate import make

EVIL = "</script><script>alert(1)</script><img src=x onerror='a()'>\"&\u202e\x00\udcff"


def made(*documents, path="run/certificate.json"):
    content = page([Found(path=path, document=document) for document in documents]).decode()
    return content, Page(content)


@pytest.fixture(scope="module")
def certificate():
    strata = (kl_stratum(), kl_stratum(name="hard", n=500, risk=0.3, held_out=None))
    return kl_certificate(*strata)


def test_strata_and_their_parts_are_those_of_the_certificate(certificate):
    _, found = made(certificate)
    risks, parts = found.table("Risk by stratum"), found.table("Parts of the upper bound")
    for stratum, row, split in zip(certificate.strata, risks, parts, strict=True):
        assert row[:2] == [stratum.name, f"{stratum.n:,}"]
        assert row[3:5] == [f"{stratum.empirical_risk:.4f}", outward(stratum.risk_bound)]
        assert split[1:5] == [f"{value:.4f}" for value in stratum.parts.values()]
        assert split[5] == up(stratum.risk_bound[1])
    held = certificate.strata[0].held_out
    assert risks[0][5:8] == ["0.2500", outward(held.stochastic.interval), "4"]
    assert risks[1][5:8] == ["–", "–", "–"]


def at(stratum, **changes):
    """The theorem of `kl_stratum` at another n or KL."""
    terms = {"n": stratum.n, "kl": 644.7, "delta": 0.04} | changes
    terms["kl"] += LOG_COST
    return certified("seeger_maurer", empirical_risk=stratum.empirical_risk_bound[1], **terms)


def test_break_even_numbers_and_ladders(certificate):
    _, found = made(certificate)
    rows = found.table("Break-even numbers")
    for stratum, row in zip(certificate.strata, rows, strict=True):
        wanted = halving(certificate, stratum)
        assert row[2:4] == [up(wanted.target), f"{stratum.n:,}"]
        assert row[4] == (
            f"none: {up(wanted.floor)} stays"
            if wanted.n is None
            else f"{wanted.n:,} ({wanted.n / stratum.n:.3g} times)"
        )
        if wanted.kl is not None:
            # what is shown does it, and little less does not
            n, kl = (float(row[i].split()[0].replace(",", "")) for i in (4, 6))
            half = stratum.risk_bound[1] / 2 * (1 + 1e-9)
            assert at(stratum, n=n) <= half < at(stratum, n=n - 2)
            assert at(stratum, kl=kl) <= half < at(stratum, kl=kl + 0.2)
    rows = found.table("Upper bounds on the risk")
    for place, stratum in enumerate(certificate.strata):
        wanted = {rung.name: rung for rung in ladder(certificate, stratum)}
        assert {row[0]: row[1 + place] for row in rows} == {
            name: up(rung.upper) for name, rung in wanted.items()
        }
        assert all((row[3] == "certificate") == wanted[row[0]].paid for row in rows)


def test_of_many_strata_the_ladder_has_the_ends():
    strata = [kl_stratum(name=f"s{i}", risk=0.05 + 0.01 * i) for i in range(9)]
    _, found = made(kl_certificate(*strata[3:], *strata[:3]))
    (header,) = [rows[0] for caption, rows in found.tables.items() if caption.startswith("Upper b")]
    assert header[:4] == ["theorem", "at most, s8", "at most, s0", "what it is"]


def test_a_vacuous_certificate_is_not_marked_as_one():
    vacuous = kl_stratum(n=20, risk=0.95)
    content, found = made(kl_certificate(vacuous))
    assert found.table("Risk by stratum")[0][8] == "vacuous"
    quote = content.split('class="quote">')[1]
    assert quote.startswith('<span class="status vacuous">vacuous</span> No useful')


def test_ledger_assumptions_and_where_it_is_from(certificate):
    _, found = made(certificate)
    assert found.table("Everything that may fail")[0] == ["kl bound", "0.04"]
    for sentence in (*certificate.assumptions, "run/certificate.json", "easy.jsonl"):
        assert sentence in found.text
    assert found.data["document-0-json"] == certificate.to_dict()


def test_every_budget_is_that_of_the_plan():
    plan = hand_made_plan()
    _, found = made(plan)
    rows = found.table("Answers by budget")
    for answer, row in zip(plan.budgets, rows, strict=True):
        assert row[0] == f"{answer.budget:,}"
        assert row[2] == f"{answer.optimal_difficulty.value:.3g}"
        assert row[4] == f"{answer.predicted_risk.value:.3f}"
        assert row[7] == f"{answer.objective.bound:.3f}"
        assert row[8] == "forecast"
    panels = [attrs for _, attrs in found.tags if attrs.get("class") == "budget"]
    assert [panel["data-units"] for panel in panels] == [
        f"{a.budget:,} units" for a in plan.budgets
    ]
    slider = next(attrs for tag, attrs in found.tags if tag == "input")
    assert slider["max"] == str(len(plan.budgets) - 1)
    assert Plan.from_dict(found.data["document-0-json"]) == plan


def test_a_warning_of_a_plan_is_not_to_be_missed():
    plan = hand_made_plan(budgets=(1000,))
    fit = dataclasses.replace(plan.misspecification, p_value=0.001, warning="No fit <at all>.")
    (answer,) = plan.budgets
    bare = dataclasses.replace(answer, mixture=None, observed=None)
    _, found = made(dataclasses.replace(plan, misspecification=fit, budgets=(bare,)))
    assert "Warning: No fit <at all>." in found.text
    assert "no mixture" in found.text


def test_several_certificates_share_a_page_but_not_a_confidence(certificate):
    _, found = made(certificate, dataclasses.replace(certificate, seed=1), hand_made_plan())
    rows = found.table("On this page")
    assert len(rows) == 3
    # of strata at 0.2329 and 0.9333 the worse; where it is from, as both have one title
    assert rows[0][1:3] == [up(certificate.strata[1].risk_bound[1]), "–"]
    assert "run/certificate.json" in rows[0][0]
    assert "all of them hold together with at least 90 % confidence" in found.text
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"] for tag, attrs in found.tags if tag == "a"}
    assert {link.removeprefix("#") for link in links} <= set(ids)
    sure = Delta(total=0.5, ledger=(LedgerEntry(event="kl bound", delta=0.5),))
    unsure = dataclasses.replace(certificate, delta=sure)
    assert "together are not claimed" in made(unsure, unsure)[1].text


def test_nothing_from_the_data_becomes_markup():
    documents = spoilt_certificate(EVIL), spoilt_plan(EVIL)
    content, found = made(*documents, path=EVIL)
    clean, wanted = made(make(), hand_made_plan(budgets=(1000, 8000)))
    # scripts and styles are the same; an image there is none
    assert [t for t, _ in found.tags if t in ("script", "style", "img")] == [
        t for t, _ in wanted.tags if t in ("script", "style", "img")
    ]
    assert not any(key.startswith("on") for _, attrs in found.tags for key in attrs)
    assert content.count("</script>") == clean.count("</script>")
    assert "\x00" not in content
    assert "easy</script><script>alert(1)</script>" in found.text
    assert found.data["document-0-json"] == documents[0].to_dict()


def test_the_page_refers_to_nothing_outside(certificate):
    content, found = made(certificate, hand_made_plan())
    assert not re.search(r"https?:|//[a-z]|@import|url\(", content)
    assert not {"link", "img", "iframe", "object", "base", "form"} & {tag for tag, _ in found.tags}
    for tag, attrs in found.tags:
        assert "src" not in attrs
        assert "style" not in attrs
        assert tag != "a" or attrs["href"].startswith("#")
    policy = next(attrs["content"] for _, attrs in found.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'")


def test_a_hundred_strata_take_seconds_at_most():
    strata = [kl_stratum(name=f"level {i}", n=500 + i) for i in range(100)]
    many = kl_certificate(*strata)
    start = time.process_time()
    content, _ = made(many)
    assert time.process_time() - start < 10
    assert len(content) < 3e6


def test_the_same_documents_give_the_same_page(certificate):
    assert made(certificate)[0] == made(certificate)[0]


def test_the_least_bound_is_drawn_at_its_number_not_on_the_forecast_curve():
    plan = hand_made_plan(budgets=(1000,))
    (answer,) = plan.budgets
    gap = Quantity(value=0.2, interval=None, status="certificate")
    parts = dataclasses.replace(answer.objective, generalization_gap=gap)
    lower = dataclasses.replace(plan, budgets=(dataclasses.replace(answer, objective=parts),))
    # in a chart from 274 at 0 to 34 at the top, less half of the square
    top = 1.05 * max(*answer.by_difficulty.bound, *answer.by_difficulty.upper)
    for drawn in (plan, lower):
        squares = [a for t, a in made(drawn)[1].tags if t == "rect" and "least" in a["class"]]
        wanted = 274 - 240 * drawn.budgets[0].objective.bound / top - 4.5
        assert float(squares[1]["y"]) == pytest.approx(wanted, abs=0.06)
