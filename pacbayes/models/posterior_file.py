"""`posterior.safetensors`: a model at the centre of a saved posterior, with the noise in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pacbayes.data.records import sha256_of
from pacbayes.errors import InputError
from pacbayes.models.fine_tuned import FineTuned
from pacbayes.models.loading import Source
from pacbayes.models.noise import beside
from pacbayes.posteriors.family import Family, Spread
from pacbayes.posteriors.saved import load, save
from pacbayes.posteriors.spread import around, spreads

NAME = "posterior.safetensors"


def write_posterior(path: Path, model: FineTuned, noise: Mapping[str, Spread]) -> Source:
    """Writes the model's centre with a scale for each covered tensor, or for each of its weights.

    Raises:
        InputError: It cannot be written.
    """
    means = {name: tensor.detach() for name, tensor in model.noise.tensors.items()}
    save(around(means, noise), path, checkpoint=model.folder.sha256)
    return Source(path=str(path), sha256=sha256_of(path))


def kept_in(model: FineTuned, source: Source) -> FineTuned:
    """The model once its centre, which has moved, is in a file."""
    return replace(model, posterior=source, checkpoint=model.folder, moved=False)


def read_posterior(path: Path) -> tuple[Family, dict[str, Spread]]:
    """A saved posterior, and the noise of each tensor.

    Raises:
        InputError: The file cannot be read, or has tensors that depend on one another.
    """
    posterior = load(path)
    try:
        return posterior, spreads(posterior)
    except InputError as error:
        raise InputError(str(error), path=path) from error


def with_posterior(model: FineTuned, path: Path) -> FineTuned:
    """The model at the centre of a saved posterior, to be certified with the noise in it.

    Raises:
        InputError: See `read_posterior`; or it does not hold exactly the covered tensors.
    """
    posterior, noise = read_posterior(path)
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
        suggested_noise=beside({name: noise[name] for name in covered}, covered),
        posterior=Source(path=str(path), sha256=sha256_of(path)),
        checkpoint=model.folder,
        posterior_given=True,
    )
