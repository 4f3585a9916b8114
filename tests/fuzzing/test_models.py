"""The attacks on model folders and binary files, in small; the figures are from the large ones."""

import logging

import pytest

from benchmarks.fuzzing.campaign import attack
from benchmarks.fuzzing.model_targets import MODEL_TARGETS

FEW = {"adapter-folder": 60, "model-folder": 60, "tokenizer": 60, "tokenizer-config": 60}
"""Where libraries build something; 300 elsewhere."""


@pytest.mark.parametrize("name", MODEL_TARGETS)
def test_spoilt_files_are_refused_or_read(name, caplog):
    caplog.set_level(logging.CRITICAL)
    found = attack(MODEL_TARGETS[name], FEW.get(name, 300), seed=7)
    assert not found.unhandled
    assert found.accepted  # not all of it is noise
    assert found.refused or name == "stored-draws"  # which are made again instead
