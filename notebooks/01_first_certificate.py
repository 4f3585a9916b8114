# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does a first certificate guarantee, and of what?
#
# **Answer.** That a *noisy* copy of the fine-tuned model, which draws its weights anew for every
# answer, errs on at most a certain share of **fresh** problems of the kind that it was trained on,
# with 95 % confidence over the training data. It is computed from training data alone. It speaks
# neither of the model without noise, nor of other kinds of problems.
#
# For the shipped LoRA fine-tune on easy problems that share is below .9 from 500 of its training
# problems and .202 from all 8,000. Nine tenths of the first number are not errors: they are the
# price of what the weights learned from the data, KL(posterior ‖ prior). A certificate of the same
# weights with shuffled labels is vacuous, exactly 1.
#
# The assertions below check every one of these sentences.

# %%
import json
import random
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, xlogy

import pacbayes.sample
from pacbayes.bounds import seeger_maurer
from pacbayes.certificate import Certificate
from pacbayes.cli.bound import bound

warnings.filterwarnings("ignore", message="IProgress not found")  # a progress bar's
SAMPLE = Path(pacbayes.sample.__file__).parent
RESULTS = SAMPLE.parents[1] / "benchmarks" / "results"
UNITS = 500

# %% [markdown]
# ## One command
#
# In a shell this is `pacbayes-bound --checkpoint … --data … --held-out … --passes 1`; the command
# is a function, too. The first 500 training problems stand for all 8,000, to be quick: any part
# may be taken that is not chosen by its losses. The held-out file is for comparison only.


# %%
def certify(records, held_out, folder):
    """The certificate of the easy adapter on some records, by the command."""
    (folder / "easy.jsonl").write_text("".join(records), encoding="utf-8")
    (folder / "held_out.jsonl").write_text("".join(held_out), encoding="utf-8")
    bound(
        checkpoint=SAMPLE / "adapters" / "easy",
        data=[folder / "easy.jsonl"],
        held_out=[folder / "held_out.jsonl"] if held_out else None,
        passes=1,
        out=folder / "run",
    )
    return Certificate.read(folder / "run" / "certificate.json")


def lines(name, count):
    with (SAMPLE / "data" / name).open(encoding="utf-8") as file:
        return [next(file) for _ in range(count)]


problems = lines("easy.jsonl", UNITS)
print("a record:", problems[0])
with TemporaryDirectory() as folder:
    certificate = certify(problems, lines("easy.held_out.jsonl", 200), Path(folder))

(easy,) = certificate.strata
assert not easy.vacuous
assert easy.risk_bound[1] < 0.9

# %% [markdown]
# ## Field by field
#
# `certificate.json` holds all that the number was computed from. Its assumptions, printed above,
# are plain sentences: no number shows whether they hold, that is for you to judge.

# %%
grid, spent = certificate.prior.scale_grid, certificate.delta.ledger
prior, posterior = certificate.prior, certificate.posterior
fields = {
    "δ": f"{certificate.delta.total}, of which {spent[0].delta:.3f} for: {spent[0].event}",
    "": f"and {spent[1].delta:.3f} for: {spent[1].event}",
    "loss": f"{certificate.loss.name}: {certificate.loss.parameters['statement']}",
    "object": certificate.object.description,
    "prior": f"around {Path(prior.centre.path).name} on {Path(prior.base.path).name}, "
    f"the scale one of {grid.size}",
    "posterior": f"around {Path(posterior.centre.path).name}, noise: {posterior.choice}",
    "KL": f"{certificate.kl:.1f} nats over {len(posterior.groups)} tensors",
    "n": f"{easy.n} independent problems, {easy.n_draws} draws of weights",
    "risk": f"{easy.unperturbed_risk:.4f} without noise, {easy.empirical_risk:.4f} with noise; "
    "that is a mean over draws,",
    " ": "the mean over all draws lies in [{:.4f}, {:.4f}]".format(*easy.empirical_risk_bound),
    "certified": "[{:.4f}, {:.4f}]".format(*easy.risk_bound),
}
for name, text in fields.items():
    print(f"{name:<10} {text}")

assert certificate.object.kind == "posterior"
assert any("independent draws" in sentence for sentence in certificate.assumptions)
assert any("without the certification data" in sentence for sentence in certificate.assumptions)
assert sum(entry.delta for entry in certificate.delta.ledger) <= certificate.delta.total
assert easy.unperturbed_risk < easy.empirical_risk < easy.risk_bound[1]

# %% [markdown]
# ## The number by hand
#
# The theorem: with probability 1 − δ, kl(r̂ ‖ R) ≤ (KL + ln(ξ(n)/δ))/n for all posteriors at once,
# where kl is that of two coins and ξ(n) = Σₖ C(n,k) (k/n)ᵏ (1−k/n)ⁿ⁻ᵏ. One of 641 prior scales was
# taken after seeing the data, so δ is split by 641. For r̂, which is a mean over draws, its own
# upper bound is put in. Solving for R with a few lines that share no code with the package:

# %%
k = np.arange(UNITS + 1)
log_choose = gammaln(UNITS + 1) - gammaln(k + 1) - gammaln(UNITS - k + 1)
log_terms = log_choose + xlogy(k, k / UNITS) + xlogy(UNITS - k, 1 - k / UNITS)
log_xi = np.log(np.exp(log_terms).sum())
price = (certificate.kl + log_xi + np.log(641 / certificate.delta.ledger[0].delta)) / UNITS


def coins(q, p):
    return xlogy(q, q / p) + xlogy(1 - q, (1 - q) / (1 - p))


q = easy.empirical_risk_bound[1]
by_hand = brentq(lambda p: coins(q, p) - price, q, 1 - 1e-12, xtol=1e-14)
print(f"by hand {by_hand:.12f}\npackage {easy.risk_bound[1]:.12f}")
assert abs(by_hand - easy.risk_bound[1]) < 1e-9
assert price > 1.2

# %% [markdown]
# ## What the number is made of
#
# Errors are a small part of it. The rest is KL/n: 645 nats among 500 problems. The committed
# result for all 8,000 (`benchmarks/results/easy.ladder.json`) can afford less noise, and a larger
# KL, and still ends far lower. The line is what the *same* KL and risk would give at other n: a
# forecast, not a certificate.

# %%
ladder = json.loads((RESULTS / "easy.ladder.json").read_text(encoding="utf-8"))
full = next(row for row in ladder if row["rung"] == "trained towards it")
sizes = np.geomspace(100, 32000, 60).round()
forecast = seeger_maurer(
    empirical_risk=q, kl=certificate.kl, n=sizes, delta=certificate.delta.ledger[0].delta / 641
)
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
floor = 0.0
for part, height in easy.parts.items():
    left.barh(0, height, left=floor, label=f"{part.replace('_', ' ')} {height:.3f}")
    floor += height
tested = easy.held_out.stochastic.interval[1]
left.axvline(tested, color="black", linestyle=":", label="held-out bound")
left.set(xlim=(0, 1), yticks=[], xlabel=f"certified risk, n = {UNITS}")
left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
right.semilogx(sizes, forecast, label="forecast at the same KL and risk")
right.plot(UNITS, easy.risk_bound[1], "o", color="black", label="certified here")
right.plot(full["n"], full["bound"], "s", color="#f2a65a", label="certified, all 8,000")
right.set(xlabel="n", ylabel="certified risk", ylim=(0, 1.02))
right.legend(fontsize=8)

share = (easy.parts["kl"] + easy.parts["log_term"]) / easy.risk_bound[1]
print(f"share of the complexity in the bound: {share:.2f}; all 8,000: {full['bound']:.4f}")
assert abs(floor - easy.risk_bound[1]) < 1e-9
assert easy.dominated_by == "kl"
assert 0.8 < share < 0.95
assert 0.2015 < full["bound"] < 0.2025
assert full["kl"] > certificate.kl

# %% [markdown]
# ## Of fresh problems, of this kind
#
# The certificate speaks of easy problems. The same recipe at three budgets, certified on its easy
# training data and tested on 1,000 problems of each kind (`pacbayes/sample/pilots`): the bound
# holds on easy problems and is exceeded on hard ones. It never said anything about those.

# %%
with (SAMPLE / "pilots" / "runs.jsonl").open(encoding="utf-8") as file:
    pilots = [run for run in map(json.loads, file) if "easy" in run["train_weights"]]
for run in pilots:
    at_most, tests = run["risk_bound"][1], run["tests"]
    print(f"n = {run['budget']}: certified ≤ {at_most:.3f}, tested", end=" ")
    print(", ".join(f"{name} {tests[name]['mean']:.3f}" for name in ("easy", "medium", "hard")))
    assert tests["easy"]["mean"] < at_most < tests["hard"]["mean"]
held = easy.held_out.stochastic
print(f"here: certified ≤ {easy.risk_bound[1]:.3f}, held-out easy problems {held.mean:.3f}")
assert held.mean < easy.risk_bound[1]

# %% [markdown]
# ## A check that must fail
#
# Each prompt gets another's completion. Nothing can be learned from that, and the certificate must
# say so. "Vacuous" is exactly 1, not nearly.

# %%
records = [json.loads(line) for line in problems[:100]]
answers = [record["completion"] for record in records]
random.Random(0).shuffle(answers)
shuffled = [
    json.dumps(record | {"completion": answer}) + "\n"
    for record, answer in zip(records, answers, strict=True)
]
with TemporaryDirectory() as folder:
    wrong = certify(shuffled, [], Path(folder))
(nonsense,) = wrong.strata
print("shuffled labels: risk", nonsense.empirical_risk, "certified ≤", nonsense.risk_bound[1])
assert nonsense.risk_bound[1] == 1
assert nonsense.vacuous

# %% [markdown]
# ## What this did not show
#
# - Anything certified about the model without noise, although its risk on the sample is smaller:
# `--also drawn` and `--also compressed` certify one network that could be deployed.
# - That the certificate is tight. A held-out bound is, here and nearly always, far below; it costs
# data that training could have used. Notebook 03 says where the distance comes from.
# - That the assumptions hold. That the base model never saw these problems is true of the sample
# by construction; no program can check it of yours.
# - What happens on other kinds of problems: that is the extrapolation gap of notebook 04.
# - That failures stay below 5 %: one run cannot show a probability. The tests of the package
# simulate it.
