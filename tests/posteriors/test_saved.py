"""What `load` refuses. That it gives back what was saved is in the suite of `conformance`."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pacbayes.errors import InputError
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.saved import load, save
from tests.posteriors.conformance import SHAPES, numbers, tensors

LOW_RANK = LowRank(
    means=tensors(1),
    groups={"matrices": ("w", "v"), "vectors": ("b",)},
    scales=numbers(0.1),
    factors={name: torch.zeros(1, *shape) for name, shape in SHAPES.items()},
)


@pytest.fixture
def path(tmp_path):
    save(LOW_RANK, tmp_path / "q.safetensors")
    return tmp_path / "q.safetensors"


def rewrite(path, change):
    """Writes the file again after `change(tensors, outline)`."""
    with safe_open(path, framework="pt") as file:
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        outline = json.loads(file.metadata()["pacbayes"])
    change(held, outline)
    save_file(held, path, metadata={"pacbayes": json.dumps(outline)})


def put(name, value):
    return lambda held, outline: held.update({name: value})


def note(name, value):
    return lambda held, outline: outline.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held, outline: held.pop("means/b"), "lacks the tensor 'means/b'"),
        (put("means/x", torch.ones(1)), "holds 'means/x', which this family does not have"),
        (put("scale", torch.ones(())), "holds 'scale', which"),
        (put("means/b", torch.tensor([1.0, torch.nan])), "`means`: 'b' must be finite"),
        (put("factors/b", torch.full((1, 2), torch.inf)), "`factors`: 'b' must be finite"),
        (put("scales/b", torch.tensor(-1.0)), "`scales`: 'b' must be positive, got -1.0"),
        (put("scales/b", torch.ones(3)), r"`scales`: 'b' must have the shape \[\] or \[2\]"),
        (put("scales/b", torch.tensor(1)), "`scales`: 'b' must be of floating point"),
        (put("means/b", torch.tensor([1, 2])), "`means`: 'b' must be of floating point"),
        (note("family", "swag"), "no posterior family named `swag`"),
        (note("family", None), "no posterior family named `None`"),
        (note("schema", "pacbayes.posterior/9"), "no saved posterior of the schema"),
        (note("means", ["w", "b", "v", "v"]), "`means` must list different names"),
        (note("means", "wbv"), "`means` must list different names"),
        (note("scales", None), "`scales` must list different names"),
        (note("scales", ["w", "b"]), r"holds 'scales/v', which"),
        (note("groups", [["w"]]), "`groups` must be an object"),
        (note("groups", {"g": ["w", 1]}), "`groups` must list different names"),
        (note("groups", {"g": ["w", "b"]}), "the tensor 'v' is in no group"),
        (note("extra", 1), "holds 'extra', which"),
    ],
)
def test_anything_else_is_refused(path, change, message):
    rewrite(path, change)
    with pytest.raises(InputError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_such_file_is_refused(path, tmp_path):
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="cannot be read as a saved posterior"):
        load(path)
    with pytest.raises(InputError, match="cannot be read as a saved posterior"):
        load(tmp_path / "absent.safetensors")
    save_file({"means/w": torch.ones(2)}, path)
    with pytest.raises(InputError, match="is no saved posterior"):
        load(path)
    save_file({"means/w": torch.ones(2)}, path, metadata={"pacbayes": "{"})
    with pytest.raises(InputError, match="its metadata are damaged: malformed JSON"):
        load(path)


def test_a_singular_factor_is_refused(tmp_path):
    eye = torch.eye(2)
    made = Kronecker(means={"w": eye}, rows={"w": eye}, columns={"w": 0 * eye + 1}, scales={})
    save(made, tmp_path / "q.safetensors")
    with pytest.raises(InputError, match=r"`columns`: 'w' is singular to working precision"):
        load(tmp_path / "q.safetensors")


def test_views_are_saved_as_what_they_show(tmp_path):
    """Tensors that share memory, are transposed, or expanded."""
    whole = torch.arange(6.0).reshape(2, 3)
    means = {"a": whole, "b": whole.T, "c": whole[:, :1].expand(2, 4)}
    save(Isotropic(means=means, scale=torch.tensor(1.0)), tmp_path / "q.safetensors")
    back = load(tmp_path / "q.safetensors")
    assert all(torch.equal(back.means[name], mean) for name, mean in means.items())


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "q.safetensors", tmp_path):
        with pytest.raises(InputError, match="cannot be written"):
            save(LOW_RANK, place)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
