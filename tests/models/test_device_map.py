"""One model on several devices: the same certificate, and each tensor's noise where the tensor is.

No machine of ours has two devices. That accelerate's hooks run between the parts is tested with two
parts on the CPU; that nothing takes them to be on one device, with a part on `meta`.
"""

from collections import Counter
from functools import wraps

import accelerate
import pytest
import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from transformers.integrations import accelerate as dispatching

from pacbayes.certify import certify
from pacbayes.data.sample import read_sample
from pacbayes.errors import InputError
from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.loading import OpenOptions
from pacbayes.models.noise import WeightNoise
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors import noise
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.settings import Settings

FIRST = ("model.embed_tokens", "model.rotary_emb", "model.layers.0")
SECOND = ("model.layers.1", "model.norm", "lm_head")
CPU = torch.device("cpu")
CHECKPOINTS = {
    "full": {"checkpoint": "full", "prior": "base"},
    "free": {"checkpoint": "free", "prior": "initial"},
}


def split(first, second):
    return dict.fromkeys(FIRST, first) | dict.fromkeys(SECOND, second)


@pytest.fixture
def crossings(monkeypatch):
    """How often hooks were run before each kind of module; both devices of a map are the CPU."""

    @wraps(accelerate.dispatch_model)
    def on_cpu(model, device_map, **options):
        device_map = dict.fromkeys(device_map, CPU)
        return accelerate.dispatch_model(model, device_map, force_hooks=True, **options)

    monkeypatch.setattr(dispatching, "dispatch_model", on_cpu)
    seen = Counter()
    honest = AlignDevicesHook.pre_forward

    def counted(self, module, *args, **kwargs):
        seen[type(module).__name__] += 1
        return honest(self, module, *args, **kwargs)

    monkeypatch.setattr(AlignDevicesHook, "pre_forward", counted)
    return seen


@pytest.mark.parametrize(
    ("name", "mode", "changes"),
    [
        ("full", "auto", {"losses": ("exact", "nll")}),
        ("full", "block", {}),
        ("free", "auto", {"optimize": 2, "losses": ("nll",)}),  # and other LoRA factors are tried
    ],
)
def test_a_spread_model_has_the_same_certificate(
    checkpoints, problem_file, tmp_path, crossings, name, mode, changes
):
    folders = {role: checkpoints / folder for role, folder in CHECKPOINTS[name].items()}
    settings = Settings(passes=1, pilot=6, block=4, batch_size=16, **changes)
    sample = read_sample([problem_file])
    found = []
    for run, device_map in enumerate((None, split(CPU, "cpu"))):
        assert not crossings
        options = OpenOptions(**folders, device_map=device_map, draw_mode=mode)
        model = open_fine_tuned(options)
        assert model.noise.per_row == (mode == "auto")
        found.append(certify(model, sample, settings, posterior_folder=tmp_path / str(run)))
    assert crossings["LlamaDecoderLayer"] > 100
    assert crossings["Linear"] > 100  # the head, in the second part
    for one, other in zip(*found, strict=True):
        assert other.strata == one.strata
        assert other.posterior.groups == one.posterior.groups
        assert (other.kl, other.kl_by_group) == (one.kl, one.kl_by_group)
        assert other.environment == one.environment


@pytest.mark.parametrize("way", [LayerNoise, WeightNoise])
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_noise_is_made_where_its_tensor_is(checkpoints, monkeypatch, name, way):
    folders = {role: checkpoints / folder for role, folder in CHECKPOINTS[name].items()}
    opened = open_fine_tuned(OpenOptions(**folders))
    network = opened.model if name == "full" else opened.model.get_base_model()
    for part in SECOND:
        module = network.get_submodule(part)
        module.to("meta")
        add_hook_to_module(module, AlignDevicesHook("meta"))
    covered = {k: network.get_parameter(_path(k, name)) for k in opened.noise.tensors}
    before = {k: tensor.device for k, tensor in network.named_parameters()}
    assert {tensor.device.type for tensor in covered.values()} == {"cpu", "meta"}
    made = []

    def on_meta(streams, size, device):
        made.append(device.type)
        return torch.empty(len(streams), size, device=device)

    monkeypatch.setattr(noise, "_on_device", on_meta)
    key = NoiseKey(seed=0, stream=Stream.PILOT, stratum=0)
    draws = [Draw(key=key, number=0, unit=unit) for unit in range(3)]
    noisy = way(covered)
    with (
        torch.inference_mode(),
        noisy.applied(draws if noisy.per_row else draws[:1], dict.fromkeys(covered, 0.1), [5] * 3),
    ):
        logits = network(input_ids=torch.ones(3, 5, dtype=torch.long), use_cache=False).logits
    assert logits.device.type == "meta"
    assert set(made) == {"meta"}  # on the CPU noise is made another way
    assert {k: tensor.device for k, tensor in network.named_parameters()} == before


def _path(tensor, name):
    """The parameter's place in the network itself."""
    if name == "full":
        return tensor
    return tensor.removeprefix("base_model.model.").removesuffix(".weight") + ".default.weight"


def test_tensors_that_are_no_device_s_own_are_refused(checkpoints):
    folders = {role: checkpoints / folder for role, folder in CHECKPOINTS["full"].items()}
    # beside another device, what is on "cpu" is fetched from there in each forward pass
    with pytest.raises(InputError, match=r"full: does not fit on the devices: 11 tensors, such as"):
        open_fine_tuned(OpenOptions(**folders, device_map=split(CPU, "cpu")))
