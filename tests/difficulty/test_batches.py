import pytest
import torch

from pacbayes.difficulty.batches import in_halves


def test_what_does_not_fit_is_halved():
    done = []

    def work(batch):
        if len(batch) > 2:
            raise torch.OutOfMemoryError
        done.append(len(batch))
        return [10 * x for x in batch]

    assert in_halves(work, range(9)) == [10 * x for x in range(9)]
    assert max(done) == 2


def test_one_that_does_not_fit():
    def work(batch):
        raise torch.OutOfMemoryError("full")

    with pytest.raises(torch.OutOfMemoryError, match="full"):
        in_halves(work, [1, 2])
