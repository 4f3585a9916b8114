"""Model folders that want more than to be read: each is refused in one line, and nothing is run."""

import json
import os
import pickle
import shutil
import struct
from contextlib import suppress

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.fuzzing.model_folders import Bomb
from pacbayes.errors import InputError
from pacbayes.models import folder as folders
from pacbayes.models.adapter_config import is_plain_pattern
from pacbayes.models.loading import OpenOptions, read_tokenizer
from pacbayes.models.plain import open_plain


@pytest.fixture
def copy(checkpoints, tmp_path):
    """Copies of the base and the adapter, free to be damaged."""
    for name in ("base", "adapter"):
        shutil.copytree(checkpoints / name, tmp_path / "c" / name)
    return tmp_path / "c"


def refused(folder, message, **options):
    with pytest.raises(InputError, match=message) as caught:
        open_plain(OpenOptions(checkpoint=folder, **options))
    assert str(caught.value).isprintable()


def configure(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "never run: `auto_map` is"),
        ({"text_config": {"auto_map": "evil.C"}}, "never run: `auto_map` is 'evil.C'"),
        ({"attn_implementation": "evil/kernel"}, "never run: `attn_implementation` is 'evil/ker"),
        ({"transformers_weights": "../x"}, "`transformers_weights` names another file"),
        ({"model_type": ["llama"]}, "`model_type` must be the name of a kind of model"),
        ({"model_type": "evil"}, "cannot be loaded .*model type `evil`"),
        ({"hidden_size": 10**12}, r"a model of \d{15,} weights, but its files hold \d{4,5};"),
        ({"vocab_size": 10**10}, r"a model of \d{12} weights, but its files hold"),
        (
            {"num_hidden_layers": 10**9},
            "`num_hidden_layers` is 10+, but the weights have 21",
        ),
        ({"model_type": "mixtral", "intermediate_size": 10**8}, "a model of .* weights, but"),
        ({"num_attention_heads": 0}, "cannot be loaded"),
        ({"hidden_act": "\x1b[2J\n"}, r"cannot be loaded \('\\x1b\[2J\\n"),
    ],
)
def test_model_configs(copy, values, message):
    configure(copy / "base" / "config.json", **values)
    refused(copy / "base", message)


def test_code_beside_a_model_is_not_run(copy, tmp_path):
    mark = tmp_path / "mark"
    evil = f"import os\nos.mkdir({str(mark)!r})\nclass Model: pass\nTok = generate = Model\n"
    base = copy / "base"
    (base / "evil.py").write_text(evil)
    (base / "custom_generate").mkdir()
    (base / "custom_generate" / "generate.py").write_text(evil)
    (base / "training_args.bin").write_bytes(pickle.dumps(Bomb(mark)))
    open_plain(OpenOptions(checkpoint=base))  # nothing asks for it
    for name, kind in (("tokenizer_config.json", "AutoTokenizer"), ("config.json", "AutoModel")):
        before = (base / name).read_text()
        configure(base / name, auto_map={kind: ["evil.Tok", None]})
        refused(base, rf"{name}: needs code from its own folder or from a hub")
        (base / name).write_text(before)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["base", "adapter"])
def test_a_pickle_does_not_run_its_code(copy, tmp_path, name):
    folder, mark = copy / name, tmp_path / "mark"
    (weights,) = folder.glob("*.safetensors")
    weights.unlink()
    pickled = folder / ("pytorch_model.bin" if name == "base" else "adapter_model.bin")
    pickled.write_bytes(pickle.dumps({"a": Bomb(mark)}))
    refused(folder, "is a pickle, which can run code when it is read")
    refused(folder, "cannot be read as a file of weights", allow_pickle=True)
    torch.save({"a": Bomb(mark)}, pickled)
    refused(folder, "cannot be read as a file of weights", allow_pickle=True)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.exists()  # the bomb is one


def damaged(header, numbers=bytes(16), length=None):
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + numbers


def entry(first, last, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [first, last]}


TWICE = b'{"a":%s,"a":%s}' % ((json.dumps(entry(0, 8)).encode(),) * 2)
BAD_WEIGHTS = {
    "empty": b"",
    "overlap": damaged({"a": entry(0, 8), "b": entry(4, 12)}),
    "gap": damaged({"a": entry(0, 8), "b": entry(12, 20)}),
    "rest": damaged({"a": entry(0, 8)}),
    "negative": damaged({"a": entry(-8, 0)}),
    "beyond": damaged({"a": entry(0, 800, (200,))}),
    "shape": damaged({"a": entry(0, 16, (3,))}),
    "huge shape": damaged({"a": entry(0, 16, (2**62, 2**62))}),
    "kind": damaged({"a": entry(0, 16, (2,), "F99")}),
    "twice": damaged(TWICE, bytes(8)),
    "not UTF-8": damaged(b'{"\xff":1}'),
    "long header": damaged({"a": entry(0, 16, (4,))}, length=2**40),
    "longest header": damaged({"a": entry(0, 16, (4,))}, length=2**64 - 1),
}


@pytest.mark.parametrize("name", BAD_WEIGHTS)
def test_damaged_weights(copy, name):
    (copy / "base" / "model.safetensors").write_bytes(BAD_WEIGHTS[name])
    refused(copy / "base", "model.safetensors: cannot be read as safetensors; .* truncated or dam")


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(copy, value):
    path = copy / "base" / "model.safetensors"
    tensors = load_file(path)
    tensors["model.norm.weight"][3] = value
    for kind in (torch.float32, torch.float8_e5m2):
        save_file({k: v.to(kind) for k, v in tensors.items()}, path, {"format": "pt"})
        refused(copy / "base", r"the tensor 'model\.norm\.weight' holds NaN or infinity")
    save_file({k: v.to(torch.complex64) for k, v in tensors.items()}, path, {"format": "pt"})
    refused(copy / "base", r"is of the type torch\.complex64")


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"a": "../adapter/adapter_model.safetensors"}, "outside the folder"),
        ({"a": "/etc/passwd"}, "'/etc/passwd', which is outside the folder"),
        ({"a": ".."}, "outside the folder"),
        ({"a": "config.json"}, "or no safetensors file"),
        ({"a": "gone.safetensors"}, "'gone.safetensors', which is missing"),
        ({"a": "\0.safetensors"}, "which is missing"),
        ({"a": "x" * 300 + ".safetensors"}, "which is missing"),
        ({"a": ["one.safetensors"]}, "must map names of tensors to names of files"),
        ({"a": "one.safetensors"}, "the tensor 'a' in 'one.safetensors', which does not hold it"),
        ({}, "has no `weight_map`"),
        ([], "has no `weight_map`"),
    ],
)
def test_indexes_of_shards(copy, index, message):
    base = copy / "base"
    (base / "model.safetensors").rename(base / "one.safetensors")
    path = base / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": index}))
    refused(base, message)
    path.write_text('{"weight_map": {"a": "one.safetensors", "a": "two.safetensors"}}')
    refused(base, "duplicate key 'a'")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"r": 10**12}, "`r` cannot be 1000000000000"),
        (
            {"r": 8},
            r"ranks are \[8\] by `r` .* but those of the weights are \[4\]",
        ),
        ({"rank_pattern": {"q_proj": 8}}, r"has shape \[4, 32\], but .* describes \[8, 32\]"),
        ({"rank_pattern": {"q_proj": 10**9}}, r"ranks are \[4, 1000000000\] by"),
        ({"r": "4"}, "`r` cannot be '4'"),
        ({"r": None}, "has no `r`"),
        ({"target_modules": ["up_proj"]}, "has the tensor .*, which .* lacks"),
        ({"target_modules": ["nothing"]}, "does not fit the base model"),
        ({"target_modules": 3}, "`target_modules` cannot be 3"),
        ({"lora_alpha": 10**400}, "`lora_alpha` cannot be 1000"),
        ({"alpha_pattern": {"(a*)*b": 1}}, r"`alpha_pattern` cannot be"),
        (
            {"megatron_config": {"a": 1}, "megatron_core": "evil"},
            "`megatron_config` is .*plain",
        ),
        ({"layer_replication": [[0, 10**9]]}, "`layer_replication` is .*plain LoRA"),
        ({"use_dora": True}, "`use_dora` is True; only plain LoRA"),
        ({"task_type": "SEQ_CLS"}, "`task_type` cannot be 'SEQ_CLS'"),
        ({"base_model_name_or_path": "x" * 5000}, "which is no folder here"),
        ({"base_model_name_or_path": "\0"}, "which is no folder here"),
        ({"base_model_name_or_path": ["base"]}, "names no base model"),
        ({"base_model_name_or_path": "."}, "is an adapter; the base must be a full model"),
    ],
)
def test_adapter_configs(copy, values, message):
    configure(copy / "adapter" / "adapter_config.json", **values)
    refused(copy / "adapter", message)


def test_a_pattern_of_modules_is_not_matched(copy):
    """The modules are those that have factors; this pattern would take forever on any of them."""
    plain = open_plain(OpenOptions(checkpoint=copy / "adapter")).model.state_dict()
    configure(copy / "adapter" / "adapter_config.json", target_modules=r"(.*.*)*(.*)*\Z!")
    found = open_plain(OpenOptions(checkpoint=copy / "adapter")).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in plain.items())
    assert found.keys() == plain.keys()


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [
        ("model.layers.0.self_attn.q_proj", True),
        (r"^layers\.(0|1)\.[^.]*_proj$", True),
        (r"(?:q|v)_proj", True),
        ("(a+)+b", False),
        ("(a|a)*b", False),
        (".*.*.*x", False),
        (r"(a)\1", False),
        ("(?=a)b", False),
        ("[a", False),
        (7, False),
    ],
)
def test_plain_patterns(pattern, plain):
    assert is_plain_pattern(pattern) is plain


def test_what_is_no_file_is_not_waited_for(copy):
    for name in ("config.json", "generation_config.json"):
        (copy / "base" / name).unlink()
        os.mkfifo(copy / "base" / name)
    refused(copy / "base", "has neither adapter_config.json nor config.json")
    (copy / "base" / "config.json").unlink()
    (copy / "base" / "config.json").symlink_to("/dev/zero")
    refused(copy / "base", "has neither")
    with pytest.raises(InputError, match="is a pipe or a device, where a file is needed"):
        folders.read_json(copy / "base" / "generation_config.json")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", "{", "its tokenizer cannot be read"),
        ("tokenizer.json", "[]", "its tokenizer cannot be read"),
        ("tokenizer_config.json", "[" * 10**5, "nested too deeply"),
        ("tokenizer_config.json", '{"eos_token": {"content": 3}}', "its tokenizer cannot be read"),
        ("generation_config.json", '{"a": ', r"generation_config\.json: not valid JSON"),
        ("config.json", "[]", "must hold a JSON object"),
        ("config.json", '{"model_type": "llama", "model_type": "gpt2"}', "duplicate key"),
    ],
)
def test_damaged_files_of_a_model(copy, name, content, message):
    (copy / "base" / name).write_text(content)
    refused(copy / "base", message)


def test_a_folder_with_a_name_that_no_folder_can_have():
    for name in ("x" * 5000, "\0", "\ud800", "a\nb"):
        with pytest.raises(InputError, match="no such folder"):
            folders.config_name(folders.Path(name))


def test_nothing_of_a_tokenizer_is_printed_but_the_reason(copy, capfd):
    """Its library prints names that it does not know, as they are."""
    token = {"__type": "AddedToken", "content": "<bos>", "\x1b[31mred": True}
    configure(copy / "base" / "tokenizer_config.json", bos_token=token)
    capfd.readouterr()
    with suppress(InputError):
        read_tokenizer(copy / "base")
    assert capfd.readouterr() == ("", "")
