"""Fine-tuning towards the bound in a training loop of one's own, or in transformers' Trainer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pacbayes.errors import InputError
from pacbayes.files import write_atomically
from pacbayes.losses import LOSSES
from pacbayes.models.covered import centre_of_prior, covered_tensors
from pacbayes.models.loading import NOTES
from pacbayes.models.noise import Noise
from pacbayes.models.posterior_file import NAME as POSTERIOR
from pacbayes.models.trainable import LEARNED, TrainablePosterior
from pacbayes.models.writing import saving
from pacbayes.objectives import OBJECTIVES, running_risk
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.posteriors.prior_scale import GRID
from pacbayes.posteriors.saved import save as save_posterior
from pacbayes.posteriors.spread import around, moments
from pacbayes.surrogates import SURROGATES

_INITIAL = "initial_adapter"


def train_objective(
    model: nn.Module,
    *,
    n: int,
    delta: float = 0.05,
    prior: Mapping[str, Tensor] | str | Path | None = None,
    loss: str = "exact",
    bound: str = "seeger_maurer",
    noise: float = 0.1,
    family: str = "per-tensor",
    train_a: bool = False,
    seed: int = 0,
) -> TrainObjective:
    """A training objective whose value is a PAC-Bayes bound on the risk under weight noise.

    Call it before training, with the model that training starts from. The posterior covers the
    parameters that require a gradient now. A PEFT adapter's `lora_A` factors are frozen at their
    initial values unless `train_a`: the bound then pays for the `lora_B` factors alone.

    The value trains, it certifies nothing: it rests on a surrogate loss and a mini-batch. Certify
    with `pacbayes-bound` when training is over; `TrainObjective.save` writes what that needs.

    In a plain loop::

        objective = pacbayes.train_objective(model, n=len(data))
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0.0)
        objective.add_to(optimizer, lr=1e-2)
        for batch in loader:
            with objective.noise(batch["input_ids"]):
                logits = model(batch["input_ids"]).logits
            objective(logits, batch["labels"]).backward()
            optimizer.step()
            optimizer.zero_grad()
        model.save_pretrained("ckpt")
        objective.save("ckpt")

    With transformers' Trainer::

        class BoundTrainer(Trainer):
            def compute_loss(self, model, inputs, return_outputs=False, **_):
                with objective.noise(inputs["input_ids"]):
                    outputs = model(inputs["input_ids"])
                value = objective(outputs.logits, inputs["labels"])
                return (value, outputs) if return_outputs else value

            def create_optimizer(self, *arguments):
                optimizer = super().create_optimizer(*arguments)
                objective.add_to(optimizer, lr=1e-2)
                return optimizer

    Args:
        model: A causal language model, or a PEFT model with LoRA layers, on its device.
        n: Independent units in the data that the certificate will be about.
        delta: Failure probability of that certificate, in (0, 1).
        prior: The prior's mean: tensors by name, or the folder to read them from; the model as it
            is now if None.
        loss: Which loss the surrogate stands for, a name of `pacbayes.surrogates.SURROGATES`.
        bound: Which bound, a name of `pacbayes.objectives.OBJECTIVES` that needs no further number.
        noise: Where learning of the posterior's scales starts, in units of the prior's.
        family: `per-tensor` for a scale for each tensor, `diagonal` for one for each weight.
        train_a: Whether the `lora_A` factors are trained too.
        seed: Of the noise, which is drawn from a stream that certificates do not use.

    Raises:
        InputError: A number outside its domain, an unknown name, a trainable parameter that no
            noise can reach, a prior that does not fit.

    >>> from transformers import LlamaConfig, LlamaForCausalLM
    >>> config = LlamaConfig(vocab_size=16, hidden_size=8, intermediate_size=8,
    ...     num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2)
    >>> model = LlamaForCausalLM(config)
    >>> objective = train_objective(model, n=1000)
    >>> ids = torch.tensor([[1, 2, 3]])
    >>> with objective.noise(ids):
    ...     logits = model(ids).logits
    >>> value = objective(logits, labels=ids)
    >>> value.backward()
    >>> 0.9 < value.item() <= 1.0
    True
    """
    _check(n=n, delta=delta, noise=noise, seed=seed, loss=loss, bound=bound, family=family)
    covered, scales = covered_tensors(model, train_a=train_a)
    return TrainObjective(
        model=model,
        covered=covered,
        prior_centre=centre_of_prior(covered.tensors, prior),
        relative_scales=scales,
        n=n,
        delta=delta,
        loss=loss,
        bound=bound,
        noise=noise,
        family=family,
        seed=seed,
    )


class TrainObjective(nn.Module):
    """See `train_objective`. Its parameters are the logarithms of the posterior's scales.

    `state_dict` holds all that a training run needs to go on from: scales, running risk and the
    number of noise draws so far. In several processes each would learn scales of its own: use one.

    Attributes:
        posterior: Means, scales and KL of the posterior in training.
        log_sigmas: Natural logarithms of the scales, shape (tensors,) or (weights,).
        average: Running mean of the surrogate risk.
        draws: Number of noise draws so far.
    """

    average: Tensor
    draws: Tensor

    def __init__(
        self,
        *,
        model: nn.Module,
        covered: Noise,
        prior_centre: Mapping[str, Tensor],
        relative_scales: Mapping[str, float],
        n: int,
        delta: float,
        loss: str,
        bound: str,
        noise: float,
        family: str,
        seed: int,
    ) -> None:
        super().__init__()
        logs = torch.tensor([math.log(noise * scale) for scale in relative_scales.values()])
        if family == "diagonal":
            sizes = [covered.tensors[name].numel() for name in relative_scales]
            logs = logs.repeat_interleave(torch.tensor(sizes))
        self.log_sigmas = nn.Parameter(logs)
        self.register_buffer("average", torch.tensor(math.nan, dtype=torch.float64))
        self.register_buffer("draws", torch.tensor(0))
        self._models = (model,)  # in a tuple it is no submodule, its parameters not this one's
        self._surrogate, self._objective = SURROGATES[loss], OBJECTIVES[bound]
        self._n, self._delta = n, delta
        # stratum 0 is `--optimize`
        self._key = NoiseKey(seed=seed, stream=Stream.TRAINING, stratum=1)
        self._prior_centre = dict(prior_centre)
        self.posterior = TrainablePosterior(
            model=model,
            noise=covered,
            means=covered.tensors,
            log_sigmas=self.log_sigmas,
            prior_centre=prior_centre,
            relative_scales=relative_scales,
        )

    def add_to(self, optimizer: torch.optim.Optimizer, *, lr: float) -> None:
        """Lets an optimiser learn the scales too, once however often it is called.

        Their gradient is cleared after each step: the Trainer clears only its model's.

        Args:
            optimizer: The one of the model.
            lr: Learning rate of the logarithms of the scales; 1e-2 moves a scale by 1 % in a step.
        """
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if id(self.log_sigmas) in known:
            return
        optimizer.add_param_group({"params": [self.log_sigmas], "lr": lr, "weight_decay": 0.0})
        optimizer.register_step_post_hook(lambda *_: self.zero_grad())

    @contextmanager
    def noise(self, ids: Tensor) -> Iterator[None]:
        """For one forward pass with fresh draws of the posterior; gradients reach Q.

        Each row of the batch has a draw of its own, or all have the same one where the model does
        not allow that, or where their weights would be too many together.

        Args:
            ids: The batch that goes through the model: token ids, shape (rows, tokens).

        Raises:
            InputError: Gradient checkpointing is on: it runs layers again when the noise is gone.
        """
        modules = self._models[0].modules()
        if any(m.training and getattr(m, "gradient_checkpointing", False) for m in modules):
            raise InputError(
                "gradient checkpointing repeats the forward pass without the noise; switch it off."
            )
        number = int(self.draws)
        draws = [Draw(key=self._key, number=number, unit=row) for row in range(len(ids))]
        self.draws += 1
        with self.posterior.perturbed(draws, ids.shape[1]):
            yield

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The bound for a batch that went through the model within `noise`.

        Args:
            logits: Shape (rows, tokens, vocabulary).
            labels: Token ids, shape (rows, tokens), −100 outside the completion.
        """
        return self.bound(self._surrogate(logits, labels))

    def bound(self, losses: Tensor) -> Tensor:
        """The bound for losses of one's own, one in [0, 1] for each row; differentiable."""
        risk = losses.double().mean()
        steady, average = running_risk(self.average.to(risk.device), risk)
        if self.training:
            self.average.copy_(average)
        kl = self.kl().to(risk.device) + GRID.log_cost
        return self._objective(empirical_risk=steady, kl=kl, n=self._n, delta=self._delta)

    def kl(self) -> Tensor:
        """KL of the posterior to the prior at its best scale, nats, differentiable."""
        return self.posterior.kl()

    @property
    def sigmas(self) -> dict[str, float]:
        """The posterior's scale of each covered tensor, the root mean square over its weights."""
        return {k: moments(k, sigma.detach()).sigma for k, sigma in self.posterior.sigmas.items()}

    def save(self, checkpoint: str | Path) -> None:
        """Adds to a saved checkpoint what its certificate needs beside the weights.

        The scales go into `pacbayes.json`, for an adapter the prior's centre into the folder
        `initial_adapter`; a full model's prior is given as --prior. If each weight has a scale,
        `posterior.safetensors` is written too, to be given as --posterior.
        """
        folder = Path(checkpoint)
        if not folder.is_dir():
            raise InputError("no such folder; save the model there first.", path=folder)
        notes: dict[str, Any] = {"sigma_posterior": self.sigmas}
        if hasattr(self._models[0], "peft_config"):
            notes["initial_adapter"] = _INITIAL
            self._save_initial(folder / _INITIAL)
        write_atomically(folder / NOTES, (json.dumps(notes, indent=1) + "\n").encode())
        scales = {name: sigma.detach() for name, sigma in self.posterior.sigmas.items()}
        if any(scale.ndim for scale in scales.values()):
            save_posterior(around(self.posterior.means, scales), folder / POSTERIOR)

    def _save_initial(self, folder: Path) -> None:
        from peft import get_peft_model_state_dict
        from safetensors.torch import save_file

        model: Any = self._models[0]
        tensors = {
            name: self._prior_centre.get(name, tensor).detach().cpu().contiguous()
            for name, tensor in get_peft_model_state_dict(model).items()
        }
        with saving(folder) as partial:
            model.peft_config[model.active_adapter].save_pretrained(str(partial))
            save_file(tensors, partial / "adapter_model.safetensors", {"format": "pt"})


def _check(
    *, n: int, delta: float, noise: float, seed: int, loss: str, bound: str, family: str
) -> None:
    if n < 1:
        raise InputError(f"`n` must be at least 1, got {n}.")
    if not 0 < delta < 1:
        raise InputError(f"`delta` must lie in (0, 1), got {delta}.")
    if not 0 < noise < math.inf:
        raise InputError(f"`noise` must be positive and finite, got {noise}.")
    if not 0 <= seed < 2**64:
        raise InputError(f"`seed` must lie in [0, 2**64), got {seed}.")
    if family not in LEARNED:
        raise InputError(f"`family` must be one of {', '.join(LEARNED)}, got {family!r}.")
    if loss not in LOSSES:
        raise InputError(f"`loss` must be one of {', '.join(LOSSES)}, got {loss!r}.")
    free = [name for name in OBJECTIVES if name != "catoni"]  # needs a constant fixed beforehand
    if bound not in free:
        raise InputError(f"`bound` must be one of {', '.join(free)}, got {bound!r}.")
