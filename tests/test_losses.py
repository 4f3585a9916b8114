import math

import pytest
import torch

from pacbayes.losses import LOSSES, SMOOTHING, exact, nll, nll_width, token


def test_exact_and_token_by_hand():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    assert exact(logits, torch.tensor([1, 0, 2])) == 0.0
    assert exact(logits, torch.tensor([1, 0, 1])) == 1.0
    assert token(logits, torch.tensor([1, 0, 1])) == pytest.approx(1 / 3)


def test_nll_closed_form():
    logits = torch.tensor([[1.0, -2.0, 0.5, 0.0]])
    p = torch.softmax(logits.double(), -1)[0, 2].item()
    smoothed = (1 - SMOOTHING) * p + SMOOTHING / 4
    best = 1 - SMOOTHING + SMOOTHING / 4
    expected = math.log(best / smoothed) / nll_width(4)
    assert nll(logits, torch.tensor([2])) == pytest.approx(expected, rel=1e-12)


def test_nll_reaches_both_ends_of_its_range():
    sure = torch.tensor([[200.0, -200.0, -200.0]])
    assert nll(sure, torch.tensor([0])) == pytest.approx(0.0, abs=1e-12)
    assert nll(sure, torch.tensor([1])) == pytest.approx(1.0, abs=1e-12)
    worst = -math.log(SMOOTHING / 3)
    best = -math.log(1 - SMOOTHING + SMOOTHING / 3)
    assert nll_width(3) == pytest.approx(worst - best, rel=1e-12)


def test_the_registry_is_complete_and_read_only():
    assert set(LOSSES) == {"exact", "token", "nll"}
    with pytest.raises(TypeError):
        LOSSES["mine"] = LOSSES["exact"]
