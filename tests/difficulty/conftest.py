import json

import pytest

from pacbayes.difficulty import Item


@pytest.fixture
def write(tmp_path):
    """Writes objects, one a line, and gives the file."""

    def write(*objects, name="data.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(value) + "\n" for value in objects))
        return path

    return write


def items(*objects):
    return [Item(fields=value, path="f.jsonl", line=i) for i, value in enumerate(objects, 1)]


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]
