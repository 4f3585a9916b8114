import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned


def opened(checkpoint, **options):
    return open_fine_tuned(OpenOptions(checkpoint=checkpoint, **options))


def raw(folder, stem="adapter_model"):
    return load_file(folder / f"{stem}.safetensors")


@pytest.fixture
def copy(checkpoints, tmp_path):
    """Copies of all checkpoints, free to be damaged."""
    shutil.copytree(checkpoints, tmp_path / "c")
    return tmp_path / "c"


def test_frozen_factor_gets_no_noise(checkpoints):
    model = opened(checkpoints / "adapter", prior=checkpoints / "initial")
    assert all(".lora_B." in name for name in model.sizes)
    assert len(model.sizes) == 6


def test_distances_are_those_of_the_files(checkpoints):
    model = opened(checkpoints / "free", prior=checkpoints / "initial")
    after, before = raw(checkpoints / "free"), raw(checkpoints / "initial")
    assert model.sizes.keys() == after.keys()
    for name, found in model.distances_squared.items():
        expected = float(((after[name].double() - before[name].double()) ** 2).sum())
        assert found == pytest.approx(expected, rel=1e-12)


def test_without_an_initial_adapter_the_prior_is_centred_at_zero(checkpoints):
    model = opened(checkpoints / "free")
    after = raw(checkpoints / "free")
    for name, found in model.distances_squared.items():
        assert found == pytest.approx(float((after[name].double() ** 2).sum()), rel=1e-12)


def test_full_checkpoint_covers_what_changed(checkpoints):
    model = opened(checkpoints / "full", prior=checkpoints / "base")
    after, before = raw(checkpoints / "full", "model"), raw(checkpoints / "base", "model")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert model.sizes.keys() == changed
    for name, found in model.distances_squared.items():
        expected = float(((after[name].double() - before[name].double()) ** 2).sum())
        assert found == pytest.approx(expected, rel=1e-12)


def edit(folder, change, stem="adapter_model"):
    path = folder / f"{stem}.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def configure(folder, name="adapter_config.json", **values):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def first_b(tensors):
    return next(name for name in sorted(tensors) if ".lora_B." in name)


def drop_b(tensors):
    del tensors[first_b(tensors)]


def put_nan(tensors):
    tensors[first_b(tensors)][0, 0] = float("nan")


def add_trained_head(tensors):
    tensors["base_model.model.lm_head.weight"] = torch.zeros(4, 4)


def reshape_b(tensors):
    name = first_b(tensors)
    tensors[name] = torch.zeros(7, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_b, "has '.*lora_A.weight' but lacks '.*lora_B.weight'"),
        (put_nan, "holds NaN or infinity"),
        (add_trained_head, "'base_model.model.lm_head.weight' was trained but is no LoRA factor"),
        (reshape_b, r"has shape \[7, 4\], but in the model that its config describes \[32, 4\]"),
    ],
)
def test_damaged_adapters(copy, change, message):
    edit(copy / "adapter", change)
    with pytest.raises(InputError, match=message):
        opened(copy / "adapter")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"base_model_name_or_path": None}, "names no base model; give its folder as --base"),
        ({"base_model_name_or_path": "no/such"}, "'no/such', which is no folder here"),
        ({"peft_type": "IA3"}, "`peft_type` is 'IA3'; only LORA"),
        ({"init_lora_weights": "pissa"}, "also changes the base weights"),
        ({"init_lora_weights": "eva"}, "looks at data"),
    ],
)
def test_adapter_configs_that_are_refused(copy, values, message):
    configure(copy / "adapter", **values)
    with pytest.raises(InputError, match=message):
        opened(copy / "adapter")


def test_folders_that_are_no_checkpoint(copy, tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        opened(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        opened(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"has neither adapter_config.json nor config.json"):
        opened(tmp_path / "empty")
    for step in ("checkpoint-1", "checkpoint-2"):
        (tmp_path / "empty" / step).mkdir()
    with pytest.raises(InputError, match="checkpoint-1, checkpoint-2; name one of them"):
        opened(tmp_path / "empty")


def test_truncated_weights(copy):
    path = copy / "adapter" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="truncated or damaged"):
        opened(copy / "adapter")


def test_pickles_need_permission(copy):
    folder = copy / "full"
    torch.save(raw(folder, "model"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match="is a pickle, which can run code"):
        opened(folder, prior=copy / "base")
    model = opened(folder, prior=copy / "base", allow_pickle=True)
    assert any("mlp" in name for name in model.sizes)


def test_missing_tensor_is_not_filled_in(copy):
    edit(copy / "full", lambda tensors: tensors.pop("model.norm.weight"), "model")
    with pytest.raises(InputError, match=r"missing keys: 'model.norm.weight'"):
        opened(copy / "full", prior=copy / "base")


def test_shards_stay_in_the_folder(copy):
    folder = copy / "full"
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "../base/model.safetensors"}}))
    with pytest.raises(InputError, match="outside the folder"):
        opened(folder, prior=copy / "base")
    index.write_text(json.dumps({"weight_map": {"x": "model-1.safetensors"}}))
    with pytest.raises(InputError, match="which is missing"):
        opened(folder, prior=copy / "base")


def test_sharded_checkpoint_is_the_same(copy, checkpoints):
    from transformers import LlamaForCausalLM

    folder = copy / "full"
    model = LlamaForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").is_file()
    expected = opened(checkpoints / "full", prior=checkpoints / "base").distances_squared
    assert opened(folder, prior=copy / "base").distances_squared == expected


def test_prior_and_checkpoint_that_do_not_match(copy, tokenizer):
    from tests.conftest import tiny_llama

    with pytest.raises(InputError, match="needs a prior"):
        opened(copy / "full")
    with pytest.raises(InputError, match="is equal to the prior"):
        opened(copy / "full", prior=copy / "full")
    with pytest.raises(InputError, match="nothing was trained"):
        opened(copy / "adapter", prior=copy / "adapter")
    with pytest.raises(InputError, match="is a full model, but the prior of an adapter"):
        opened(copy / "adapter", prior=copy / "base")
    tiny_llama(tokenizer, intermediate_size=64).save_pretrained(copy / "wide")
    with pytest.raises(InputError, match=r"has shape .* must be one architecture"):
        opened(copy / "full", prior=copy / "wide")


def test_remote_code_is_never_run(copy):
    configure(copy / "full", "config.json", auto_map={"AutoModelForCausalLM": "evil.Model"})
    with pytest.raises(InputError, match="needs code from its own folder"):
        opened(copy / "full", prior=copy / "base")


def test_tokenizers_must_agree(copy):
    path = copy / "full" / "tokenizer.json"
    path.write_text(path.read_text().replace('"a":', '"à":'))
    with pytest.raises(InputError, match="tokenizer"):
        opened(copy / "full", prior=copy / "base")


def test_gpt2_with_tied_embeddings(tmp_path, tokenizer):
    """Conv1D layers, biases, LayerNorm, one tensor used twice: covered once, and certified."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=24, n_layer=1, n_head=2, n_positions=64,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = GPT2LMHeadModel(config)
    for name in ("before", "after"):
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.01 * torch.randn_like(parameter))
    opened_model = opened(tmp_path / "after", prior=tmp_path / "before")
    assert opened_model.sizes == {n: p.numel() for n, p in model.named_parameters()}
    assert sum("wte" in name or "lm_head" in name for name in opened_model.sizes) == 1
    before, after = (raw(tmp_path / name, "model") for name in ("before", "after"))
    for name, found in opened_model.distances_squared.items():
        expected = float(((after[name].double() - before[name].double()) ** 2).sum())
        assert found == pytest.approx(expected, rel=1e-12)


def test_a_prior_keeps_the_noise_noted_with_it(copy):
    names = raw(copy / "initial")
    noted = {name: 0.1 + 0.01 * i for i, name in enumerate(sorted(names))}
    (copy / "initial" / "pacbayes.json").write_text(json.dumps({"sigma_posterior": noted}))
    model = opened(copy / "adapter", prior=copy / "initial")
    assert model.relative_scales == {name: noted[name] for name in model.sizes}
    assert any("noise noted with the prior" in sentence for sentence in model.assumptions)
    (copy / "initial" / "pacbayes.json").write_text(
        json.dumps({"sigma_posterior": dict.fromkeys(noted, 0)})
    )
    with pytest.raises(InputError, match="`sigma_posterior` must map tensor names to positive"):
        opened(copy / "free", prior=copy / "initial")
