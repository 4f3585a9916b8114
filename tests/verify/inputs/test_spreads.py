"""The noise in files of every family, against dense covariances; and files that are none."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from pacbayes.posteriors.isotropic import Isotropic
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.per_group import PerGroup
from pacbayes.posteriors.saved import save
from pacbayes.verify import UnreadableError
from pacbayes.verify.comparisons import Report
from pacbayes.verify.inputs.spreads import PosteriorFile, check_spread

MEANS = {"a": torch.zeros(3, 2), "b": torch.zeros(4)}
GENERATOR = torch.Generator().manual_seed(1)


def fixed(*shape):
    return torch.randn(*shape, generator=GENERATOR)


ROWS, COLUMNS = torch.eye(3) + 0.3 * fixed(3, 3), torch.eye(2) + 0.3 * fixed(2, 2)
FACTOR = fixed(2, 3, 2)
SAVED = {
    "isotropic": (Isotropic(means=MEANS, scale=torch.tensor(0.25)), 0.0625 * torch.eye(6)),
    "per-group": (
        PerGroup(means=MEANS, groups={"all": ("a", "b")}, scales={"all": torch.tensor(0.5)}),
        0.25 * torch.eye(6),
    ),
    "low-rank": (
        LowRank(
            means=MEANS,
            groups={"a": ("a",), "b": ("b",)},
            scales={"a": torch.tensor(0.5), "b": torch.tensor(1.0)},
            factors={"a": FACTOR, "b": fixed(1, 4)},
        ),
        0.25 * torch.eye(6) + FACTOR.flatten(1).T @ FACTOR.flatten(1),
    ),
    "kronecker": (
        Kronecker(
            means=MEANS,
            rows={"a": ROWS},
            columns={"a": COLUMNS},
            scales={"b": torch.tensor(1.0)},
        ),
        torch.kron(ROWS @ ROWS.T, COLUMNS @ COLUMNS.T),
    ),
}


@pytest.mark.parametrize("family", SAVED)
def test_spreads_are_those_of_the_dense_covariance(tmp_path, family):
    posterior, covariance = SAVED[family]
    save(posterior, tmp_path / "p")
    found = PosteriorFile(tmp_path / "p").spread("a", 6)
    variance = float(covariance.double().trace()) / 6
    assert found.sigma == pytest.approx(math.sqrt(variance), rel=1e-6)
    spread = 6 * math.log(variance) - float(torch.logdet(covariance.double()))
    assert found.anisotropy == pytest.approx(spread / 2, rel=1e-5, abs=1e-6)
    assert (found.anisotropy > 0.01) == (family in ("low-rank", "kronecker"))


@pytest.mark.parametrize(
    ("outline", "tensors"),
    [
        (None, {}),
        ([], {}),
        ({"family": "unknown"}, {}),
        ({"family": "per-group", "groups": ["all"]}, {"scales/all": torch.ones(1)}),
        ({"family": "per-group", "groups": {"all": 3}}, {"scales/all": torch.ones(1)}),
        ({"family": "diagonal"}, {"scales/a": torch.tensor([-1.0])}),
        ({"family": "diagonal"}, {"scales/a": torch.zeros(0)}),
        ({"family": "low-rank"}, {"scales/a": torch.ones(1), "factors/a": torch.tensor(1.0)}),
        ({"family": "low-rank"}, {"scales/a": torch.ones(4), "factors/a": torch.ones(1, 6)}),
        ({"family": "kronecker"}, {"rows/a": torch.ones(3, 2), "columns/a": torch.ones(2, 2)}),
        ({"family": "kronecker"}, {"rows/a": torch.ones(3, 3)}),
    ],
)
def test_a_file_that_is_no_posterior_of_the_tensor(tmp_path, outline, tensors):
    path = tmp_path / "p"
    tensors = {"means/a": torch.zeros(3, 2), **tensors}
    save_file(tensors, path, metadata={"pacbayes": json.dumps(outline)})
    group = {"name": "a", "size": 6, "sigma_posterior": 1.0, "anisotropy": 0.0}
    document = {"posterior": {"family": "gaussian", "groups": [group]}}
    report = Report(leaves=())
    with pytest.raises(UnreadableError, match="p: "):
        check_spread(document, report, PosteriorFile(path))
