"""What adapters and full checkpoints are read with: model, tokenizer, notes, comparisons."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pacbayes.errors import InputError, refusing
from pacbayes.models import folder as folders
from pacbayes.models.draw_mode import DrawMode
from pacbayes.models.model_config import check_config, check_no_code

NOTES = "pacbayes.json"
"""An optional file in a checkpoint folder, written by training that prepares for certification:
``initial_adapter`` (folder of the adapter before training, relative to the checkpoint) and
``sigma_posterior`` (standard deviation by tensor name, used as one starting point)."""

PRIOR_NOISE = "The noise noted with the prior was learned without the certification data."
_SMALL = 1 << 20
"""Numbers a model may have beside its weights, such as tables of positions."""

TRAINED_SET = "Which tensors to train was decided without the certification data."


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a Gaussian's centre came from: a folder and its `folder.identity`."""

    path: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class OpenOptions:
    """How to open a checkpoint; the names are those of the command line.

    Attributes:
        device: Where the model runs; `auto` spreads it over all devices, as accelerate does.
        device_map: Instead of `device`, where each part runs, by the name of its module.
        draw_mode: See `pacbayes.models.draw_mode`.
    """

    checkpoint: Path
    prior: Path | None = None
    base: Path | None = None
    device: str = "cpu"
    device_map: Mapping[str, str | int] | None = None
    dtype: str = "float32"
    allow_pickle: bool = False
    draw_mode: DrawMode = "auto"

    @property
    def spread(self) -> dict[str, str | int] | str | None:
        """How a model is spread over devices as it is loaded; None to load it on the CPU."""
        if self.device_map is not None:
            return dict(self.device_map)
        return "auto" if self.device == "auto" else None

    def place(self, model: Any) -> Any:
        """The model where it will run, ready to be scored with.

        Raises:
            InputError: It does not fit there.
        """
        if self.spread is not None:
            return model.eval()
        try:
            return model.to(self.device).eval()
        except torch.OutOfMemoryError:
            raise InputError(
                f"the model does not fit on {self.device}; use a smaller --dtype, or --device "
                "auto to spread it over several."
            ) from None


def same_tensors(
    after: Mapping[str, Tensor], before: Mapping[str, Tensor], checkpoint: Path, prior: str
) -> None:
    """Checks that two sets of tensors have the same names and shapes."""
    for name in sorted(after.keys() ^ before.keys()):
        holder, lacker = (checkpoint, prior) if name in after else (prior, checkpoint)
        raise InputError(f"has the tensor {name!r}, which {lacker} lacks.", path=holder)
    for name, tensor in after.items():
        if tensor.shape != before[name].shape:
            raise InputError(
                f"the tensor {name!r} has shape {list(tensor.shape)}, but in {prior} "
                f"{list(before[name].shape)}; the two must be one architecture.",
                path=checkpoint,
            )


def load_model(folder: Path, options: OpenOptions, *, spread: bool = True) -> Any:
    """The model of a folder, every tensor of it read from there; on the CPU, or spread over all.

    Args:
        folder: The checkpoint.
        options: How to open it.
        spread: Whether this is the model that will run.
    """
    from transformers import AutoModelForCausalLM

    check_no_code(folder)
    config = folders.read_json(folder / folders.FULL_CONFIG, constants=True)
    tensors = folders.read_tensors(folder, allow_pickle=options.allow_pickle)
    check_config(config, tensors, folder)
    held = sum(tensor.numel() for tensor in tensors.values())
    del tensors
    _check_described(folder, held)
    with refusing("cannot be loaded", path=folder):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=getattr(torch, options.dtype),
            device_map=options.spread if spread else None,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            use_safetensors=None if options.allow_pickle else True,
        )
    model, report = loaded
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        if report.get(what):
            first = sorted(map(str, report[what]))[0]
            raise InputError(
                f"{what.replace('_', ' ')}: {first!r} (config and weights do not belong together).",
                path=folder,
            )
    _refuse_offloaded(model, folder)
    return model


def _refuse_offloaded(model: Any, folder: Path) -> None:
    """Noise is put on tensors where they are, so all must be on a device between forward passes."""
    away = [name for name, tensor in model.named_parameters() if tensor.device.type == "meta"]
    if away:
        raise InputError(
            f"does not fit on the devices: {len(away)} tensors, such as {away[0]!r}, would be kept "
            "elsewhere and fetched in each forward pass, where no noise can be put on them; use "
            "more memory, a smaller --dtype, or --device cpu.",
            path=folder,
        )


def _check_described(folder: Path, held: int) -> None:
    """The model that a config describes has no more weights than the files; nothing is allocated.

    A tensor that is used twice may count twice.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    with refusing("cannot be loaded", path=folder), torch.device("meta"):
        config = AutoConfig.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        described: Any = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
        total = sum(p.numel() for p in (*described.parameters(), *described.buffers()))
    if total > 2 * held + _SMALL:
        raise InputError(
            f"its config describes a model of {total} weights, but its files hold {held}; config "
            "and weights do not belong together.",
            path=folder,
        )


def load_tokenizer(first: Path, second: Path, model: Any) -> Any:
    """The checkpoint's own tokenizer if it has one, which must then agree with the other's."""
    found = [read_tokenizer(f) for f in (first, second) if (f / "tokenizer_config.json").is_file()]
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


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder, from nothing but its files.

    Raises:
        InputError: It cannot be read, or needs code.
    """
    from transformers import AutoTokenizer

    check_no_code(folder)
    with refusing("its tokenizer cannot be read", path=folder), _silence():
        return AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )


@contextmanager
def _silence() -> Iterator[None]:
    """A context in which nothing is printed, by libraries in other languages neither.

    What they print of a file could steer the terminal, or be taken for this program's output.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    try:
        with open(os.devnull, "wb") as nowhere:
            for number in kept:
                os.dup2(nowhere.fileno(), number)
        yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)


def context_of(model: Any) -> int:
    """Longest sequence the model reads, in tokens."""
    for name in ("max_position_embeddings", "n_positions"):
        length = getattr(model.config.get_text_config(), name, None)
        if length:
            return int(length)
    raise InputError("the model's config does not say how long a sequence it reads.")


def source_of(folder: Path, options: OpenOptions) -> Source:
    """The folder with its identity."""
    digest = folders.identity(folder, allow_pickle=options.allow_pickle)
    return Source(path=str(folder), sha256=digest)


def read_notes(checkpoint: Path) -> dict[str, Any]:
    """What `NOTES` says, or nothing."""
    path = checkpoint / NOTES
    return folders.read_json(path) if path.is_file() else {}


def noise_learned_with(prior: Path | None, covered: Mapping[str, object]) -> dict[str, float]:
    """The scales noted with a prior that was trained under noise, or none: a shape of its own."""
    return {} if prior is None else suggested_sigmas(prior, covered)


def suggested_sigmas(checkpoint: Path, covered: Mapping[str, object]) -> dict[str, float]:
    """Scales noted by training; all covered tensors or none, so that none is left without."""
    noted = read_notes(checkpoint).get("sigma_posterior", {})
    try:
        sigmas = {name: float(noted[name]) for name in covered if name in noted}
        if not all(0 < sigma < float("inf") for sigma in sigmas.values()):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            "`sigma_posterior` must map tensor names to positive numbers.", path=checkpoint / NOTES
        ) from None
    return sigmas if len(sigmas) == len(covered) else {}
