"""Attacks on model folders: weights, configurations, tokenizers, and all that is beside them."""

from __future__ import annotations

import json
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.fuzzing import model_folders as made
from benchmarks.fuzzing.binary_mutation import spoil_safetensors
from benchmarks.fuzzing.mutation import spoil, spoil_bytes
from benchmarks.fuzzing.stored_targets import STORED_TARGETS
from benchmarks.fuzzing.target import Target
from benchmarks.fuzzing.verifier_targets import VERIFIER_TARGETS
from pacbayes.data.encode import encode
from pacbayes.data.records import Message, Record
from pacbayes.models import folder as folders
from pacbayes.models.adapter import base_folder_of, read_adapter
from pacbayes.models.loading import (
    OpenOptions,
    load_model,
    read_tokenizer,
    suggested_sigmas,
)
from pacbayes.models.model_config import check_config, check_no_code
from pacbayes.models.plain import open_plain
from pacbayes.verify.inputs.tensors import identity

_ADAPTER, _FULL = folders.ADAPTER_CONFIG, folders.FULL_CONFIG
_WEIGHTS = {_ADAPTER: "adapter_model.safetensors", _FULL: "model.safetensors"}
_PLAIN_MODEL = b'{"model_type": "llama"}'


def _folder(place: Path, files: Mapping[str, bytes], name: str, content: bytes) -> Path:
    """A folder that holds these files and the content."""
    folder = place / "folder"
    if not folder.is_dir():
        folder.mkdir()
        for other, held in files.items():
            (folder / other).write_bytes(held)
    (folder / name).write_bytes(content)
    return folder


# Weights


def _read_full(place: Path, content: bytes) -> None:
    files = {_FULL: _PLAIN_MODEL}
    folders.read_tensors(_folder(place, files, _WEIGHTS[_FULL], content))


def _read_adapter(name: str, place: Path, content: bytes) -> None:
    files = {
        _ADAPTER: made.adapter_config(),
        _WEIGHTS[_ADAPTER]: made.safetensors(made.factors()),
    }
    folder = _folder(place, files, name, content)
    (folder / "base").mkdir(exist_ok=True)
    (folder / "base" / _FULL).write_bytes(_PLAIN_MODEL)
    options = OpenOptions(checkpoint=folder)
    config, tensors = read_adapter(options)
    base_folder_of(config, options)
    suggested_sigmas(folder, tensors)


_read_factors = partial(_read_adapter, _WEIGHTS[_ADAPTER])


def _adapter_configs(_: Path) -> list[bytes]:
    return [made.adapter_config(), *(made.adapter_config(**c) for c in made.HOSTILE_ADAPTERS)]


def _with_peft(place: Path) -> list[bytes]:
    """After the import of the library, which takes seconds."""
    import peft  # noqa: F401

    made.model_files()
    return _adapter_configs(place)


def _open_adapter(place: Path, content: bytes) -> None:
    """The whole way, with the libraries that build the model."""
    folder = _folder(place, {_WEIGHTS[_ADAPTER]: made.adapter_weights()}, _ADAPTER, content)
    base = place / "base"
    if not base.is_dir():
        base.mkdir()
        for name, held in made.model_files().items():
            (base / name).write_bytes(held)
    with _libraries():
        open_plain(OpenOptions(checkpoint=folder, base=base))


@contextmanager
def _libraries() -> Iterator[None]:
    """A context in which libraries may warn, as they do of much that is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _notes(_: Path) -> list[bytes]:
    sigmas = dict.fromkeys(made.factors(), 0.1)
    return [json.dumps({"initial_adapter": "../x", "sigma_posterior": sigmas}).encode()]


def _shards(_: Path) -> list[bytes]:
    first, second = "model-1.safetensors", "model-2.safetensors"
    names = list(made.factors())
    good = {name: (first, second)[i > 1] for i, name in enumerate(names)}
    odd = (
        "../x",
        "/etc/passwd",
        "..",
        ".",
        "",
        "model-3.safetensors",
        "\0",
        "x" * 300,
        "config.json",
    )
    maps = [good, *(good | {names[0]: name} for name in odd)]
    return [json.dumps({"metadata": {"total_size": 9}, "weight_map": m}).encode() for m in maps]


def _sharded(place: Path, content: bytes) -> Path:
    tensors = list(made.factors().items())
    files = {
        _FULL: _PLAIN_MODEL,
        "model-1.safetensors": made.safetensors(dict(tensors[:2])),
        "model-2.safetensors": made.safetensors(dict(tensors[2:])),
    }
    return _folder(place, files, "model.safetensors.index.json", content)


def _pickles(place: Path) -> list[bytes]:
    return list(made.pickles(_mark(place)))


def _mark(place: Path) -> Path:
    return place.parent / "pacbayes-bomb"


def _read_pickle(place: Path, content: bytes) -> None:
    folder = _folder(place, {_FULL: _PLAIN_MODEL}, "pytorch_model.bin", content)
    try:
        folders.read_tensors(folder, allow_pickle=True)
    finally:
        if _mark(place).exists():
            _mark(place).rmdir()
            raise RuntimeError("a pickle ran code")


# Models and tokenizers


def _model_configs(_: Path) -> list[bytes]:
    plain = json.loads(made.model_files()[_FULL])
    return [json.dumps(plain | change).encode() for change in ({}, *made.HOSTILE_MODELS)]


def _check_model(place: Path, content: bytes) -> None:
    folder = _folder(place, {}, _FULL, content)
    check_no_code(folder)
    check_config(folders.read_json(folder / _FULL, constants=True), made.factors(), folder)


def _check_generation(place: Path, content: bytes) -> None:
    check_no_code(_folder(place, {_FULL: _PLAIN_MODEL}, "generation_config.json", content))


def _load_model(place: Path, content: bytes) -> None:
    folder = _folder(place, made.model_files(), _FULL, content)
    with _libraries():
        load_model(folder, OpenOptions(checkpoint=folder))


def _part(name: str) -> Callable[[Path], list[bytes]]:
    return lambda _: [made.model_files()[name]]


def _load_tokenizer(name: str, place: Path, content: bytes) -> None:
    with _libraries():
        tokenizer = read_tokenizer(_folder(place, made.model_files(), name, content))
        encode(_RECORDS[0], tokenizer, max_length=1000)


_RECORDS = (
    Record(path="d.jsonl", line=1, prompt="a=1;a?", completion="1"),
    Record(
        path="d.jsonl",
        line=2,
        messages=(Message(role="user", content="a?"), Message(role="assistant", content="1")),
    ),
)
_HOSTILE_TEMPLATES = (
    "{% for m in messages %} {{ m['role'] }} : {{ m['content'] }} ; {% endfor %} "
    "{% if add_generation_prompt %} assistant : {% endif %}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__init__.__globals__ }}",
    "{% for i in range(10**9) %} x {% endfor %}",
    "{{ cycler.__init__.__globals__.os.system('true') }}",
    "{% macro f() %} {{ f() }} {% endmacro %} {{ f() }}",
    "{% include '/etc/passwd' %}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ lipsum(n=1) }} {{ dict.mro() }} {% set x = messages.append(1) %}",
)


def _templates(_: Path) -> list[bytes]:
    made.model_files()  # an import that takes too long must not be cut off
    return [template.encode() for template in _HOSTILE_TEMPLATES]


def _render(place: Path, content: bytes) -> None:
    folder = _folder(place, made.model_files(), "config.json", made.model_files()[_FULL])
    tokenizer = _KNOWN.get(folder) or _KNOWN.setdefault(folder, read_tokenizer(folder))
    tokenizer.chat_template = content.decode("utf-8", "replace")
    encode(_RECORDS[1], tokenizer, max_length=1000)


_KNOWN: dict[Path, Any] = {}


def _target(
    name: str, seeds: Any, read: Any, change: Callable[[random.Random, bytes], bytes] = spoil
) -> Target:
    return Target(name=name, seeds=seeds, spoil=change, read=read)


_ALL = (
    _target("model-weights", made.weights, _read_full, spoil_safetensors),
    _target(
        "adapter-weights",
        made.weights,
        partial(_read_adapter, _WEIGHTS[_ADAPTER]),
        spoil_safetensors,
    ),
    _target("shard-index", _shards, lambda place, b: folders.read_tensors(_sharded(place, b))),
    _target("pickled-weights", _pickles, _read_pickle, spoil_bytes),
    _target("adapter-config", _adapter_configs, partial(_read_adapter, _ADAPTER)),
    _target("adapter-notes", _notes, partial(_read_adapter, "pacbayes.json")),
    _target("adapter-folder", _with_peft, _open_adapter),
    _target("model-config", _model_configs, _check_model),
    _target("model-folder", _model_configs, _load_model),
    _target("generation-config", _part("generation_config.json"), _check_generation),
    _target("tokenizer", _part("tokenizer.json"), partial(_load_tokenizer, "tokenizer.json")),
    _target(
        "tokenizer-config",
        _part("tokenizer_config.json"),
        partial(_load_tokenizer, "tokenizer_config.json"),
    ),
    _target("chat-template", _templates, _render, made.spoil_text),
    _target("verify-index", _shards, lambda place, b: identity(_sharded(place, b))),
    *STORED_TARGETS,
    *VERIFIER_TARGETS,
)

MODEL_TARGETS: Mapping[str, Target] = MappingProxyType({target.name: target for target in _ALL})
"""The attacks by name."""
