"""Draws of pairs: probabilities, coverage with a twin that fails, stopping, and resuming."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.draws import DrawStore
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.sampling import Plan, best_probabilities, probabilities_by_margin, sample_pairs
from pacbayes.settings import Settings
from pacbayes.team import ALONE, Team

N = 400


@dataclass(frozen=True)
class Flips:
    """Stands for a scorer whose noise flips unit i's loss with a known probability."""

    centre: np.ndarray
    chance: np.ndarray
    units_per_draw: int = 1
    team: Team = ALONE

    def under_noise(self, units, sigmas, *, key, draw):
        rng = np.random.Generator(Draw(key=key, number=draw, unit=0).bits(part=0))
        places = np.array(units)
        # units of a block share a draw, and so their fate
        fate = np.repeat(rng.random(len(places) // self.units_per_draw), self.units_per_draw)
        flipped = fate < self.chance[places]
        return np.where(flipped, 1 - self.centre[places], self.centre[places])[None]

    @property
    def truth(self):
        return float((self.centre * (1 - self.chance) + (1 - self.centre) * self.chance).mean())


def world(block=1):
    rng = np.random.default_rng(0)
    margins = rng.exponential(1.0, N)
    return margins, Flips((rng.random(N) < 0.05).astype(float), 0.3 * np.exp(-4 * margins), block)


def run(scorer, margins, seed, *, weighted=True, **changes):
    plan = Plan(
        centre=scorer.centre[None],
        probabilities=probabilities_by_margin(margins, 0.06, 0.3)
        if weighted
        else np.full(N, 1 / N),
        **{"tolerance": 0.02, "delta": 0.2, "most": 8000, "lams": ((),), "aims": (None,)} | changes,
    )
    key = NoiseKey(seed=seed, stream=Stream.CERTIFICATE, stratum=0)
    (found,) = sample_pairs(scorer, range(N), {}, plan, key=key, store=DrawStore(None, {}))
    return found


def test_probabilities_fall_with_the_margin_and_have_a_floor():
    margins = np.linspace(0, 5, 100)
    p = probabilities_by_margin(margins, 0.1, 0.3)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert (np.diff(p) < 0).all()
    assert (p >= 0.3 / 100 * (1 - 1e-12)).all()
    for margins in (np.zeros(100), np.full(100, 1e9)):
        for flipped in (0.0, 1.0):
            p = probabilities_by_margin(margins, flipped, 0.3)
            assert np.allclose(p, 0.01)


@pytest.mark.parametrize(("block", "aim"), [(1, None), (4, None), (1, 0.4), (1, 40.0)])
def test_interval_contains_the_truth(block, aim):
    margins, scorer = world(block)
    runs = [run(scorer, margins, seed, aims=(aim,)) for seed in range(150)]
    missed = [not a.interval[0] <= scorer.truth <= a.interval[1] for a in runs]
    # at δ = .2 more than 48 of 150 have probability below 1e-3 (binomial)
    assert sum(missed) <= 48
    assert np.mean([a.mean for a in runs]) == pytest.approx(scorer.truth, abs=0.004)
    # the twin that must fail: drawn by margin, but weighted as if evenly
    biased = []
    for seed in range(20):
        found = run(replace(scorer), margins, seed, tolerance=1e-9, most=4000)
        rng = np.random.default_rng(seed)
        drawn = rng.choice(N, size=4000, p=probabilities_by_margin(margins, 0.06, 0.3))
        plain = np.where(
            rng.random(4000) < scorer.chance[drawn], 1 - scorer.centre[drawn], scorer.centre[drawn]
        )
        biased.append(not found.interval[0] <= plain.mean() <= found.interval[1])
    assert sum(biased) >= 18


def test_margins_are_used_only_where_they_tell_what_flips():
    rng = np.random.default_rng(3)
    margins = rng.exponential(1.0, 2000)
    told = (rng.random(2000) < 0.5 * np.exp(-8 * margins)).astype(float)[:256]
    p = best_probabilities(margins, told)
    assert p.max() > 2 / 2000
    misled = (margins[:256] > np.quantile(margins[:256], 0.9)).astype(float)
    assert np.allclose(best_probabilities(margins, misled), 1 / 2000)
    assert np.allclose(best_probabilities(margins, np.zeros(256)).sum(), 1)


def test_stops_when_the_tolerance_is_met_and_at_the_most():
    margins, scorer = world()
    coarse, fine = (run(scorer, margins, 1, tolerance=t) for t in (0.05, 0.02))
    for found, tolerance in ((coarse, 0.05), (fine, 0.02)):
        assert found.interval[1] - found.mean <= tolerance
    assert coarse.n_draws < fine.n_draws
    assert run(scorer, margins, 1, tolerance=1e-9, most=1000).n_draws == 1024


def test_margins_save_draws_where_few_units_change():
    margins, scorer = world()
    by_margin = [run(scorer, margins, s, tolerance=0.01, most=10**5).n_draws for s in range(8)]
    evenly = [
        run(scorer, margins, s, tolerance=0.01, most=10**5, weighted=False).n_draws
        for s in range(8)
    ]
    assert np.median(by_margin) < np.median(evenly)


def test_stored_draws_are_taken_only_for_the_units_they_are_of(tmp_path):
    """Probabilities may differ in a resumed run: on another device, in other batches."""
    margins, scorer = world()
    key = NoiseKey(seed=0, stream=Stream.CERTIFICATE, stratum=0)

    def found(share, folder):
        plan = Plan(
            centre=scorer.centre[None],
            probabilities=probabilities_by_margin(margins, 0.06, share),
            tolerance=0.02,
            delta=0.2,
            most=2000,
            lams=((),),
            aims=(None,),
        )
        return sample_pairs(scorer, range(N), {}, plan, key=key, store=DrawStore(folder, {}))

    found(0.3, tmp_path / "one")
    assert found(0.6, tmp_path / "one") == found(0.6, tmp_path / "two")


def test_an_aim_saves_draws():
    """Weights of bets near the one that settles the draws, against equal ones."""
    margins, scorer = world()
    spread = float(np.mean(scorer.chance))
    aimed, evenly = (
        [run(scorer, margins, s, tolerance=0.01, most=10**5, aims=(aim,)).n_draws for s in range(8)]
        for aim in (0.01 / spread, None)
    )
    assert np.median(aimed) < 0.9 * np.median(evenly)


@pytest.fixture(scope="module")
def adapter(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "adapter", prior=checkpoints / "initial")
    )


SETTINGS = Settings(losses=("token",), passes=30, pilot=20, seed=3, tolerance=0.03)


def test_certificate_to_a_tolerance(adapter, problem_file, tmp_path):
    sample = read_sample([problem_file])
    (found,) = certify(adapter, sample, SETTINGS, draws_folder=tmp_path)
    (stratum,) = found.strata
    low, high = stratum.empirical_risk_bound
    assert stratum.sampling.startswith("betting interval")
    assert high - stratum.empirical_risk <= 0.03
    # the same posterior by many whole passes lies in the interval
    (whole,) = certify(adapter, sample, replace(SETTINGS, tolerance=None, passes=40))
    assert low <= whole.strata[0].empirical_risk <= high
    # finished draws are used again, also for another tolerance
    (again,) = certify(adapter, sample, SETTINGS, draws_folder=tmp_path)
    assert again.strata == found.strata
    (other,) = certify(adapter, sample, replace(SETTINGS, batch_size=7), draws_folder=None)
    assert other.strata == found.strata
