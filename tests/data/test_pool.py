import json

import numpy as np
import pytest

from pacbayes.data.pool import read_pool
from pacbayes.errors import InputError


def write(path, records, end="\n"):
    path.write_bytes(b"".join(json.dumps(r).encode() + end.encode() for r in records))
    return path


def test_columns(tmp_path):
    path = write(
        tmp_path / "p.jsonl",
        [
            {"text": "a", "difficulty": 2, "group": "g", "level": "L1"},
            {"text": "b"},
            {"text": "A ", "difficulty": 4, "group": "g", "level": "L1"},
            {"text": "c", "difficulty": 1, "group": "0", "level": "L2"},
        ],
    )
    pool = read_pool(path, stratum_field="level")
    assert pool.units.tolist() == [0, 1, 0, 2]
    assert (pool.n_records, pool.n_units) == (4, 3)
    np.testing.assert_array_equal(pool.unit_difficulties, [3, np.nan, 1])
    assert pool.labels.tolist() == [0, -1, 0, 1]
    assert pool.label_names == ("L1", "L2")
    assert pool.texts[0] == pool.texts[2] != pool.texts[1]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_come_back_byte_for_byte(tmp_path, end):
    """After a byte-order mark, blank lines, U+2028 and a last line without end."""
    lines = [b'{"text":  "a"}', '{"text": "\u2028é"}'.encode(), b'  {"text": "c"}']
    path = tmp_path / "p.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + (end.encode() * 2).join(lines))
    pool = read_pool(path)
    assert pool.lines.tolist() == [1, 3, 5]
    ends = [end.encode(), end.encode(), b"\n"]
    whole = [line + e for line, e in zip(lines, ends, strict=True)]
    assert list(pool.lines_of([2, 0, 1])) == [whole[2], whole[0], whole[1]]


def test_a_changed_file_is_noticed(tmp_path):
    path = write(tmp_path / "p.jsonl", [{"text": "a"}])
    pool = read_pool(path)
    write(path, [{"text": "b"}, {"text": "c"}])
    with pytest.raises(InputError, match=r"p\.jsonl: was changed while it was read"):
        list(pool.lines_of([0]))
    path.unlink()
    with pytest.raises(InputError, match=r"p\.jsonl: no such file"):
        list(pool.lines_of([0]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("\n\n", "no records; the file is empty"),
        ('{"text": "a"}\n{"text": ', "p.jsonl:2: malformed JSON"),
        ('{"question": "a"}', "p.jsonl:1: unknown form"),
        ('{"text": "a", "difficulty": "3"}', "p.jsonl:1: `difficulty` must be a number"),
    ],
)
def test_bad_pools(tmp_path, content, message):
    path = tmp_path / "p.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_pool(path)
    with pytest.raises(InputError, match="no such file"):
        read_pool(tmp_path / "no.jsonl")
