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
# # How does a pool of problems become a training file of the right difficulty?
#
# **Answer.** By three commands: `score` gives each record a difficulty, `plan` reads finished pilot
# runs and a target and says what to train on for each budget, `select` writes that part of the
# pool. What comes out is checked here on real files: the records are those of the pool byte for
# byte, groups are whole, the budget counts independent units, none is in the target, and the same
# seed gives the same file. A pool that is too small is an error with numbers, and no file.
#
# What to train on is a *forecast*. From nine pilots of one seed each the plan takes medium problems
# at 2,000 units, as the pilots there would have it (measured target risk .42, against .71 and .90).
# At 4,000 it says medium, too, where the one run on easy problems was better (.68 against .74).
#
# The scale of difficulty must be that of the pilots: counting steps in the wrong way moves every
# problem by one, and the selection by more than one.
#
# The assertions below check every one of these sentences.

# %%
import hashlib
import json
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np

import pacbayes.sample
from pacbayes.cli.plan import plan
from pacbayes.cli.score import score
from pacbayes.cli.select import select
from pacbayes.errors import InputError
from pacbayes.plan import Plan

SAMPLE = Path(pacbayes.sample.__file__).parent
temporary = TemporaryDirectory()
FOLDER = Path(temporary.name)


def lines_of(path):
    return path.read_text(encoding="utf-8").splitlines()


def records_of(path):
    return [json.loads(line) for line in lines_of(path)]


def write(name, records):
    text = "".join(json.dumps(record) + "\n" for record in records)
    (FOLDER / name).write_text(text, encoding="utf-8")
    return FOLDER / name


# %% [markdown]
# ## The pool and the target
#
# 3,000 problems of each level of the shipped sample in random order, without their difficulty; it
# is kept apart to check with. Every tenth is there twice, as two answers to one problem would be:
# the two are one `group` and count once. The target is 1,000 held-out problems, half of them hard,
# of which only the prompt and the number of operations are known.

# %%
known, pool = {}, []
for level in ("easy", "medium", "hard"):
    for number, record in enumerate(records_of(SAMPLE / "data" / f"{level}.jsonl")[:3000]):
        name = f"{level}-{number}"
        known[name] = record.pop("difficulty")
        pool.append({"id": name, "group": name, "source": level} | record)
        if number % 10 == 0:
            pool.append({"id": name + "-again", "group": name, "source": level} | record)
random.Random(0).shuffle(pool)
pool_file = write("pool.jsonl", pool)
target = []
for level, count in (("easy", 200), ("medium", 300), ("hard", 500)):
    for record in records_of(SAMPLE / "data" / f"{level}.held_out.jsonl")[:count]:
        target.append({key: record[key] for key in ("prompt", "difficulty")})
target_file = write("target.jsonl", target)
print(len(pool), "records,", len(known), "units; the first:")
print(lines_of(pool_file)[0])

# %% [markdown]
# ## `pacbayes score`
#
# Difficulty is the number of operations, which are the steps of the completion but for its first,
# a variable looked up (`b1;b1-0=y1;…`). Counting all parts between semicolons is the obvious
# thing, and gives one more than the scale of the pilots. The second pattern leaves the first part
# out.

# %%
counted, scored = FOLDER / "counted.jsonl", FOLDER / "scored.jsonl"
score(data=pool_file, out=counted, by="steps", separator=";")
score(data=pool_file, out=scored, by="steps", separator=r"^[a-z]\d;|;")
wrong = Counter(record["difficulty"] - known[record["group"]] for record in records_of(counted))
right = Counter(record["difficulty"] - known[record["group"]] for record in records_of(scored))
print("difference to the known difficulty:", dict(wrong), "and", dict(right))
assert wrong == {1: len(pool)}
assert right == {0: len(pool)}
for given, record in zip(pool, records_of(scored), strict=True):
    assert given == {key: value for key, value in record.items() if key != "difficulty"}

# %% [markdown]
# ## `pacbayes plan`
#
# The pilots are nine finished fine-tunes on easy, medium or hard problems at three budgets. Strata
# meet at 4.5 and 7.5 operations. What is printed is long, as it says what it rests on and what
# these few runs cannot tell.

# %%
plan(
    runs=SAMPLE / "pilots",
    target=target_file,
    budgets="1000,2000,4000",
    strata_edges="4.5,7.5",
    shared_strata=True,
    bootstrap=300,
    out=FOLDER / "plan",
)
plan_file = FOLDER / "plan" / "plan.json"
made = Plan.read(plan_file)
answers = {entry.budget: entry for entry in made.budgets}

# %%
print("target:", {name: float(share) for name, share in made.target.weights.items()})
observed = {}
for budget, answer in answers.items():
    runs = {
        next(name for name, share in run.train_weights.items() if share == 1): run
        for run in answer.observed
    }
    observed[budget] = {name: run.target_risk.value for name, run in runs.items()}
    mixture = max(answer.mixture.weights, key=answer.mixture.weights.get)
    print(
        f"{budget} units: d* = {answer.optimal_difficulty.value:.2f} "
        f"({answer.optimal_difficulty.status}), mixture mostly {mixture}; measured target risk",
        {name: round(risk, 3) for name, risk in observed[budget].items()},
    )
assert made.target.weights == {"easy": 0.2, "medium": 0.3, "hard": 0.5}
assert answers[2000].optimal_difficulty.status == "forecast"
for budget in (2000, 4000):
    assert answers[budget].mixture.weights["medium"] > 0.9
assert min(observed[2000], key=observed[2000].get) == "medium"
assert min(observed[4000], key=observed[4000].get) == "easy"
assert np.allclose(list(observed[2000].values()), [0.71, 0.42, 0.90], atol=0.005)
assert np.allclose([observed[4000][name] for name in ("easy", "medium")], [0.68, 0.735], atol=0.005)

# %% [markdown]
# The best difficulty is known less well than the number suggests: its interval at 2,000 units is
# wide, and the curve is nearly flat around it. The measured medium run lies below the band, which
# is for the mean over runs: a single one scatters by more. With one seed a cell the plan counts all
# that as noise, and says so above.

# %%
grid = made.difficulties
answer = answers[2000]
curve = answer.by_difficulty
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.fill_between(grid, curve.lower, curve.upper, alpha=0.25, label="90 % interval (forecast)")
axis.plot(grid, curve.predicted_risk, label="predicted target risk (forecast)")
axis.plot(
    [run.difficulty for run in answer.observed],
    [run.target_risk.value for run in answer.observed],
    "o",
    color="black",
    label="measured, one run each",
)
axis.axvspan(*answer.optimal_difficulty.interval, color="grey", alpha=0.15, label="interval of d*")
axis.axvline(answer.optimal_difficulty.value, color="black", linestyle=":")
axis.set(xlabel="difficulty of the training data", ylabel="target risk, 2,000 units")
axis.legend(fontsize=8)
low, high = answer.optimal_difficulty.interval
print(f"d* = {answer.optimal_difficulty.value:.2f}, 90 % interval [{low:.2f}, {high:.2f}]")
assert high - low > 1
medium = next(run for run in answer.observed if run.train_weights == {"medium": 1.0})
assert medium.target_risk.value < np.interp(medium.difficulty, grid, curve.lower)

# %% [markdown]
# ## `pacbayes select`
#
# The plan's mixture for 2,000 units, and beside it the units nearest to its d*. These are two
# answers: the mixture is made of strata that were run, five to seven operations here, while d* is
# interpolated between runs, and lies at the border to the easy ones.

# %%
train, nearest = FOLDER / "train.jsonl", FOLDER / "nearest.jsonl"
select(pool=scored, budget=2000, out=train, plan=plan_file)
select(pool=scored, budget=2000, out=nearest, plan=plan_file, by="difficulty")
chosen = records_of(train)
units = {record["group"] for record in chosen}
members = Counter(record["group"] for record in records_of(scored))

assert len(units) == 2000
assert len(chosen) > 2000
assert set(lines_of(train)) <= set(lines_of(scored))
assert len(set(lines_of(train))) == len(chosen)
assert Counter(record["group"] for record in chosen) == {unit: members[unit] for unit in units}
assert not {record["prompt"] for record in chosen} & {record["prompt"] for record in target}
inside = np.mean([4.5 < record["difficulty"] < 7.5 for record in chosen])
places = [lines_of(scored).index(line) for line in lines_of(train)[:100]]
assert inside > 0.9
assert places != sorted(places)
print(
    f"{len(units)} units, {len(chosen)} records, {inside:.0%} of them of five to seven operations"
)

# %%
figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
values = np.arange(3, 11)
shown = {
    "pool": records_of(scored),
    "target": target,
    "selected: the mixture": chosen,
    "selected: nearest to d*": records_of(nearest),
}
for place, (name, records) in enumerate(shown.items()):
    counts = Counter(record["difficulty"] for record in records)
    shares = [counts[value] / len(records) for value in values]
    axis.bar(values + 0.2 * (place - 1.5), shares, width=0.2, label=name)
axis.set(xlabel="difficulty, operations", ylabel="share of the records")
axis.legend(fontsize=8)
# whatever is nearer to d* than the farthest that was taken was taken, too
d_star = answer.optimal_difficulty.value
far = max(abs(record["difficulty"] - d_star) for record in shown["selected: nearest to d*"])
nearer = [r for r in records_of(scored) if abs(r["difficulty"] - d_star) < far]
assert {r["id"] for r in nearer} <= {r["id"] for r in shown["selected: nearest to d*"]}

# %% [markdown]
# The report beside the file has hashes of all that went in and came out, so that the file can be
# traced back, and the same command makes it again.

# %%
report = json.loads((FOLDER / "train.jsonl.report.json").read_text(encoding="utf-8"))
for name, path in (("pool", scored), ("plan", plan_file), ("subset", train)):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{name:<7} {digest}")
    assert report[name]["sha256"] == digest
again, other = FOLDER / "again.jsonl", FOLDER / "other.jsonl"
select(pool=scored, budget=2000, out=again, plan=plan_file)
select(pool=scored, budget=2000, out=other, plan=plan_file, seed=1)
assert again.read_bytes() == train.read_bytes()
assert other.read_bytes() != train.read_bytes()

# %% [markdown]
# ## When the pool is too small, or on another scale
#
# At 4,000 units the plan wants more medium problems than there are. Nothing is written. With the
# difficulties that were counted in the wrong way the selection goes through, and is easier by more
# than an operation than what the pilots had: no program can see that.

# %%
try:
    select(pool=scored, budget=4000, out=FOLDER / "more.jsonl", plan=plan_file)
    refusal = ""
except InputError as error:
    refusal = str(error)
print(refusal)
assert "medium" in refusal
assert not (FOLDER / "more.jsonl").exists()

shifted = FOLDER / "shifted.jsonl"
select(pool=counted, budget=2000, out=shifted, plan=plan_file)
mean = np.mean([known[record["group"]] for record in chosen])
easier = np.mean([known[record["group"]] for record in records_of(shifted)])
print(f"mean number of operations: {mean:.2f} as planned, {easier:.2f} on the wrong scale")
assert 1 < mean - easier < 1.5
temporary.cleanup()
assert not FOLDER.exists()

# %% [markdown]
# ## What this did not show
#
# - That training on the file is best: nothing was trained here. At 4,000 units one measured run
# speaks against the plan, within what the plan itself says it cannot tell.
# - Noise between seeds: the pilots have one run each. `pacbayes sweep` makes more.
# - Other measures of difficulty: pass rates and losses need a model, and one that was not trained
# on the pool.
# - Near copies of target problems in the pool. That no prompt is in both was checked here by text.
# - Pools of millions; `benchmarks/RESULTS.md` has what scoring one costs.
