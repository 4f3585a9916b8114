"""The surrogates against the losses they stand for, and against plain sums."""

import math

import pytest
import torch

from pacbayes.losses import LOSSES
from pacbayes.objectives import running_risk, seeger_maurer
from pacbayes.surrogates import IGNORED, SURROGATES


@pytest.fixture
def batch():
    """Three rows with completions of 4, 2 and 3 tokens behind a prompt, padded on the right."""
    torch.manual_seed(0)
    logits = 3 * torch.randn(3, 9, 12, dtype=torch.float64)
    labels = torch.randint(0, 12, (3, 9))
    labels[:, :3] = IGNORED
    for row, end in enumerate((7, 5, 6)):
        labels[row, end:] = IGNORED
        # make some completions likely: raise the right scores of the first two rows
        if row < 2:
            for place in range(3, end):
                logits[row, place - 1, labels[row, place]] += 9
    return logits, labels


def completion(batch, row):
    """Scores and targets of one completion, as `pacbayes.losses` takes them."""
    logits, labels = batch
    (places,) = torch.nonzero(labels[row] != IGNORED, as_tuple=True)
    return logits[row, places - 1], labels[row, places]


def test_against_plain_sums(batch):
    exact, token = (SURROGATES[name](*batch) for name in ("exact", "token"))
    for row in range(3):
        scores, targets = completion(batch, row)
        p = [float(s.softmax(-1)[t]) for s, t in zip(scores, targets, strict=True)]
        assert float(exact[row]) == pytest.approx(1 - math.prod(p))
        assert float(token[row]) == pytest.approx(1 - sum(p) / len(p))


def test_nll_is_the_loss_itself(batch):
    found = SURROGATES["nll"](*batch)
    for row in range(3):
        assert float(found[row]) == pytest.approx(LOSSES["nll"].compute(*completion(batch, row)))


def test_twice_the_surrogate_is_at_least_the_loss(batch):
    for name in ("exact", "token"):
        losses = [LOSSES[name].compute(*completion(batch, row)) for row in range(3)]
        assert 0 < sum(losses) < 3
        assert all(2 * s >= loss for s, loss in zip(SURROGATES[name](*batch), losses, strict=True))


@pytest.mark.parametrize("name", SURROGATES)
def test_gradients_and_range(batch, name):
    logits, labels = batch
    assert torch.autograd.gradcheck(
        lambda x: SURROGATES[name](x, labels), logits.clone().requires_grad_()
    )
    for scale in (1e-6, 1e3):
        value = SURROGATES[name](scale * logits, labels)
        assert bool(((value >= 0) & (value <= 1)).all())


def test_a_lost_surrogate_still_has_finite_gradients_in_the_bound():
    """In float32 a completion that the noise has spoilt has a surrogate of exactly 1."""
    risk = torch.ones(1, dtype=torch.float64, requires_grad=True)
    kl = torch.tensor(500.0, dtype=torch.float64, requires_grad=True)
    seeger_maurer(empirical_risk=risk, kl=kl, n=1000, delta=0.05).log().sum().backward()
    assert risk.grad.item() == 1.0
    assert kl.grad.item() == 0.0


def test_running_risk_has_the_value_of_the_mean_and_the_gradient_of_the_batch():
    average = torch.tensor(float("nan"), dtype=torch.float64)
    for value, expected in ((0.5, 0.5), (0.1, 0.48)):
        risk = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        steady, average = running_risk(average, risk)
        assert steady.item() == pytest.approx(expected)
        steady.backward()
        assert risk.grad.item() == 1.0
    assert not average.requires_grad
