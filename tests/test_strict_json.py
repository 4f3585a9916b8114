import sys

import pytest

from pacbayes.strict_json import JsonError, parse


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "malformed JSON: Expecting value at column 1"),
        ('{\n"a": }', "malformed JSON: Expecting value at line 2"),
        ("[NaN]", "NaN is not JSON"),
        ('{"a": 1, "a": 1}', "duplicate key 'a'"),
        ("9" * 5000, "Exceeds the limit"),
        ("[" * 50 * sys.getrecursionlimit(), "nested too deeply"),
    ],
)
def test_refuses(text, message):
    with pytest.raises(JsonError, match=message):
        parse(text)


def test_floats_keep_all_bits():
    assert parse("[0.1, 5e-324, -0.0]") == [0.1, 5e-324, -0.0]
