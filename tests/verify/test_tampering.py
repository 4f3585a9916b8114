"""Every field of a certificate, changed alone, is found out or is listed as not checked."""

import copy
import json
import re
from pathlib import Path

import pytest

from pacbayes.schemas import leaves
from pacbayes.verify import read, verify
from tests.verify.making import make_certificate

REAL = {path.stem: path for path in sorted((Path(__file__).parent / "certificates").glob("*.json"))}

ALWAYS_FREE = {
    "created",
    "version",
    "seed",
    "prior.centre.path",
    "prior.centre.sha256",
    "prior.base.path",
    "prior.base.sha256",
    "posterior.centre.path",
    "posterior.centre.sha256",
    "posterior.choice",
    "strata[].n_unscorable",
    "strata[].unperturbed_risk",
    "strata[].held_out.path",
    "strata[].held_out.sha256",
    "data[].path",
    "data[].sha256",
    "assumptions[]",
    "environment.packages",
    "environment.packages.*",
    "environment.device",
    "environment.dtype",
}
"""What only the inputs can tell, and `created`, which nothing can."""

POSTERIOR = {"prior.scale_grid.index"}
GROUP = {"size", "sigma_prior", "sigma_posterior", "distance_squared"}
DRAWN = {f"posterior.groups[].{key}" for key in GROUP} | POSTERIOR
OBJECT = {"object.path", "object.sha256"}
PAIRS = {
    "strata[].empirical_risk",
    "strata[].empirical_risk_bound[]",
    "strata[].n_draws",
    "strata[].bets[].lam",
    "strata[].bets[].mean_log",
}
"""Of losses of drawn pairs, which are not in the certificate."""

FREE = {
    "certificate": POSTERIOR,
    "certificate.nll": POSTERIOR,
    "certificate.drawn": OBJECT | DRAWN,
    "certificate.compressed": OBJECT,
    "certificate.tokens": OBJECT | DRAWN | {"prior.data"},
    "pairs": POSTERIOR | PAIRS,
    "pairs.token": POSTERIOR | PAIRS,
}


def documents():
    for graded in (False, True):
        made = make_certificate([4000, 900], rates=(0.05, 0.4), graded=graded, block=1 + 3 * graded)
        yield f"made {'graded' if graded else '0-1'}", made.to_dict(), POSTERIOR
    for name, path in REAL.items():
        yield name, read(path), FREE[name]


DOCUMENTS = {name: (document, free) for name, document, free in documents()}


@pytest.fixture(params=DOCUMENTS)
def case(request):
    return DOCUMENTS[request.param]


def kind_of(path):
    """A path without its places, and without the names of packages."""
    path = re.sub(r"\[\d+\]", "[]", path)
    return re.sub(r"^environment\.packages\..*", "environment.packages.*", path)


def others(value):
    """Values that are a little larger, a little smaller, or simply others."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value - 1]
    if isinstance(value, float):
        small = max(1e-6 * abs(value), 1e-9)
        return [value + small, value - small]
    if isinstance(value, str):
        return [value + "x", value[1:] or "x"]
    return [0] if value is None else [[0] if value == [] else {"x": 0}]


def edits(value, path=(), limit=3):
    """Keys of everything inside; of long lists and objects the first few."""
    inside = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, item in inside if limit is None or path == () else inside[: max(limit, 25)]:
        yield (*path, key)
        if isinstance(item, (dict, list)):
            several = isinstance(item, list) or key == "kl_by_group"
            yield from edits(cut(item, limit) if several else item, (*path, key), limit)


def cut(items, limit):
    return dict(list(items.items())[:limit]) if isinstance(items, dict) else items[:limit]


def at(document, keys):
    for key in keys:
        document = document[key]
    return document


def dotted(keys):
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


def tampered(document, keys, value):
    changed = copy.deepcopy(document)
    at(changed, keys[:-1])[keys[-1]] = value
    return changed


def names(report):
    return {name for f in report.findings for name in (f.field, *f.depends_on)}


def test_unchecked_fields_are_those_listed(case):
    document, free = case
    found = {kind_of(path) for path in verify(document).unchecked}
    assert found <= ALWAYS_FREE | free
    assert free - PAIRS <= found


def test_every_other_field_is_found_out(case):
    document, _ = case
    unchecked = set(verify(document).unchecked)
    tried = 0
    for keys in edits(document):
        value = at(document, keys)
        if (isinstance(value, (dict, list)) and value) or dotted(keys) in unchecked:
            continue
        for other in others(value):
            report = verify(tampered(document, keys, other))
            assert report.findings, (keys, value, other)
            assert any(kin(dotted(keys), name) for name in names(report)), (keys, names(report))
            tried += 1
    assert tried > 100


def kin(path, name):
    """Whether one is the other or contains it."""
    return name == path or path.startswith((f"{name}.", f"{name}[")) or name.startswith(path)


def test_keys_removed_or_added_and_items_dropped_are_found_out(case):
    document, _ = case
    unchecked = {kind_of(path) for path in verify(document).unchecked}
    for keys in [(), *edits(document, limit=1)]:
        value = at(document, keys)
        if isinstance(value, dict):
            added = copy.deepcopy(document)
            at(added, keys)["x"] = 0.5
            if keys != ("environment", "packages"):
                assert verify(added).findings, keys
        if not keys or keys[:2] == ("environment", "packages"):
            continue
        removed = copy.deepcopy(document)
        del at(removed, keys[:-1])[keys[-1]]
        if kind_of(dotted(keys)) not in unchecked or isinstance(keys[-1], str):
            assert verify(removed).findings, keys


def test_needed_assumptions_cannot_be_left_out(case):
    document, _ = case
    for place, sentence in enumerate(document["assumptions"]):
        if sentence.startswith("The posterior's noise was added inside"):
            continue
        changed = copy.deepcopy(document)
        del changed["assumptions"][place]
        assert names(verify(changed)) >= {"assumptions"}, sentence


def test_a_bound_below_the_truth_is_named_with_the_truth():
    document, _ = DOCUMENTS["made 0-1"]
    stratum = document["strata"][0]
    bound = stratum["bounds"]["seeger_maurer"]
    changed = copy.deepcopy(document)
    changed["strata"][0]["bounds"]["seeger_maurer"] = bound * (1 - 1e-13)
    changed["strata"][0]["risk_bound"][1] = bound * (1 - 1e-13)
    (finding,) = verify(changed).findings
    assert finding.field == "strata[0].bounds.seeger_maurer"
    assert float(finding.recomputed.removeprefix("at least ")) == pytest.approx(bound, rel=1e-12)


def test_values_that_are_consistent_but_overspend_are_found_out():
    document, _ = DOCUMENTS["made 0-1"]
    changed = copy.deepcopy(document)
    entries = changed["delta"]["ledger"]
    assert json.dumps(entries)
    entries.append({"event": "a further event", "delta": 1e-9})
    assert {f.field for f in verify(changed).findings} >= {"delta.ledger", "delta.total"}


def test_leaves_are_all_that_has_nothing_inside():
    found = dict(leaves({"a": [1, {"b": {}}], "c": [], "d": {"e": None}}))
    assert found == {"a[0]": 1, "a[1].b": {}, "c": [], "d.e": None}
