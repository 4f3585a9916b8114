"""Whatever a certificate holds, it is judged at once and without an error of the program."""

import copy
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.schemas import leaves
from pacbayes.verify import verify
from tests.verify.test_tampering import DOCUMENTS, at, edits

ODD = [
    *(None, True, "", "x", [], {}, [[]], {"x": None}, -1, 0, 1, 2, 7, 2**31, 2**53, 2**53 + 1),
    *(10**30, -0.0, 0.0, 0.5, 1.0, 5e-324, 1e-300, 1e-12, 1 - 2**-53, 1e16, 1e300, -1e300),
    *("nan", "kl interval over 999999999 passes with fresh draws, each for 0 units"),
]
PLACES = {name: list(edits(document)) for name, (document, _) in DOCUMENTS.items()}


@st.composite
def mangled(draw):
    name = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[name][0])
    for keys in draw(st.lists(st.sampled_from(PLACES[name]), min_size=1, max_size=3)):
        try:
            place = at(document, keys[:-1])
            place[keys[-1]] = draw(st.sampled_from(ODD) | st.floats(0, 1) | st.integers(0, 100))
        except (KeyError, IndexError, TypeError):  # an earlier change has taken the place away
            continue
    return document


@settings(max_examples=100, deadline=None)
@given(document=mangled())
def test_mangled_certificates_are_judged(document):
    started = time.process_time()
    report = verify(document)
    assert time.process_time() - started < 5
    assert set(report.unchecked) <= {path for path, _ in leaves(document)}
    assert all(isinstance(finding.field, str) for finding in report.findings)
    json.dumps([finding.recomputed for finding in report.findings])


@pytest.mark.parametrize("document", [{}, {"schema": None}, {"object": {"kind": []}}])
def test_what_is_hardly_a_certificate_has_findings(document):
    assert verify(document).findings
