"""The model card: the hub reads its metadata, and data cannot become Markdown."""

import dataclasses

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results

from pacbayes.decimals import outward
from pacbayes.report.markdown import markdown
from pacbayes.report.model_index import BOUND, HELD_OUT, front_matter, model_index
from tests.plans import hand_made_plan
from tests.report.certificates import kl_certificate, kl_stratum


def test_the_hub_reads_the_certified_values():
    strata = (kl_stratum(), kl_stratum(name="hard", risk=0.3, held_out=None))
    certificate = kl_certificate(*strata)
    card = ModelCard(markdown([certificate, hand_made_plan(budgets=(1000,))]))
    assert card.data.model_name == "easy"
    results = {(r.dataset_config, r.metric_type): r for r in card.data.eval_results}
    assert set(results) == {("easy", BOUND), ("easy", HELD_OUT), ("hard", BOUND)}
    for stratum in strata:
        found = results[stratum.name, BOUND]
        assert found.metric_value == stratum.risk_bound[1]
        assert found.metric_args["n"] == stratum.n
        assert found.task_type == "text-generation"
        assert "95 % confidence" in found.metric_name
    assert results["easy", HELD_OUT].metric_value == 0.25


@pytest.mark.parametrize(
    "name", ["</script>", 'a"b\n- c: d', "# {x}", "\u2028\x85\x7f", "日本 😀", "yes", "a\udcff"]
)
def test_any_name_and_number_survives_the_metadata(name):
    stratum = kl_stratum(name=name, risk_bound=(0.0, 1e-05))
    certificates = [kl_certificate(stratum)]
    block = front_matter(certificates).strip("-\n")
    shown = name.encode(errors="backslashreplace").decode()
    (entry,) = yaml.safe_load(block)["model-index"]
    wanted = model_index(certificates)
    wanted[0]["results"][0]["dataset"]["config"] = shown
    assert [entry] == wanted
    assert len(model_index_to_eval_results([entry])[1]) == 2


def test_the_text_has_the_numbers_and_no_markup_from_data():
    name = "<script>|*x*[a](b)`"
    stratum = kl_stratum(name=name)
    text = markdown([kl_certificate(stratum)])
    body = text.split("---\n", 2)[2]
    assert "<script>" not in body
    assert (
        f"| &lt;script&gt;\\|\\*x\\*\\[a\\](b)\\` | 8,000 | {outward(stratum.risk_bound)} |" in body
    )
    assert "**Certificate.** With 95 % confidence" in body
    assert "**Forecast** (arithmetic" in body
    assert "kl bound: 0.04" in body


def test_a_plan_alone_has_no_metadata():
    plan = hand_made_plan(budgets=(1000, 8000))
    text = markdown([plan])
    assert not text.startswith("---")
    assert "| 8,000 | 8.18 | 0.433 | 0.424 | forecast | easy 26 %" in text
    warned = dataclasses.replace(plan.misspecification, warning="No fit.")
    assert "**Warning.** No fit." in markdown([dataclasses.replace(plan, misspecification=warned)])
