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
# # How far does a certificate reach beyond the data that it was computed from?
#
# **Answer.** To each stratum of these data, and to any mixture of the strata; to nothing else
# without further evidence. What is missing to another target is the extrapolation gap
# R_target − R_train, and what is known of it depends on what was observed:
#
# - with held-out labels of the strata it is measured: at 4,000 examples from .62 to .69 for the
#   easy-trained model on a target of mostly hard problems, from −.04 to .02 for the hard-trained;
# - the weights of the strata alone allow ±.8 and ±.5: total variation knows neither the sign of the
#   gap nor the order of difficulties;
# - a slope that nobody measured, or a surface fitted to other runs, gives a forecast. Each is
#   refuted here by one of three measurements;
# - without labels in a stratum that training does not cover, the gap is **not identifiable**: two
#   worlds with the same evidence differ by .8 in it.
#
# Certificates of strata hold together. For a mixture a joint event, on which KL is paid once, gives
# .69 in place of .86, and with more data it proves gaps that the strata one by one do not.
#
# The assertions below check every one of these sentences.

# %%
import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

import pacbayes.sample
from pacbayes.bounds import joint_kl, joint_kl_lower, simultaneous_kl, simultaneous_kl_lower
from pacbayes.certificate import Certificate
from pacbayes.cli.bound import bound
from pacbayes.gaps import (
    GAPS,
    Evidence,
    HeldOut,
    Pairs,
    choose_gap,
    disagreement,
    fitted,
    measured,
    one_sided_lipschitz,
    pair_risks,
    total_variation,
)
from pacbayes.learning_curves import fit_transfer_surface

warnings.filterwarnings("ignore", message="IProgress not found")  # a progress bar's
SAMPLE = Path(pacbayes.sample.__file__).parent

# %% [markdown]
# ## Strata of one file
#
# 1,000 training problems of the easy adapter have three operations or four. Each value is a
# stratum; both certificates hold at once with 95 % confidence. A stratum must be a function of the
# input: strata cut by the model's own losses would be no certificate.

# %%
with TemporaryDirectory() as name:
    folder = Path(name)
    with (SAMPLE / "data" / "easy.jsonl").open(encoding="utf-8") as file:
        (folder / "easy.jsonl").write_text("".join(next(file) for _ in range(1000)), "utf-8")
    bound(
        checkpoint=SAMPLE / "adapters" / "easy",
        data=[folder / "easy.jsonl"],
        strata_levels="difficulty",
        passes=1,
        out=folder / "run",
    )
    certificate = Certificate.read(folder / "run" / "certificate.json")
strata = certificate.strata
assert [stratum.n for stratum in strata] == [451, 549]
assert not any(stratum.vacuous for stratum in strata)
assert sum(entry.delta for entry in certificate.delta.ledger) <= 0.05

# %% [markdown]
# The mixture of the two, weighted as in the sample. One by one, its risk is at most the weighted
# sum of the two bounds, and KL has been paid in full by each stratum. On the joint event
# Σ n_d kl(r̂_d ‖ R_d) ≤ KL + ln(Π ξ(n_d)/δ) it is paid once. (δ as in the certificate: .01 for the
# finite draws, .04 for the bound, by 641 for the prior's scale.)


# %%
def ends(coefficients):
    """The risk's combination at most and at least, on the joint event."""
    sign = np.array(coefficients) > 0
    low, high = (np.array([s.empirical_risk_bound[i] for s in strata]) for i in (0, 1))
    at = {"kl": certificate.kl, "n": [s.n for s in strata], "delta": 0.04 / 641}
    least = joint_kl_lower(
        coefficients=coefficients, empirical_risk=np.where(sign, low, high), **at
    )
    most = joint_kl(coefficients=coefficients, empirical_risk=np.where(sign, high, low), **at)
    return least, most


shares = [stratum.n / 1000 for stratum in strata]
apart = sum(share * s.risk_bound[1] for share, s in zip(shares, strata, strict=True))
jointly = ends(shares)[1]
gap_apart = strata[1].risk_bound[0] - strata[0].risk_bound[1], strata[1].risk_bound[1]
gap_jointly = ends([-1.0, 1.0])
print(f"mixture: at most {apart:.3f} stratum by stratum, {jointly:.3f} jointly")
print("gap of four operations over three: [{:.3f}, {:.3f}] stratum by stratum".format(*gap_apart))
print("                                   [{:.3f}, {:.3f}] jointly".format(*gap_jointly))
assert abs(apart - 0.86) < 0.03
assert abs(jointly - 0.69) < 0.03
assert gap_jointly[0] < 0 < gap_jointly[1]
assert gap_jointly[1] - gap_jointly[0] < gap_apart[1] - gap_apart[0]

# %% [markdown]
# Here the sample is too small to prove that four operations are harder. With 5,000 units in each
# of two strata, risks .3 and .05 and KL = 300, only the joint event proves a gap.

# %%
two = {"empirical_risk": [0.3, 0.05], "kl": 300.0, "n": [5000, 5000], "delta": 0.05}
upper, lower = simultaneous_kl(**two), simultaneous_kl_lower(**two)
proved = joint_kl_lower(coefficients=[1.0, -1.0], **two)
print(f"gap at least {lower[0] - upper[1]:.4f} one by one, at least {proved:.4f} jointly")
assert lower[0] - upper[1] < 0 < proved

# %% [markdown]
# ## The gap on the sample
#
# Nine committed runs (`pacbayes/sample/pilots`): training on easy, medium or hard problems only,
# each certified posterior tested on 1,000 held-out problems of each level. The target is 20 % easy,
# 30 % medium, 50 % hard. One generator made training and target, so that strata are shared by
# construction: what is measured is a certificate.

# %%
LEVELS, TARGET, SHARED = ["easy", "medium", "hard"], [0.2, 0.3, 0.5], {"shared_conditionals": True}
with (SAMPLE / "pilots" / "runs.jsonl").open(encoding="utf-8") as file:
    runs = [json.loads(line) for line in file]
for run in runs:
    run["level"] = next(iter(run["train_weights"]))
last = {run["level"]: run for run in runs if run["budget"] == 4000}
difficulties = [last[level]["difficulty"] for level in LEVELS]
report = json.loads((SAMPLE / "report.json").read_text(encoding="utf-8"))
base = [1 - report["exact_match"]["base"][f"{level}, variant"] for level in LEVELS]


def tests(run):
    return [run["tests"][level]["mean"] for level in LEVELS]


def weights_of(level):
    return {"train_weights": [float(name == level) for name in LEVELS], "target_weights": TARGET}


earlier = [run for run in runs if run["budget"] < 4000]
surface = fit_transfer_surface(
    difficulty=[run["difficulty"] for run in earlier],
    budget=[run["budget"] for run in earlier],
    risks=[tests(run) for run in earlier],
    n_tests=[1000] * 3,
    base_risks=base,
    n_base=[1500] * 3,
    n_fits=200,
).at(difficulties)
forecast = surface.risk(4000)

gaps = {}
for place, level in enumerate(LEVELS):
    held_out = HeldOut(mean=tuple(tests(last[level])), n=(1000,) * 3, zero_one=True)
    weights = weights_of(level)
    target, train = forecast[:, place] @ np.array(TARGET), forecast[:, place, place]
    gaps[level] = {
        "measured": measured(**weights, held_out=held_out, delta=0.05, **SHARED),
        "total variation": total_variation(**weights, **SHARED),
        "Lipschitz, slopes certified": one_sided_lipschitz(
            **weights, difficulties=difficulties, held_out=held_out, delta=0.05, **SHARED
        ),
        "Lipschitz, slope .1 assumed": one_sided_lipschitz(
            **weights, difficulties=difficulties, slope=0.1, **SHARED
        ),
        "fitted to smaller budgets": fitted(
            target_risk=float(target.mean()),
            train_risk=float(train.mean()),
            target_replicates=target,
            train_replicates=train,
        ),
    }
THICK = {"linewidth": 6, "solid_capstyle": "butt"}
COLOURS = {"certificate": "#4c78a8", "estimate": "#f2a65a", "forecast": "#e45756"}
figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharex=True, sharey=True, layout="constrained")
for axis, (level, found) in zip(axes, gaps.items(), strict=True):
    print(f"trained on {level}, 4,000 examples:")
    for row, (name, gap) in enumerate(found.items()):
        low, high = gap.interval
        print(f"  {name:<28} [{low:+.3f}, {high:+.3f}]  {gap.status}")
        axis.plot(
            [low, high], [row, row], linewidth=6, solid_capstyle="butt", color=COLOURS[gap.status]
        )
    axis.axvline(found["measured"].estimate, color="black", linestyle=":")
    axis.set(title=f"trained on {level}", xlabel="extrapolation gap", xlim=(-1.02, 1.02))
axes[0].set_yticks(range(5), list(gaps["easy"]))
axes[0].invert_yaxis()
handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in COLOURS.values()]
figure.legend(handles, COLOURS, loc="outside lower center", ncols=3, fontsize=8)


def meet(one, other):
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


refuted = {
    name: [level for level in LEVELS if not meet(gaps[level]["measured"], gaps[level][name])]
    for name in gaps["easy"]
}
print("refuted by what was measured:", refuted)
assert refuted.pop("Lipschitz, slope .1 assumed") == ["easy"]
assert refuted.pop("fitted to smaller budgets") == ["medium"]
assert not any(refuted.values())
assert 0.61 < gaps["easy"]["measured"].interval[0] < gaps["easy"]["measured"].interval[1] < 0.7
assert (
    -0.05 < gaps["hard"]["measured"].interval[0] < 0 < gaps["hard"]["measured"].interval[1] < 0.02
)
ends_of = [gaps[level]["total variation"].interval[1] for level in LEVELS]
assert np.allclose(ends_of, [0.8, 0.7, 0.5], atol=1e-9)

# %% [markdown]
# Total variation is smallest for hard training data because half of the target is hard. With a
# uniform target it is 2/3 for every stratum, so that it cannot choose one. The status is part of
# each gap, and so is what it rests on.

# %%
for name, gap in gaps["easy"].items():
    print(f"{name} ({gap.status}): {gap.assumption}\n")
statuses = {name: gap.status for name, gap in gaps["easy"].items()}
assert list(statuses.values()) == ["certificate"] * 3 + ["forecast"] * 2
undeclared = measured(**weights_of("easy"), held_out=held_out, delta=0.05)
print("strata not declared to be shared:", undeclared.status)
assert undeclared.status == "estimate"
third = [1 / 3] * 3
uniform = [
    total_variation(train_weights=weights_of(level)["train_weights"], target_weights=third)
    for level in LEVELS
]
assert np.allclose([gap.interval[1] for gap in uniform], 2 / 3)

# %% [markdown]
# `pacbayes plan` takes the first model in a fixed order that the evidence allows, never the
# narrowest interval: that choice would have to be paid for.

# %%
print("in this order:", ", ".join(GAPS))
chosen = choose_gap(Evidence(**weights_of("easy"), held_out=held_out, shared_conditionals=True))
print(chosen.model + ".", chosen.reason)
blind = choose_gap(Evidence(**weights_of("easy")))
print(blind.model + ".", blind.reason)
assert chosen.model == "measured"
assert blind.model == "total_variation"

# %% [markdown]
# ## Where no data can tell
#
# Four models of equal weight under the posterior answer 0 on four of five target problems, and
# split on the fifth. No label of the target is known. In world A the four answers are right, in
# world B they are wrong. All that can be observed is the same in both worlds: inputs, answers, how
# often two draws disagree. On the training stratum the models behave as in world A.

# %%
answers = np.zeros((4, 5), dtype=int)
answers[2:, 4] = 1
equal = {"posterior": [0.25] * 4, "example_weights": [0.2] * 5}
worlds = {
    "A": pair_risks(answers=answers, labels=[0, 0, 0, 0, 0], **equal),
    "B": pair_risks(answers=answers, labels=[1, 1, 1, 1, 0], **equal),
}
truth = {name: world.risk - worlds["A"].risk for name, world in worlds.items()}
seen = Pairs(n=10_000, disagreements=1000)
labelled = Pairs(n=10_000, disagreements=1000, joint_errors=500, errors=2000)
elsewhere = {"train_weights": [1.0, 0.0], "target_weights": [0.0, 1.0]}
known = {"delta": 0.05, "target_pairs": seen, "train_pairs": labelled}
intervals = {
    "total variation": total_variation(**elsewhere),
    "disagreement, λ = 0 assumed": disagreement(**known),
    "disagreement, λ = .8 assumed": disagreement(**known, joint_error_change=0.8),
}
figure, axis = plt.subplots(figsize=(8, 2.4), layout="constrained")
for row, (name, gap) in enumerate(intervals.items()):
    low, high = gap.interval
    axis.plot(
        [low, high], [row, row], linewidth=6, solid_capstyle="butt", color=COLOURS[gap.status]
    )
    inside = [world for world, value in truth.items() if low <= value <= high]
    print(f"{name:<28} [{low:+.3f}, {high:+.3f}]  {gap.status}, holds in {inside}")
for world, value in truth.items():
    axis.axvline(value, color="black", linestyle=":")
    axis.text(value, -0.6, f"world {world}", ha="center")
axis.set_yticks(range(3), list(intervals))
axis.set(xlabel="extrapolation gap", ylim=(2.4, -1))


def covers(gap, value):
    return gap.interval[0] <= value <= gap.interval[1]


assert worlds["A"].disagreement == worlds["B"].disagreement
assert abs(truth["B"] - truth["A"] - 0.8) < 1e-12
assert all(covers(intervals["total variation"], value) for value in truth.values())
assert covers(intervals["disagreement, λ = 0 assumed"], truth["A"])
assert not covers(intervals["disagreement, λ = 0 assumed"], truth["B"])
assert all(covers(intervals["disagreement, λ = .8 assumed"], value) for value in truth.values())

# %% [markdown]
# ## What this did not show
#
# - That strata are shared in your case. The generator of the sample makes it so; elsewhere it is an
# assumption, and what rests on it is an estimate.
# - Gaps of the model without noise: the committed tests are of the noisy, certified predictor.
# - Gaps of other seeds: there is one run for each level and budget.
# - Density ratio and disagreement on real models: they need pairs of posterior draws that answer
# freely, which the committed runs do not have.
# - That a forecast is worthless. It is what can be had before the data; the plan tests its curves
# against the runs and says when they are off.
