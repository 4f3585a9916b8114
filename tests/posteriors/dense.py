"""Gaussians with a dense covariance, in 50 digits, by the textbook formulas."""

import mpmath
import numpy as np

DIGITS = 50


def exact(tensor):
    """The exact values of a tensor as an array of mpmath numbers."""
    values = tensor.detach().double().numpy()
    return np.vectorize(lambda x: mpmath.mpf(float(x)), otypes=[object])(values)


def flat(tensors):
    """All weights of named tensors, in order."""
    return np.concatenate([exact(tensor).reshape(-1) for tensor in tensors.values()])


def prior_scales(prior):
    return np.concatenate(
        [
            np.broadcast_to(exact(prior.scales[name]), tuple(centre.shape)).reshape(-1)
            for name, centre in prior.centre.items()
        ]
    )


def _log_det(covariance):
    root = mpmath.cholesky(mpmath.matrix(covariance.tolist()))
    return 2 * sum(mpmath.log(root[i, i]) for i in range(len(covariance)))


def _squares(covariance, vector):
    solved = mpmath.cholesky_solve(
        mpmath.matrix(covariance.tolist()), mpmath.matrix(vector.tolist())
    )
    return sum(a * b for a, b in zip(vector, solved, strict=True))


def kl(means, covariance, prior):
    """½ [tr(P⁻¹Σ) − d + (w − w₀)ᵀP⁻¹(w − w₀) + ln det P − ln det Σ]."""
    scales, shift = prior_scales(prior), flat(means) - flat(prior.centre)
    trace = sum(np.diag(covariance) / scales**2)
    log_det = 2 * sum(map(mpmath.log, scales)) - _log_det(covariance)
    return (trace - len(scales) + sum((shift / scales) ** 2) + log_det) / 2


def log_ratio(weights, means, covariance, prior):
    """ln of the ratio of the two normal densities at a point."""
    scales, point = prior_scales(prior), flat(weights)
    log_q = -(_log_det(covariance) + _squares(covariance, point - flat(means))) / 2
    log_p = -sum(map(mpmath.log, scales)) - sum(((point - flat(prior.centre)) / scales) ** 2) / 2
    return log_q - log_p
