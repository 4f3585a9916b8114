"""Gradients of the scales of single weights, with the noise taken out.

The gradient of the risk in ln σ_i is σ_i² h_i, with h_i the curvature along weight i averaged over
Q. From a mini-batch nearly all of it is noise, which Adam would turn into scales that differ for no
reason, and each nat of their anisotropy is paid for. Its sum over a tensor is known far better. So
that sum is spread over the weights in proportion to σ_i² v_i, where v_i is a running mean of the
squared gradient in the weight's mean: for a log-loss that is its curvature up to a factor
(Amari 1998; Khan et al. 2018 train scales by it). The certificate holds however scales were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

MEMORY = 0.99
"""Weight of what came before in the running mean."""


class ScaleGradients:
    """Backward passes for means and a log-scale for each weight.

    Args:
        means: Leaves by tensor.
        log_sigmas: A leaf, one number for each weight in the order of the means.

    Attributes:
        squares: The running mean of squared gradients of the means, by tensor; up to a factor.
    """

    def __init__(self, means: Mapping[str, Tensor], log_sigmas: Tensor) -> None:
        self._means, self._log_sigmas = means, log_sigmas
        self.squares = {name: torch.zeros_like(mean.detach()) for name, mean in means.items()}

    def backward(self, bound: Tensor, risks: Tensor, kl: Tensor) -> None:
        """Writes the gradients of a bound, a function of risks and KL, into the leaves."""
        leaves = [*self._means.values(), self._log_sigmas]
        by_risk, by_kl = torch.autograd.grad(bound, [risks, kl])
        *of_means, of_scales = torch.autograd.grad(risks, leaves, by_risk)
        *kl_of_means, kl_of_scales = torch.autograd.grad(kl, leaves, by_kl)
        for name, gradient in zip(self._means, of_means, strict=True):
            self.squares[name].lerp_(gradient.square(), 1 - MEMORY)
        steady = self._spread(of_scales)
        gradients = [a + b for a, b in zip(of_means, kl_of_means, strict=True)]
        for leaf, gradient in zip(leaves, [*gradients, steady + kl_of_scales], strict=True):
            leaf.grad = gradient

    def _spread(self, gradient: Tensor) -> Tensor:
        """The gradient's sum over each tensor, spread over its weights by their curvature."""
        sizes = [mean.numel() for mean in self._means.values()]
        variances = (2 * self._log_sigmas.detach()).exp().split(sizes)
        parts: Sequence[Tensor] = gradient.split(sizes)
        found = []
        for part, variance, squares in zip(parts, variances, self.squares.values(), strict=True):
            share = variance * squares.flatten().to(variance)
            whole = share.sum()
            found.append(part.sum() * share / whole if bool(whole > 0) else part)
        return torch.cat(found)
