"""`posterior.safetensors`: a model at the centre of a saved posterior, with the scales in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from pacbayes.data.records import sha256_of
from pacbayes.errors import InputError
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source
from pacbayes.posteriors.families import name_of
from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.saved import load, save

NAME = "posterior.safetensors"


def write_posterior(path: Path, model: FineTuned, sigmas: Mapping[str, float]) -> Source:
    """Writes the model's centre with a scale for each covered tensor.

    Raises:
        InputError: It cannot be written.
    """
    posterior = PerGroup(
        means={name: tensor.detach() for name, tensor in model.noise.tensors.items()},
        groups={name: (name,) for name in sigmas},
        scales={name: torch.tensor(s, dtype=torch.float64) for name, s in sigmas.items()},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(posterior, path)
    return Source(path=str(path), sha256=sha256_of(path))


def with_posterior(model: FineTuned, path: Path) -> FineTuned:
    """The model at the centre of a saved posterior, to be certified with the scales in it.

    Raises:
        InputError: The file cannot be read, is of a family with more than one scale in a tensor, or
            does not hold exactly the covered tensors.
    """
    posterior = load(path)
    if not isinstance(posterior, (Isotropic, PerGroup)):
        raise InputError(
            f"is of the family {name_of(posterior)!r}; only posteriors with one scale for each "
            "tensor (isotropic, per-group) can be certified so far.",
            path=path,
        )
    covered = model.noise.tensors
    for name in sorted(covered.keys() ^ posterior.means.keys()):
        has = "has" if name in posterior.means else "lacks"
        raise InputError(
            f"{has} the tensor {name!r}, unlike the checkpoint and prior given.", path=path
        )
    for name, tensor in covered.items():
        if posterior.means[name].shape != tensor.shape:
            raise InputError(
                f"the mean of {name!r} has shape {list(posterior.means[name].shape)}, the "
                f"checkpoint's tensor {list(tensor.shape)}.",
                path=path,
            )
    return replace(
        model.recentred(posterior.means),
        suggested_sigmas={name: posterior.scale_of(name).item() for name in covered},
        posterior=Source(path=str(path), sha256=sha256_of(path)),
        checkpoint=model.folder,
        posterior_given=True,
    )
