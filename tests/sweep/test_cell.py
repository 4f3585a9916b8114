"""A cell of each method and objective on a tiny base: whatever came before changes nothing."""

import hashlib
import random

import numpy as np
import pytest
import torch

from pacbayes.certificate import Certificate
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.sweep.cell import run_cell
from pacbayes.sweep.cells import Cell
from pacbayes.sweep.recipe import Recipe
from pacbayes.sweep.strata import window_rules
from pacbayes.sweep.study import Inputs, set_up

CELL = Cell(stratum="2..3", budget=8, seed=3)


@pytest.mark.parametrize(
    ("method", "objective"), [("lora", "plain"), ("full", "plain"), ("full", "bound")]
)
def test_a_cell_is_a_function_of_itself(checkpoints, problem_file, tmp_path, method, objective):
    ready = set_up(
        Inputs(
            base=checkpoints / "base",
            pool=problem_file,
            rules=window_rules([(2, 3)]),
            strata_levels=None,
            mixtures={},
            test=(),
            held_out_share=0.2,
            target=None,
            recipe=Recipe(method=method, objective=objective, epochs=1.0, family="isotropic"),
        ),
        tmp_path,
    )
    ready.write()
    runs = []
    for i, name in enumerate(("a", "b")):
        torch.manual_seed(i)
        random.seed(i)
        before = torch.random.get_rng_state(), random.getstate(), np.random.get_state()[1].sum()  # noqa: NPY002
        runs.append(run_cell(ready.study, CELL, tmp_path / name))
        assert torch.equal(torch.random.get_rng_state(), before[0])
        assert random.getstate() == before[1]
        assert np.random.get_state()[1].sum() == before[2]  # noqa: NPY002
    assert runs[0] == runs[1]
    assert (runs[0].target, runs[0].base_target, runs[0].base_strength) == (None, None, None)
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    a, b = (hashlib.sha256((tmp_path / x / name).read_bytes()).digest() for x in "ab")
    assert a == b
    certificate = Certificate.read(tmp_path / "a" / "certificate.json")
    prior = checkpoints / "base" if method == "full" else None
    model = open_fine_tuned(OpenOptions(checkpoint=tmp_path / "a", prior=prior))
    assert certificate.prior.centre.sha256 == model.prior.sha256
    assert {group.name for group in certificate.posterior.groups} == set(model.sizes)
    assert bool(model.suggested_noise) == (objective == "bound")
    assert any("hash of their texts" in text for text in certificate.assumptions)
