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
# # When does a larger budget call for harder training data?
#
# **Answer.** When the KL divergence of the fine-tune grows more slowly than the number of training
# examples. Write the certificate of the target risk as
#
# $$J(d, n) = \hat r + G_\text{gen}(d, n) + G_\text{ext}(d), \qquad
# G_\text{gen} = \sqrt{\mathrm{KL}(d, n)/2n}, \qquad \mathrm{KL} = c\,n^a\,h(d),$$
#
# with $h$ rising and the optimum $d^*$ inside. Then $\mathrm{d}d^*/\mathrm{d}n$ **has the sign of
# $1 - a$**: the optimum moves to harder data for $a < 1$, stays for $a = 1$ and moves to *easier*
# data for $a > 1$. So "harder with more data" is nothing to assume: measure $a$. Two more things
# change the picture: a gap that is straight in $d$ makes the optimum jump from one end to the
# other instead of moving, and a kl certificate near 1 can reverse the order even for $a = 0$.
#
# Everything here is `pacbayes.planning` and `pacbayes.gaps` on plain arrays, without torch, and the
# assertions are part of the notebook: if it runs, they hold.

# %%
import matplotlib.pyplot as plt
import numpy as np
import sympy as sp

from pacbayes.gaps import one_sided_lipschitz, total_variation
from pacbayes.planning import (
    bang_bang,
    bang_bang_budget,
    certificate_objective,
    monotone_limit,
    offset_kl,
    quadratic_gap,
)

BUDGETS = np.unique(np.round(np.geomspace(20, 1e5, 120)))
GRID = np.linspace(0, 1, 401)
print("a     d* at 1,000   d* at 100,000")
for a in (0.0, 0.5, 1.0, 1.3):
    # the same KL at 1,000 examples for each a
    early, late = quadratic_gap([1e3, 1e5], c=50 / 1e3**a, growth=a)
    print(f"{a:<4}  {early:<12.3f}  {late:.3f}")
    assert np.sign(round(late - early, 9)) == np.sign(1 - a)

# %% [markdown]
# ## Three parts of one bound
#
# KL = 20 + 100 d² nats and a gap of ½ (1 − d)². The generalization gap rises with difficulty, the
# extrapolation gap falls, and only the first shrinks with data. Here with the kl certificate itself
# at δ = .05, not its square-root approximation.

# %%
SHOWN = [200, 2000, 20000]
objective = certificate_objective(
    budgets=SHOWN,
    difficulties=GRID,
    empirical_risk=0.02,
    kl=20 + 100 * GRID**2,
    extrapolation_gap=0.5 * (1 - GRID) ** 2,
    delta=0.05,
)
figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
best = [row.mean() for row in objective.optimal_difficulties()]
for axis, row, n in zip(axes, range(3), SHOWN, strict=True):
    axis.stackplot(
        GRID,
        objective.empirical_risk[row],
        objective.generalization_gap[row],
        objective.extrapolation_gap[row],
        labels=["empirical risk", "generalization gap", "extrapolation gap"],
        colors=["#444444", "#4c78a8", "#f2a65a"],
    )
    axis.axvline(best[row], color="black", linestyle=":")
    axis.set(title=f"{n:,} examples: d* = {best[row]:.2f}", xlabel="difficulty", xlim=(0, 1))
axes[0].set_ylabel("certificate of the target risk")
axes[0].legend(loc="upper right", fontsize=8)
assert best[0] < best[1] < best[2]
assert not objective.warnings

# %% [markdown]
# ## Why the sign of 1 − a
#
# At an inner minimum ∂J/∂d = 0. By the implicit function theorem dd*/dn = −J_dn/J_dd, and J_dd > 0.
# What is left is J_dn, and sympy finds it to be (a − 1)/2n times the slope of the generalization
# gap, which is above 0 as h rises.

# %%
d, n, c = sp.symbols("d n c", positive=True)
a = sp.symbols("a", real=True)
h, gap = sp.Function("h", positive=True)(d), sp.Function("g")(d)
generalization = sp.sqrt(c * n**a * h / (2 * n))
cross = sp.diff(generalization + gap, d, n)
claim = (a - 1) / (2 * n) * sp.diff(generalization, d)
assert sp.simplify(sp.powsimp(sp.expand(cross - claim))) == 0
slope = sp.simplify(sp.diff(generalization, d) / generalization)
print("J_dn = (a − 1)/(2n) · ∂G/∂d,   ∂G/∂d = G ·", slope)

# %% [markdown]
# The closed form for h = d² and a gap of (λ/2)(1 − d)²: d* = max(0, 1 − √(c n^{a−1}/2)/λ). The
# figure also has the offset KL = 20 + 100 d², whose optimum is the root of a quartic; crosses are
# minima of the objective on a grid, which knows no formula.

# %%
figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
CHECKED = np.array([50, 200, 1000, 5000, 30000])


def searched(kl):
    found = certificate_objective(
        budgets=CHECKED,
        difficulties=GRID,
        empirical_risk=0.0,
        kl=kl,
        extrapolation_gap=0.5 * (1 - GRID) ** 2,
        form="bare_square_root",
    )
    return np.array([row.mean() for row in found.optimal_difficulties()])


for exponent in (0.0, 0.5, 1.0, 1.3):
    c_here = 50 / 1e3**exponent
    (line,) = axis.semilogx(
        BUDGETS, quadratic_gap(BUDGETS, c=c_here, growth=exponent), label=f"a = {exponent}"
    )
    at = searched(c_here * CHECKED[:, None] ** exponent * GRID**2)
    axis.plot(CHECKED, at, "x", color=line.get_color())
    exact = quadratic_gap(CHECKED, c=c_here, growth=exponent)
    # half a step of the grid
    assert np.all(np.abs(at - exact) <= 0.5 / 400 + 1e-9)
(line,) = axis.semilogx(BUDGETS, offset_kl(BUDGETS, b=20, c=100), "--", label="KL = 20 + 100 d²")
at = searched(20 + 100 * GRID**2)
axis.plot(CHECKED, at, "x", color=line.get_color())
assert np.all(np.abs(at - offset_kl(CHECKED, b=20, c=100)) <= 0.5 / 400 + 1e-9)
axis.set(xlabel="examples to train on, n", ylabel="optimal difficulty d*", ylim=(-0.02, 1.02))
axis.legend()

# %% [markdown]
# ## A straight gap: the optimum jumps
#
# With KL = k² d² and G_ext = L (1 − d) the objective is straight in d: the easiest data are best
# below n* = k²/(2L²), the hardest above, and at n* all difficulties are equally good. A planner
# that returned one of them would report its own rounding; ours returns the plateau.

# %%
turn = bang_bang_budget(4, 0.2)
around = [turn / 2, turn, turn * 2]
print("n* =", round(turn), "; lowest and highest optimum about it:")
for size, low, high in zip(around, *bang_bang(around, k=4, slope=0.2), strict=True):
    print(f"  n = {size:>4.0f}: {low:.0f} to {high:.0f}")
plateau = certificate_objective(
    budgets=[round(turn)],
    difficulties=GRID,
    empirical_risk=0.0,
    kl=16 * GRID**2,
    extrapolation_gap=0.2 * (1 - GRID),
    form="bare_square_root",
)
assert plateau.minimisers().all()

# %% [markdown]
# ## The gap must know the order of difficulties
#
# Total variation between pure training data and a uniform target is the same for every stratum.
# With it the extrapolation gap is constant and the cheapest KL wins: the easiest data at any
# budget. The one-sided Lipschitz gap, which needs an assumed slope, knows that training data
# harder than the target leave nothing above.

# %%
strata, sizes = np.linspace(0, 1, 5), np.array([100, 1000, 10000])
target = np.full(5, 0.2)
upper = {"total variation": [], "one-sided Lipschitz, L = .6": []}
for pure in np.eye(5):
    weights = {"train_weights": pure, "target_weights": target}
    upper["total variation"].append(total_variation(**weights).interval[1])
    sided = one_sided_lipschitz(**weights, difficulties=strata, slope=0.6)
    upper["one-sided Lipschitz, L = .6"].append(sided.interval[1])
for name, ends in upper.items():
    chosen = certificate_objective(
        budgets=sizes,
        difficulties=strata,
        empirical_risk=0.02,
        kl=20 + 100 * strata**2,
        extrapolation_gap=np.array(ends),
    ).optimal_difficulties()
    optimum = [float(row.max()) for row in chosen]
    print(f"{name}: gaps {np.round(ends, 2)}, optimum at {sizes.tolist()}: {optimum}")
    assert optimum[-1] == (0.0 if name == "total variation" else 1.0)

# %% [markdown]
# ## A certificate near 1 can reverse the order
#
# The kl bound cannot exceed 1, so that near 1 more data hardly lower it. KL growth plays no part
# here (a = 0), yet a harder choice is given up for an easier one as n grows, and taken again
# later. This cannot happen while the bound of the best choice is below a limit, .63 at an
# empirical risk of 0; the objective warns above it. The square-root form never reverses.

# %%
sizes = np.arange(1, 120) * 10
world = {
    "budgets": sizes,
    "difficulties": [0.0, 1.0],
    "empirical_risk": 0.0,
    "kl": [150.0, 300.0],
    "extrapolation_gap": [0.2, 0.0],
}
certificate = certificate_objective(**world)
root = certificate_objective(**world, form="square_root")
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
bound = certificate.empirical_risk + certificate.generalization_gap + certificate.extrapolation_gap
axis.plot(sizes, bound[:, 0], label="easy: KL 150, gap .2")
axis.plot(sizes, bound[:, 1], label="hard: KL 300, gap 0")
axis.axhline(monotone_limit(0.0), color="black", linestyle=":", label="limit at empirical risk 0")
axis.set(xlabel="examples to train on, n", ylabel="certificate of the target risk")
axis.legend()
path = np.array([row.max() for row in certificate.optimal_difficulties()])
switches = sizes[1:][np.diff(path) != 0]
print("kl form: hard is given up at", switches[0], "and taken again at", switches[-1])
print("warning:", certificate.warnings[-1])
assert path[0] == path[-1] == 1
assert path.min() == 0
assert np.all(np.diff([row.max() for row in root.optimal_difficulties()]) >= 0)

# %% [markdown]
# ## What this did not show
#
# - That KL of real fine-tunes is c nᵃ h(d), or what a is: that is measured from runs, with an
# interval, and reported as a shift, flat, a reversal or undecided.
# - That a certificate picks the best difficulty: it bounds the target risk and is minimised here,
#   but the true risk may be least elsewhere. Learning curves fitted to pilot runs pick better,
#   without a guarantee.
# - True extrapolation gaps: here they are functions of d alone that fall to 0. Real ones have a
# sign, depend on n and need not fall at the hard end.
# - Empirical risks that change with difficulty or budget: with them the limit above does not
# protect the order.
# - Mixtures of difficulties, and any payment for having chosen the minimum after looking.
