"""A fine-tuned model opened for certification: the model itself, and where Q and P are centred."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError
from pacbayes.models import folder as folders
from pacbayes.models.noise import LoraNoise, Noise, WeightNoise

NOTES = "pacbayes.json"
"""An optional file in a checkpoint folder, written by training that prepares for certification:
``initial_adapter`` (folder of the adapter before training, relative to the checkpoint) and
``sigma_posterior`` (standard deviation by tensor name, used as one starting point)."""

_TRAINED_SET = "Which tensors to train was decided without the certification data."

_DATA_FREE_INITS = (True, False, "gaussian", "orthogonal")
_BASE_CHANGING_INITS = ("pissa", "olora", "loftq", "lora_ga", "corda")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a Gaussian's centre came from: a folder and its `folder.identity`."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class FineTuned:
    """A model at the posterior's centre, and what separates it from the prior's.

    Attributes:
        model: The model, in evaluation mode, computing with the posterior's centre.
        tokenizer: The tokenizer of the checkpoint or of its base.
        context: Longest sequence the model reads, in tokens.
        kind: "adapter" or "full".
        noise: Perturbs exactly the tensors that the Gaussian covers.
        distances_squared: Squared distance of the centres for each covered tensor.
        relative_scales: Scale of each covered tensor under the prior, up to the common factor;
            a function of the prior alone.
        suggested_sigmas: Posterior scales stored with the checkpoint, or empty.
        posterior, prior, base: The folders that were read.
        assumptions: What the KL rests on, in plain sentences.
    """

    model: nn.Module
    tokenizer: Any
    context: int
    kind: str
    noise: Noise
    distances_squared: dict[str, float]
    relative_scales: dict[str, float]
    suggested_sigmas: dict[str, float]
    posterior: Source
    prior: Source
    base: Source | None = None
    assumptions: tuple[str, ...] = ()
    sizes: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        sizes = {name: shape.numel() for name, shape in self.noise.shapes.items()}
        object.__setattr__(self, "sizes", sizes)


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """How to open a checkpoint; the names are those of the command line."""

    checkpoint: Path
    prior: Path | None = None
    base: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"
    allow_pickle: bool = False


def open_fine_tuned(options: OpenOptions) -> FineTuned:
    """Opens a checkpoint and its prior, and compares them tensor by tensor.

    Raises:
        InputError: Anything missing, unreadable, not finite or not matching, in one line.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    if folders.config_name(options.checkpoint) == folders.ADAPTER_CONFIG:
        return _open_adapter(options)
    return _open_full(options)


# Full checkpoints


def _open_full(options: OpenOptions) -> FineTuned:
    if options.prior is None:
        raise InputError(
            "is a full checkpoint and needs a prior: give the folder of the weights that "
            "fine-tuning started from as --prior.",
            path=options.checkpoint,
        )
    if options.base is not None:
        raise InputError("--base is for adapters; give the pretrained weights as --prior.")
    if folders.config_name(options.prior) != folders.FULL_CONFIG:
        raise InputError("is an adapter, but the checkpoint is a full model.", path=options.prior)
    model = _load_model(options.checkpoint, options)
    prior = _load_model(options.prior, options)
    tokenizer = _load_tokenizer(options.checkpoint, options.prior, model)
    changed = _changed_parameters(model, prior, options)
    before = dict(prior.named_parameters())
    return FineTuned(
        model=model.to(options.device).eval(),
        tokenizer=tokenizer,
        context=_context(model),
        kind="full",
        noise=WeightNoise(changed),
        distances_squared={k: _distance_squared(p, before[k]) for k, p in changed.items()},
        relative_scales=_root_mean_squares(before, changed),
        suggested_sigmas=_suggested_sigmas(options.checkpoint, changed),
        posterior=_source(options.checkpoint, options),
        prior=_source(options.prior, options),
        assumptions=(
            "The prior's weights were fixed without the certification data.",
            _TRAINED_SET,
        ),
    )


def _changed_parameters(
    model: nn.Module, prior: nn.Module, options: OpenOptions
) -> dict[str, nn.Parameter]:
    """Parameters that differ; everything else must be equal, because it gets no noise."""
    after, before = dict(model.named_parameters()), dict(prior.named_parameters())
    _same_tensors(after, before, options.checkpoint, str(options.prior))
    buffers = dict(prior.named_buffers())
    for name, buffer in model.named_buffers():
        if name not in buffers or not torch.equal(buffer, buffers[name]):
            raise InputError(
                f"the buffer {name!r} differs from the prior's and cannot carry noise, which "
                "makes the KL infinite.",
                path=options.checkpoint,
            )
    changed = {k: p for k, p in after.items() if not torch.equal(p, before[k])}
    if not changed:
        raise InputError(
            f"is equal to the prior {options.prior} in every tensor; did you give the same "
            "folder twice?",
            path=options.checkpoint,
        )
    return changed


def _same_tensors(
    after: Mapping[str, Tensor], before: Mapping[str, Tensor], checkpoint: Path, prior: str
) -> None:
    for name in sorted(after.keys() ^ before.keys()):
        holder, lacker = (checkpoint, prior) if name in after else (prior, checkpoint)
        raise InputError(f"has the tensor {name!r}, which {lacker} lacks.", path=holder)
    for name, tensor in after.items():
        if tensor.shape != before[name].shape:
            raise InputError(
                f"the tensor {name!r} has shape {list(tensor.shape)}, but in {prior} "
                f"{list(before[name].shape)}; prior and checkpoint must be one architecture.",
                path=checkpoint,
            )


def _root_mean_squares(
    before: Mapping[str, Tensor], changed: Mapping[str, Tensor]
) -> dict[str, float]:
    """Each tensor's own scale in the prior; a tensor of zeros takes the mean of the others."""
    own = {k: float(before[k].detach().double().square().mean().sqrt()) for k in changed}
    positive = [v for v in own.values() if v > 0]
    fallback = sum(positive) / len(positive) if positive else 1.0
    return {k: v if v > 0 else fallback for k, v in own.items()}


# LoRA adapters


def _open_adapter(options: OpenOptions) -> FineTuned:
    config = folders.read_json(options.checkpoint / folders.ADAPTER_CONFIG)
    _check_adapter_config(config, options)
    tensors = folders.read_tensors(options.checkpoint, allow_pickle=options.allow_pickle)
    _check_adapter_tensors(tensors, options.checkpoint)
    base_folder = _base_folder(config, options)
    notes = _notes(options.checkpoint)
    base = _load_model(base_folder, options)
    tokenizer = _load_tokenizer(options.checkpoint, base_folder, base)
    model = _load_adapter(base, tensors, options)
    factors = _factors(model, tensors, options.checkpoint)
    initial = _initial_adapter(notes, options)
    source = _source(base_folder, options)
    before, prior, assumptions = _adapter_prior(tensors, initial, source, options)
    changed = {
        k: m for k, m in factors.items() if not torch.equal(m.weight.cpu().float(), before[k])
    }
    if not changed:
        raise InputError(
            "is equal to the initial adapter in every tensor: nothing was trained.",
            path=options.checkpoint,
        )
    return FineTuned(
        model=model.to(options.device).eval(),
        tokenizer=tokenizer,
        context=_context(base),
        kind="adapter",
        noise=LoraNoise(changed),
        distances_squared={k: _distance_squared(m.weight, before[k]) for k, m in changed.items()},
        relative_scales={k: (3 * m.in_features) ** -0.5 for k, m in changed.items()},
        suggested_sigmas=_suggested_sigmas(options.checkpoint, changed),
        posterior=_source(options.checkpoint, options),
        prior=prior,
        base=source,
        assumptions=(*assumptions, _TRAINED_SET),
    )


def _check_adapter_config(config: Mapping[str, Any], options: OpenOptions) -> None:
    path = options.checkpoint / folders.ADAPTER_CONFIG
    if config.get("peft_type") != "LORA":
        raise InputError(
            f"`peft_type` is {config.get('peft_type')!r}; only LORA adapters can be certified.",
            path=path,
        )
    init = config.get("init_lora_weights", True)
    name = init.lower() if isinstance(init, str) else init
    if isinstance(name, str) and name.startswith(_BASE_CHANGING_INITS):
        raise InputError(
            f"`init_lora_weights` is {init!r}, which also changes the base weights; convert the "
            "adapter to a plain LoRA first.",
            path=path,
        )
    if name not in _DATA_FREE_INITS and options.prior is None:
        raise InputError(
            f"`init_lora_weights` is {init!r}, which looks at data; give the initial adapter, "
            "made from data disjoint from the certification data, as --prior.",
            path=path,
        )


def _check_adapter_tensors(tensors: Mapping[str, Tensor], checkpoint: Path) -> None:
    """Every tensor is a LoRA factor, and every factor has its partner."""
    for name in sorted(tensors):
        if ".lora_A.weight" not in name and ".lora_B.weight" not in name:
            raise InputError(
                f"the tensor {name!r} was trained but is no LoRA factor, so it is not covered by "
                "the posterior (modules_to_save, biases, DoRA and embeddings are not supported).",
                path=checkpoint,
            )
        a, b = ".lora_A.", ".lora_B."
        partner = name.replace(a, b) if a in name else name.replace(b, a)
        if partner not in tensors:
            raise InputError(f"has {name!r} but lacks {partner!r}.", path=checkpoint)


def _base_folder(config: Mapping[str, Any], options: OpenOptions) -> Path:
    if options.base is not None:
        folder = options.base
    else:
        named = config.get("base_model_name_or_path")
        if not named:
            raise InputError(
                "names no base model; give its folder as --base.",
                path=options.checkpoint / folders.ADAPTER_CONFIG,
            )
        beside = options.checkpoint / str(named)
        folder = beside if beside.is_dir() else Path(str(named))
        if not folder.is_dir():
            raise InputError(
                f"names the base model {named!r}, which is no folder here; download it and give "
                "its folder as --base (nothing is fetched over the network).",
                path=options.checkpoint / folders.ADAPTER_CONFIG,
            )
    if folders.config_name(folder) != folders.FULL_CONFIG:
        raise InputError("is an adapter; the base must be a full model.", path=folder)
    return folder


def _load_adapter(
    base: nn.Module, tensors: Mapping[str, Tensor], options: OpenOptions
) -> nn.Module:
    from peft import LoraConfig, PeftModel, get_peft_model_state_dict

    checkpoint = str(options.checkpoint)
    try:
        config = LoraConfig.from_pretrained(checkpoint)
        config.base_model_name_or_path = None
        model = PeftModel.from_pretrained(base, checkpoint, config=config, torch_device="cpu")
    except Exception as error:  # an adapter can misfit in as many ways as there are layers
        reason = " ".join(str(error).split())
        raise InputError(
            f"does not fit the base model ({reason[:300]}); is it the base it was trained on?",
            path=options.checkpoint,
        ) from None
    expected = get_peft_model_state_dict(model)
    _same_tensors(tensors, expected, options.checkpoint, "the model that its config describes")
    return model


def _factors(
    model: nn.Module, tensors: Mapping[str, Tensor], checkpoint: Path
) -> dict[str, nn.Linear]:
    modules = dict(model.named_modules())
    factors: dict[str, nn.Linear] = {}
    for name in sorted(tensors):
        module = modules.get(name.removesuffix(".weight") + ".default")
        if not isinstance(module, nn.Linear) or module.bias is not None:
            raise InputError(f"{name!r} is not a linear LoRA factor.", path=checkpoint)
        factors[name] = module
    return factors


def _initial_adapter(notes: Mapping[str, Any], options: OpenOptions) -> Path | None:
    if options.prior is not None:
        return options.prior
    named = notes.get("initial_adapter")
    return None if named is None else options.checkpoint / str(named)


def _adapter_prior(
    tensors: Mapping[str, Tensor], initial: Path | None, base: Source, options: OpenOptions
) -> tuple[dict[str, Tensor], Source, tuple[str, ...]]:
    """The prior's centre: the adapter before training, or the base itself where none was kept."""
    base_fixed = "The base model's weights were fixed without the certification data."
    if initial is None:
        before = {name: torch.zeros(tensor.shape) for name, tensor in tensors.items()}
        return before, base, (base_fixed,)
    if folders.config_name(initial) != folders.ADAPTER_CONFIG:
        raise InputError(
            "is a full model, but the prior of an adapter is the adapter before training; the "
            "base model goes to --base.",
            path=initial,
        )
    read = folders.read_tensors(initial, allow_pickle=options.allow_pickle)
    _same_tensors(tensors, read, options.checkpoint, str(initial))
    before = {name: tensor.float() for name, tensor in read.items()}
    drawn = "The initial adapter was drawn before any of the certification data was seen."
    return before, _source(initial, options), (base_fixed, drawn)


# Both kinds


def _load_model(folder: Path, options: OpenOptions) -> Any:
    from transformers import AutoModelForCausalLM

    config = folders.read_json(folder / folders.FULL_CONFIG)
    if "auto_map" in config:
        raise InputError("needs code from its own folder, which is never run.", path=folder)
    folders.read_tensors(folder, allow_pickle=options.allow_pickle)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=getattr(torch, options.dtype),
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            use_safetensors=None if options.allow_pickle else True,
        )
    except Exception as error:  # a folder can be wrong in as many ways as there are models
        reason = " ".join(str(error).split())
        raise InputError(f"cannot be loaded ({reason[:300]}).", path=folder) from None
    model, report = loaded
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if report.get(what):
            first = sorted(map(str, report[what]))[0]
            raise InputError(
                f"{what.replace('_', ' ')}: {first} (config and weights do not belong together).",
                path=folder,
            )
    return model


def _load_tokenizer(first: Path, second: Path, model: Any) -> Any:
    """The checkpoint's own tokenizer if it has one, which must then agree with the other's."""
    found = [_read_tokenizer(f) for f in (first, second) if (f / "tokenizer_config.json").is_file()]
    if not found:
        raise InputError(f"holds no tokenizer, and neither does {second}.", path=first)
    if len(found) == 2 and found[0].get_vocab() != found[1].get_vocab():
        raise InputError(f"its tokenizer differs from that of {second}.", path=first)
    rows = model.get_input_embeddings().num_embeddings
    if max(found[0].get_vocab().values()) >= rows:
        raise InputError(
            f"its tokenizer has tokens beyond the model's {rows} embeddings; the tokenizer of "
            "another model?",
            path=first,
        )
    return found[0]


def _read_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # tokenizers raise bare Exceptions on damaged files
        reason = " ".join(str(error).split())
        raise InputError(f"its tokenizer cannot be read ({reason[:200]}).", path=folder) from None


def _context(model: Any) -> int:
    for name in ("max_position_embeddings", "n_positions"):
        length = getattr(model.config.get_text_config(), name, None)
        if length:
            return int(length)
    raise InputError("the model's config does not say how long a sequence it reads.")


def _source(folder: Path, options: OpenOptions) -> Source:
    digest = folders.identity(folder, allow_pickle=options.allow_pickle)
    return Source(path=str(folder), sha256=digest)


def _notes(checkpoint: Path) -> dict[str, Any]:
    path = checkpoint / NOTES
    return folders.read_json(path) if path.is_file() else {}


def _suggested_sigmas(checkpoint: Path, covered: Mapping[str, object]) -> dict[str, float]:
    """Scales noted by training; all covered tensors or none, so that none is left without."""
    noted = _notes(checkpoint).get("sigma_posterior", {})
    try:
        sigmas = {name: float(noted[name]) for name in covered if name in noted}
        if not all(0 < sigma < float("inf") for sigma in sigmas.values()):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError(
            "`sigma_posterior` must map tensor names to positive numbers.", path=checkpoint / NOTES
        ) from None
    return sigmas if len(sigmas) == len(covered) else {}


def _distance_squared(a: Tensor, b: Tensor) -> float:
    return float((a.detach().double().cpu() - b.detach().double().cpu()).square().sum())
