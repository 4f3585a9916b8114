"""Bounds as training objectives: differentiable in the empirical risk and KL, on tensors.

For minimising a bound over a posterior; a certificate is reported from `pacbayes.bounds`. Values
agree with the functions of the same names there, except that they go on above 1, where a bound
says nothing but its slope still points the way. An objective that holds for all values of a
parameter is free to choose it anew at each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pacbayes import bounds
from pacbayes.bounds._domain import require, require_between, require_delta, require_n

_LEAST = 1e-12
"""Where a slope is infinite, the distance from there at which it is taken."""


def binary_kl_inverse_upper(q: Tensor, c: Tensor) -> Tensor:
    """kl⁺(q, c) with the gradients of the implicit function.

    From kl(q‖p) = c: ∂p/∂c = p (1 − p)/(p − q), ∂p/∂q = ln(p (1 − q)/(q (1 − p))) ∂p/∂c.

    Args:
        q: Probabilities in [0, 1], any shape, floating point, on any device.
        c: Nats, at least 0, of a shape that broadcasts.

    Returns:
        Values in [q, 1], of the type and device of `q`.

    Raises:
        ValueError: A value outside its domain, or `q` not floating point.

    >>> q, c = torch.tensor(0.1, dtype=torch.float64, requires_grad=True), torch.tensor(0.05)
    >>> p = binary_kl_inverse_upper(q, c)
    >>> p.backward()
    >>> round(float(p.detach()), 6), round(float(q.grad), 6)
    (0.220079, 1.332252)
    """
    return _kl_inverse(q, c, upper=True)


def binary_kl_inverse_lower(q: Tensor, c: Tensor) -> Tensor:
    """kl⁻(q, c), the smaller solution; otherwise as `binary_kl_inverse_upper`."""
    return _kl_inverse(q, c, upper=False)


def _kl_inverse(q: Tensor, c: Tensor, *, upper: bool) -> Tensor:
    if not q.is_floating_point():
        raise ValueError(f"`q` must be floating point, got {q.dtype}.")
    wide, nats = torch.broadcast_tensors(q.double(), c.to(q.device, torch.float64))
    return _KlInverse.apply(wide, nats, upper).to(q.dtype)


class _KlInverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, c: Tensor, upper: bool) -> Tensor:
        invert = bounds.binary_kl_inverse_upper if upper else bounds.binary_kl_inverse_lower
        value = invert(q.detach().cpu().numpy(), c.detach().cpu().numpy())
        p = torch.as_tensor(value, dtype=torch.float64, device=q.device)
        ctx.upper = upper
        ctx.save_for_backward(q, p)
        return p

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        (grad,) = outputs
        q, p = ctx.saved_tensors
        # at c = 0 the slope in c is infinite: taken a little further on
        gap = torch.where(p == q, _LEAST if ctx.upper else -_LEAST, p - q)
        by_c = p * (1 - p) / gap
        # at q = 0 and 1 that in q may be: taken a little inside, but not beyond p
        inside = torch.where(q == 0, p.clamp(max=_LEAST), q)
        inside = torch.where(q == 1, p.clamp(min=1 - _LEAST), inside)
        by_q = (_logit(p) - _logit(inside)) * by_c
        # at c = 0 both are equal, and so is their slope
        by_q = torch.where(p == q, torch.ones_like(p), by_q)
        return grad * by_q, grad * by_c, None


def _logit(p: Tensor) -> Tensor:
    return torch.logit(p.clamp(torch.finfo(p.dtype).tiny, 1 - 2.0**-53))


def running_risk(average: Tensor, risk: Tensor, *, memory: float = 0.95) -> tuple[Tensor, Tensor]:
    """Steadies the risk of a mini-batch: the value of a running mean with the gradient of the risk.

    A bound is curved in the empirical risk, so that its slope at the risk of one small batch errs
    systematically; the running mean is close to the risk of the whole sample.

    Args:
        average: The running mean so far; NaN before the first batch.
        risk: The batch's, of the same shape.
        memory: Weight of what came before.

    Returns:
        The steadied risk, and the new running mean, which has no gradient.
    """
    now = risk.detach()
    average = torch.where(average.isnan(), now, memory * average + (1 - memory) * now)
    return average + (risk - now), average


def seeger_maurer(*, empirical_risk: Tensor, kl: Tensor, n: int, delta: float) -> Tensor:
    """The kl bound, `pacbayes.bounds.seeger_maurer`.

    Where it is near 1 its slopes vanish: start with `quadratic` or `pinsker` from far away.

    Args:
        empirical_risk: r̂, a differentiable surrogate in [0, 1]; any shape, as `kl`.
        kl: KL(Q‖P) in nats.
        n: Independent units in the sample.
        delta: Failure probability in (0, 1).
    """
    return binary_kl_inverse_upper(empirical_risk, _nats(kl, n, delta, bounds.log_xi(n)))


def time_uniform_kl(*, empirical_risk: Tensor, kl: Tensor, n: int, delta: float) -> Tensor:
    """`pacbayes.bounds.time_uniform_kl`; arguments as `seeger_maurer`."""
    constant = bounds.log_kt_constant(n)
    return binary_kl_inverse_upper(empirical_risk, _nats(kl, n, delta, constant))


def pinsker(*, empirical_risk: Tensor, kl: Tensor, n: int, delta: float) -> Tensor:
    """`pacbayes.bounds.pinsker`; arguments as `seeger_maurer`."""
    return empirical_risk + (_nats(kl, n, delta, _log_2sqrtn(n)) / 2).sqrt()


def thiemann(
    *, empirical_risk: Tensor, kl: Tensor, n: int, delta: float, lam: float | Tensor | None = None
) -> Tensor:
    """`pacbayes.bounds.thiemann`, at its best λ (held fixed in the gradient) if none is given."""
    cost = _nats(kl, n, delta, _log_2sqrtn(n))
    if lam is None:
        with torch.no_grad():
            lam = 2 / ((2 * empirical_risk / cost + 1).sqrt() + 1)
    else:
        require_between(torch.as_tensor(lam).detach().cpu().numpy(), "lam", 0, 2)
    rest = 1 - lam / 2
    return empirical_risk / rest + cost / (lam * rest)


def quadratic(*, empirical_risk: Tensor, kl: Tensor, n: int, delta: float) -> Tensor:
    """`pacbayes.bounds.quadratic`; arguments as `seeger_maurer`."""
    half = _nats(kl, n, delta, _log_2sqrtn(n)) / 2
    return ((empirical_risk + half).sqrt() + half.sqrt()) ** 2


def uniform_catoni(
    *,
    empirical_risk: Tensor,
    kl: Tensor,
    n: int,
    delta: float,
    c: float | None = None,
    gamma: float | None = None,
) -> Tensor:
    """`pacbayes.bounds.uniform_catoni`, linear in r̂ and KL at given c and γ.

    If neither is given, the best of both (held fixed in the gradient): the value and gradient of
    the kl bound. Arguments otherwise as `seeger_maurer`.
    """
    if (c is None) != (gamma is None):
        raise ValueError("`c` and `gamma` must be given together, or neither for the best of both.")
    if c is None or gamma is None:
        return seeger_maurer(empirical_risk=empirical_risk, kl=kl, n=n, delta=delta)
    cost = _nats(kl, n, delta, bounds.log_xi(n))
    require_between(gamma, "gamma", 1, math.inf)
    require(0 < c <= 1, np.asarray(c), "c", "lie in (0, 1]")
    slope = -math.log1p(-1 / gamma)
    return c * gamma * (slope * empirical_risk + cost) + gamma * (1 - c * (1 - math.log(c)))


def catoni(*, empirical_risk: Tensor, kl: Tensor, n: int, delta: float, c: float) -> Tensor:
    """`pacbayes.bounds.catoni` at a constant fixed before the sample; otherwise as there."""
    require_between(c, "c", 0, math.inf, "It is Catoni's inverse temperature.")
    return torch.expm1(-c * empirical_risk - _nats(kl, n, delta, 0.0)) / math.expm1(-c)


OBJECTIVES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "seeger_maurer": seeger_maurer,
        "time_uniform_kl": time_uniform_kl,
        "pinsker": pinsker,
        "thiemann": thiemann,
        "quadratic": quadratic,
        "uniform_catoni": uniform_catoni,
        "catoni": catoni,
    }
)
"""By the name of the bound whose value they have."""


def _nats(kl: Tensor, n: int, delta: float, log_constant: float) -> Tensor:
    return (kl + (log_constant - math.log(require_delta(delta)))) / float(require_n(n))


def _log_2sqrtn(n: int) -> float:
    return math.log(2) + math.log(require_n(n)) / 2
