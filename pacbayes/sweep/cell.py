"""One cell: choose the data, fine-tune, certify, test, write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pacbayes.certificate import Certificate
from pacbayes.certify import Track, certify, untold
from pacbayes.data.pool import Integers, Pool
from pacbayes.data.sample import Part, Sample
from pacbayes.errors import InputError
from pacbayes.files import write_atomically
from pacbayes.losses import LOSSES
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.models.posterior_file import NAME as POSTERIOR
from pacbayes.models.posterior_file import with_posterior, write_posterior
from pacbayes.planning.rules import Rule
from pacbayes.planning.selection_report import SelectionReport
from pacbayes.planning.subset import strata_of_records, write_subset
from pacbayes.posteriors.noise import NoiseKey, Stream
from pacbayes.risk import Scorer
from pacbayes.runs import Run
from pacbayes.runs.from_certificate import values_of
from pacbayes.runs.reading import CERTIFICATE_FILE, RUN_FILE
from pacbayes.settings import Settings
from pacbayes.stratum import losses_at_prior
from pacbayes.sweep.cells import Cell
from pacbayes.sweep.fine_tune import fine_tune, seeded
from pacbayes.sweep.held_out import Without
from pacbayes.sweep.mixtures import MixtureOfRules, Weights
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.samples import read_drawn, read_part
from pacbayes.weight_perturbation import Family

TRAIN = "train.jsonl"


@dataclass(frozen=True, kw_only=True)
class Study:
    """What the cells of a sweep have in common.

    Attributes:
        base: Folder of the base model.
        pool: Where training data are chosen from.
        set_aside: Units of the pool that are not for training.
        rules: Which units each stratum has.
        mixtures: Mixtures of strata that cells are trained on too, from `mixtures.checked`.
        label_field: The field that strata are values of; None if they are of difficulties.
        tests: Held-out file of each stratum.
        target: File of the target, or None.
        base_risk: Where the base's risk on the target is kept, once a cell has measured it.
        recipe: How to train and certify.
    """

    base: Path
    pool: Pool
    set_aside: Integers
    rules: Mapping[str, Rule]
    mixtures: Mapping[str, Weights]
    label_field: str | None
    tests: Mapping[str, Path]
    target: Path | None
    base_risk: Path
    recipe: Recipe

    def rule(self, name: str) -> Without:
        """Which units may be trained on for a stratum, or for a mixture with its weights."""
        return Without(rule=self._rule(name), units=self.set_aside)

    def _rule(self, name: str) -> Rule:
        if name in self.rules:
            return self.rules[name]
        weights = self.mixtures[name]
        return MixtureOfRules(weights=weights, rules={s: self.rules[s] for s in weights})


def run_cell(study: Study, cell: Cell, folder: Path, track: Track = untold) -> Run:
    """Make one cell, a function of study and cell alone; `run.json` is the last file written.

    Args:
        study: What all cells have in common.
        cell: The cell.
        folder: Its folder, empty.
        track: Told about stages and progress of certifying.

    Raises:
        InputError: The pool has too few units, or whatever fine-tuning and certifying raise.
    """
    with seeded(cell.seed_of("training")):
        run = _made(study, cell, folder, track)
    run.write(folder / RUN_FILE)
    return run


def _made(study: Study, cell: Cell, folder: Path, track: Track) -> Run:
    """Everything of a cell but its run's file."""
    data = folder / TRAIN
    report, sample = _drawn(study, cell, data)
    seed = cell.seed_of("training")
    fine_tune(study.base, data, folder, study.recipe, n=cell.budget, seed=seed)
    model = _open(study, folder)
    settings = settings_of(study.recipe, cell)
    (certificate,) = certify(model, sample, settings, track=track)
    certificate.write(folder / CERTIFICATE_FILE)
    return Run.from_dict(
        {
            "schema": Run.schema,
            **values_of(certificate),
            "difficulty": _mean_difficulty(report),
            "seed": cell.seed,
            **_tested(study, model, certificate, settings),
        }
    )


def _drawn(study: Study, cell: Cell, data: Path) -> tuple[SelectionReport, Sample]:
    """Write the training data, and read them in the strata that they were drawn for."""
    drawn: Any = {
        "pool": study.pool,
        "rule": study.rule(cell.stratum),
        "budget": cell.budget,
        "seed": cell.seed_of("subset"),
    }
    report = write_subset(out=data, **drawn)
    strata = [cell.stratum] * report.subset.n_records
    if cell.stratum in study.mixtures:
        strata = strata_of_records(**drawn)
    sample = read_drawn(
        data,
        strata,
        order=list(study.rules),
        label_field=study.label_field,
        split_by_hash=len(study.set_aside) > 0,
    )
    return report, sample


def settings_of(recipe: Recipe, cell: Cell) -> Settings:
    """How a cell is certified: around the trained weights themselves, not around equal ones."""
    return Settings(
        losses=(recipe.loss,),
        delta=recipe.delta,
        seed=cell.seed_of("certificate"),
        passes=recipe.passes,
        batch_size=recipe.batch_size,
        family=cast(Family, recipe.family),
        gauge=False,
    )


def _open(study: Study, folder: Path) -> FineTuned:
    recipe = study.recipe
    prior = study.base if recipe.method == "full" else None
    model = open_fine_tuned(OpenOptions(checkpoint=folder, prior=prior, device=recipe.device))
    if recipe.objective == "plain":
        return model
    # the noise that was trained, not another with a smaller bound and a larger risk
    write_posterior(folder / POSTERIOR, model, model.suggested_noise)
    return with_posterior(model, folder / POSTERIOR)


def _mean_difficulty(report: SelectionReport) -> float:
    if report.difficulty is None:
        raise InputError("no unit has a `difficulty`; score the pool first (`pacbayes score`).")
    return report.difficulty.mean


def _tested(
    study: Study, model: FineTuned, certificate: Certificate, settings: Settings
) -> dict[str, Any]:
    """The certified posterior's risk on each stratum and the target, and the base's on that."""
    sigmas = {group.name: group.sigma_posterior for group in certificate.posterior.groups}
    # a draw of its own for each unit: independent losses
    scorer = replace(settings.scorer(model), block=1)

    def measured(part: Part, place: int) -> dict[str, Any]:
        units = part.encode(model.tokenizer, max_length=model.context)
        key = NoiseKey(seed=settings.seed, stream=Stream.HELD_OUT, stratum=place)
        (losses,) = scorer.under_noise(units, sigmas, key=key, draw=0)
        return {"mean": float(losses.mean()), "n": len(units)}

    tests = {
        name: measured(read_part(path, name), place)
        for place, (name, path) in enumerate(study.tests.items())
    }
    if study.target is None:
        return {"tests": tests, "target": None, "base_target": None, "base_strength": None}
    part = read_part(study.target, "target")
    target = measured(part, len(tests))
    if not study.base_risk.is_file():
        found = json.dumps(_of_base(scorer, part), indent=2) + "\n"
        write_atomically(study.base_risk, found.encode())
    of_base = json.loads(study.base_risk.read_text(encoding="utf-8"))
    return {"tests": tests, "target": target, **of_base}


def _of_base(scorer: Scorer, part: Part) -> dict[str, Any]:
    """Risk and accuracy of the base on the target: the prior's centre computes what it does.

    So every cell would find the same, whatever it was trained on, and one does for all.
    """
    both = replace(scorer, losses=(*scorer.losses, LOSSES["exact"]))
    units = part.encode(scorer.model.tokenizer, max_length=scorer.model.context)
    risk, errors = (float(losses.mean()) for losses in losses_at_prior(both, units))
    return {"base_target": {"mean": risk, "n": len(units)}, "base_strength": 1 - errors}
