"""The JSON Schema files say what the dataclasses say."""

import copy
import dataclasses
import inspect
import json
import random
import re
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import pytest

from pacbayes.certificate import Certificate
from pacbayes.errors import InputError
from pacbayes.plan import Plan
from pacbayes.schemas import NAMES, problems, schema
from tests.plans import hand_made_plan
from tests.verify.making import make_certificate

ROOTS = {"certificate": Certificate, "plan": Plan}
TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
STORED = sorted((Path(__file__).parents[1] / "verify" / "certificates").glob("*.json"))


def fields_of(kind):
    hints = get_type_hints(kind)
    return {k: hint for k, hint in hints.items() if get_origin(hint) is not ClassVar}


def described(kind):
    """What the Attributes of a docstring say of each field, in one line."""
    section = inspect.getdoc(kind).partition("Attributes:\n")[2]
    entries, name = {}, None
    for line in section.splitlines():
        first = re.match(r"    (\w+): (.*)", line)
        if first:
            name = first[1]
            entries[name] = first[2]
        elif line.startswith("        ") and name:
            entries[name] += f" {line.strip()}"
        elif line.strip():
            break
    return entries


def expected(hint, rules, whole):
    """Whether rules take the values of an annotation, as far as types go."""
    if hint is Any:
        return True
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return rules["$ref"] == f"#/$defs/{hint.__name__}"
    if origin is UnionType:
        if "anyOf" in rules:
            return rules["anyOf"][1] == {"type": "null"} and expected(
                args[0], rules["anyOf"][0], whole
            )
        return rules["type"] == [TYPES[args[0]], "null"]
    if origin is Literal:
        return rules["enum"] == list(args)
    if origin is tuple:
        fixed = args[-1] is not ...
        sizes = not fixed or (rules["minItems"], rules["maxItems"]) == (len(args), len(args))
        return rules["type"] == "array" and sizes and expected(args[0], rules["items"], whole)
    if origin is dict:
        inside = rules.get("additionalProperties", {})
        return rules["type"] == "object" and expected(args[1], inside, whole)
    return rules["type"] == TYPES[hint]


def check(kind, rules, whole, seen):
    assert (rules["type"], rules["additionalProperties"]) == ("object", False)
    assert list(rules["properties"]) == rules["required"] == list(fields_of(kind))
    texts = described(kind)
    for name, hint in fields_of(kind).items():
        found = rules["properties"][name]
        assert found["description"] == texts[name], (kind, name)
        if name == "schema":
            assert found["const"] == kind.schema
            continue
        assert expected(hint, found, whole), (kind, name, found)
        for inner in dataclasses_in(hint):
            if inner not in seen:
                seen.add(inner)
                check(inner, whole["$defs"][inner.__name__], whole, seen)


def dataclasses_in(hint):
    if dataclasses.is_dataclass(hint):
        yield hint
    for inner in get_args(hint):
        yield from dataclasses_in(inner)


@pytest.mark.parametrize("name", NAMES)
def test_the_files_agree_with_the_dataclasses(name):
    whole, seen = schema(name), set()
    check(ROOTS[name], whole, whole, seen)
    assert {kind.__name__ for kind in seen} == set(whole["$defs"])


def documents():
    yield "plan", hand_made_plan().to_dict()
    yield "certificate", make_certificate([40, 50]).to_dict()
    yield "certificate", make_certificate([40], graded=True).to_dict()
    for path in STORED:
        yield "certificate", json.loads(path.read_text())


DOCUMENTS = list(documents())
ALL = DOCUMENTS + [("statements", document) for name, document in DOCUMENTS if name != "plan"]


@pytest.mark.parametrize(("name", "document"), ALL)
def test_documents_validate(name, document):
    assert list(problems(document, name)) == []


@pytest.mark.parametrize(("name", "document"), ALL)
def test_the_check_is_that_of_json_schema(name, document):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema(name))
    validator = jsonschema.Draft202012Validator(schema(name))
    assert validator.is_valid(document)
    places = list(walk(document))
    for keys, value in random.Random(0).sample(places, min(20, len(places))):
        for other in (None, True, "x", -1, [0.1, 0.2]):
            changed = copy.deepcopy(document)
            place = changed
            for key in keys[:-1]:
                place = place[key]
            place[keys[-1]] = other
            found = not list(problems(changed, name))
            assert found == validator.is_valid(changed), (keys, value, other)


def walk(value, path=()):
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in inside:
        yield (*path, key), item
        if isinstance(item, (dict, list)):
            yield from walk(item[:1] if isinstance(item, list) else item, (*path, key))


@pytest.mark.parametrize(("name", "document"), DOCUMENTS)
def test_what_the_schema_refuses_the_dataclasses_refuse(name, document):
    refused, places = 0, list(walk(document))
    for keys, _ in random.Random(1).sample(places, min(60, len(places))):
        for other in ("x", -1.5, []):
            changed = copy.deepcopy(document)
            place = changed
            for key in keys[:-1]:
                place = place[key]
            place[keys[-1]] = other
            if next(problems(changed, name), None) is None:
                continue
            with pytest.raises(InputError, match="`"):
                ROOTS[name].from_dict(changed)
            refused += 1
    assert refused > 30


def test_unknown_keywords_are_no_free_pass(monkeypatch):
    monkeypatch.setattr("pacbayes.schemas.schema", lambda _: {"$defs": {}, "multipleOf": 2})
    with pytest.raises(NotImplementedError, match="multipleOf"):
        list(problems(3, "plan"))
