import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.data import Message, Record, read_jsonl, sha256_of
from pacbayes.errors import InputError

GOOD = '{"prompt": "2+3=", "completion": "5"}'


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "data.jsonl"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def only(folder: Path, content: str | bytes) -> Record:
    (record,) = read_jsonl(write(folder, content))
    return record


def test_reads_the_three_forms(tmp_path):
    turns = [{"role": "user", "content": ""}, {"role": "assistant", "content": "yes"}]
    lines = [GOOD, json.dumps({"messages": turns}), '{"text": "once"}']
    path = write(tmp_path, "\n".join(lines))
    assert read_jsonl(path) == [
        Record(prompt="2+3=", completion="5", path=str(path), line=1),
        Record(messages=(Message("user", ""), Message("assistant", "yes")), path=str(path), line=2),
        Record(text="once", path=str(path), line=3),
    ]


def test_bom_crlf_blank_lines_and_foreign_line_ends(tmp_path):
    content = b'\xef\xbb\xbf\r\n{"text": "a\xe2\x80\xa8b"}\r\n  \r\n{"text": "c"}'
    records = read_jsonl(write(tmp_path, content))
    assert [(r.line, r.text) for r in records] == [(2, "a\u2028b"), (4, "c")]


def test_bom_before_the_first_record(tmp_path):
    assert only(tmp_path, b"\xef\xbb\xbf" + GOOD.encode()).completion == "5"


def test_optional_fields(tmp_path):
    record = only(
        tmp_path,
        '{"text": "a", "difficulty": 3, "stratum": 2, "group": 7.0, "id": "x", "level": "any"}',
    )
    assert (record.difficulty, record.stratum, record.group, record.id) == (3.0, "2", "7", "x")
    assert isinstance(record.difficulty, float)


def test_null_counts_as_absent(tmp_path):
    record = only(tmp_path, '{"text": "a", "messages": null, "difficulty": null, "group": null}')
    assert (record.text, record.difficulty, record.group) == ("a", None, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"text": "\xff"}', r"invalid UTF-8 at byte 11"),
        ('{"text": "a"', r"malformed JSON: .* column"),
        ('[{"text": "a"}]', "must be a JSON object, got a list"),
        ("7", "got a number"),
        ("null", "got null"),
        ("true", "got true or false"),
        ('{"text": "a"} {"text": "b"}', "malformed JSON: Extra data"),
        ('{"text": "a", "difficulty": NaN}', "NaN is not JSON"),
        ('{"text": "a", "x": [-Infinity]}', "-Infinity is not JSON"),
        ('{"text": "a", "difficulty": 1e999}', "has a number that is too large for a float"),
        ('{"text": "a", "difficulty": 1' + "0" * 400 + "}", "`difficulty` must be finite"),
        ('{"text": "a", "x": ' + "9" * 5000 + "}", "malformed JSON: Exceeds the limit"),
        ('{"text": "a", "text": "b"}', "duplicate key 'text'"),
        ('{"text": "a", "x": {"y": 1, "y": 2}}', "duplicate key 'y'"),
        ("{}", "unknown form"),
        ('{"question": "a", "answer": "b"}', r"unknown form.*\['answer', 'question'\]"),
        ('{"text": "a", "prompt": "b", "completion": "c"}', "two forms .*prompt and text"),
        ('{"text": "a", "messages": []}', "two forms"),
        ('{"prompt": "a"}', "record without completion; the usual mistake"),
        ('{"prompt": "a", "completion": null}', "record without completion"),
        ('{"prompt": "a", "completion": ""}', "empty completion"),
        ('{"prompt": "a", "completion": " \\n"}', "empty completion"),
        ('{"completion": "a"}', "record without prompt"),
        ('{"text": ""}', "empty text"),
        ('{"prompt": 1, "completion": "a"}', "`prompt` must be a string, got a number"),
        ('{"prompt": [], "completion": "a"}', "got a list; turns of a conversation go into"),
        ('{"text": "\\ud800"}', "half of a surrogate pair"),
        ('{"text": "a", "difficulty": "3"}', "`difficulty` must be a number, got a string"),
        ('{"text": "a", "difficulty": true}', "`difficulty` must be a number, got true or false"),
        ('{"text": "a", "group": [1]}', "`group` must be a string, got a list"),
        ('{"text": "a", "group": false}', "`group` must be a string"),
        ('{"text": "a", "stratum": ""}', "`stratum` must not be empty"),
        ('{"messages": {}}', "`messages` must be a list, got an object"),
        ('{"messages": []}', "record without completion: `messages` has no assistant turn"),
        ('{"messages": ["hi"]}', "a message must be an object"),
        ('{"messages": [{"role": "user"}]}', "message without content"),
        ('{"messages": [{"content": "a"}]}', "message without role"),
        ('{"messages": [{"role": "assistant", "content": ""}]}', "empty content"),
        ('{"messages": [{"role": "assistant", "content": "a", "x": 1}]}', r"also has \['x'\]"),
    ],
)
def test_bad_line_names_file_and_line(tmp_path, line, message):
    raw = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, GOOD.encode() + b"\n\n" + raw + b"\n")
    with pytest.raises(InputError, match=message) as caught:
        read_jsonl(path)
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "\n" not in str(caught.value)


def test_deep_nesting(tmp_path):
    depth = 50 * sys.getrecursionlimit()
    with pytest.raises(InputError, match=r":1: malformed JSON: nested too deeply"):
        read_jsonl(write(tmp_path, '{"text": ' + "[" * depth + "]" * depth + "}"))


@pytest.mark.parametrize("content", ["", "\n \n", b"\xef\xbb\xbf"])
def test_empty_file(tmp_path, content):
    with pytest.raises(InputError, match=r"data\.jsonl: no records"):
        read_jsonl(write(tmp_path, content))


@pytest.mark.parametrize("read", [read_jsonl, sha256_of])
def test_missing_file_and_folder(tmp_path, read):
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read(write(tmp_path, "") / "below")


def test_utf16_is_refused(tmp_path):
    with pytest.raises(InputError, match="invalid UTF-8"):
        read_jsonl(write(tmp_path, GOOD.encode("utf-16")))


def test_sha256(tmp_path):
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert sha256_of(write(tmp_path, "abc")) == digest


filled = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"prompt": st.text(st.characters(codec="utf-8")), "completion": filled},
            optional={
                "difficulty": st.floats(-1e100, 1e100),
                "group": st.text(st.characters(codec="utf-8"), min_size=1),
            },
        ),
        min_size=1,
    ),
    st.booleans(),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_round_trip(tmp_path_factory, raw, ascii_only):
    content = "\n".join(json.dumps(item, ensure_ascii=ascii_only) for item in raw)
    path = write(tmp_path_factory.mktemp("round"), content)
    fields = ("prompt", "completion", "difficulty", "group")
    assert [[getattr(r, f) for f in fields] for r in read_jsonl(path)] == [
        [item.get(f) for f in fields] for item in raw
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('{"k": 3, "m": 8}', (3, 8)),
        ('{"k": 9, "m": 8}', None),
        ('{"k": 0, "m": 0}', None),
        ('{"k": true, "m": 1}', None),
        ('{"k": 0.5, "m": 1}', None),
        ("0.5", None),
        ("null", None),
    ],
)
def test_pass_rate(tmp_path, written, read):
    path = tmp_path / "d.jsonl"
    path.write_text(f'{{"text": "a", "pass_rate": {written}}}')
    assert read_jsonl(path)[0].pass_rate == read
