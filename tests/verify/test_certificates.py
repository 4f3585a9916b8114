"""Certificates as they should be verify; made ones at many sizes, and real ones of all kinds."""

import json
import time
from pathlib import Path

import pytest

from pacbayes.verify import read, verify
from tests.verify.making import make_certificate

REAL = sorted((Path(__file__).parent / "certificates").glob("*.json"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_certificates_verify(path):
    report = verify(read(path))
    assert report.findings == []
    assert report.checks > 30


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("block", [1, 7])
def test_made_certificates_verify(graded, block):
    sizes = [1, 2, 60, 1001, 20000]
    for seed, rates in enumerate([(0.0001, 0.02, 0.3), (0.9999, 0.9)]):
        made = make_certificate(sizes, rates=rates, graded=graded, block=block, seed=seed)
        assert verify(made.to_dict()).findings == []


def test_a_hundred_strata_take_less_than_two_seconds():
    made = make_certificate([1000 + 37 * i for i in range(100)], rates=(0.02, 0.3), n_held_out=10)
    document = json.loads(made.to_json())
    started = time.process_time()
    report = verify(document)
    assert time.process_time() - started < 2
    assert report.findings == []
    assert report.checks > 2000
