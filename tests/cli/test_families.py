"""`--posterior FILE` of every family: what is certified is the Gaussian in the file."""

import json
import math
import random
from itertools import islice

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from pacbayes.certificate import Certificate
from pacbayes.errors import InputError
from pacbayes.models.loading import OpenOptions
from pacbayes.models.opening import open_fine_tuned
from pacbayes.objects.drawn import draw
from pacbayes.posteriors.diagonal import Diagonal
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.saved import save
from pacbayes.sample.problems import variant_problems
from pacbayes.verify import Inputs, check_inputs, read, verify

SCALE = 0.03


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Data and held-out data: different problems of one kind."""
    problems = list(islice(variant_problems(random.Random(9), [2]), 240))
    folder, found = tmp_path_factory.mktemp("families"), []
    for name, part in (("data", problems[:80]), ("held_out", problems[80:])):
        found.append(folder / f"{name}.jsonl")
        lines = [json.dumps({"prompt": p.prompt, "completion": p.completion}) for p in part]
        found[-1].write_text("\n".join(lines))
    return found


@pytest.fixture(scope="module")
def model(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "adapter", prior=checkpoints / "initial")
    )


def posterior_of(kind, model):
    """Around the adapter, with scales about `SCALE`, and its dense covariances by tensor."""
    generator = torch.Generator().manual_seed(0)

    def fixed(*sides):
        return torch.randn(*sides, generator=generator)

    means = {name: tensor.detach().clone() for name, tensor in model.noise.tensors.items()}
    scales = {name: SCALE * (0.7 * fixed(*mean.shape)).exp() for name, mean in means.items()}
    squares = {name: torch.diag(s.double().flatten() ** 2) for name, s in scales.items()}
    if kind == "diagonal":
        return Diagonal(means=means, scales=scales), squares
    if kind == "low-rank":
        factors = {name: SCALE * fixed(2, *mean.shape) for name, mean in means.items()}
        groups = {name: (name,) for name in means}
        for name, factor in factors.items():
            rows = factor.double().flatten(1)
            squares[name] = squares[name] + rows.T @ rows
        return LowRank(means=means, groups=groups, scales=scales, factors=factors), squares
    sides = [
        {k: torch.eye(m.shape[end]) + 0.1 * fixed(m.shape[end], m.shape[end]) for k, m in pairs}
        for end, pairs in enumerate([means.items()] * 2)
    ]
    rows, columns = {k: SCALE * part for k, part in sides[0].items()}, sides[1]
    made = Kronecker(means=means, rows=rows, columns=columns, scales={})
    covariances = {
        name: torch.kron(*((f @ f.T) for f in (rows[name].double(), columns[name].double())))
        for name in means
    }
    return made, covariances


def dense_kl(group, covariance):
    """By the textbook formula for a full covariance."""
    d, s = group.size, group.sigma_prior
    trace = float(covariance.trace()) / s**2
    log_det = float(torch.linalg.slogdet(covariance).logabsdet)
    return 0.5 * (trace - d - log_det + 2 * d * math.log(s) + group.distance_squared / s**2)


OPTIONS = {
    "diagonal": ["--tolerance", 0.2],
    "low-rank": ["--draw-mode", "block"],
    "kronecker": [],
}


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_saved_posterior_is_certified(kind, checkpoints, model, files, run_bound, tmp_path):
    posterior, covariances = posterior_of(kind, model)
    path, (data, held_out) = tmp_path / "saved.safetensors", files
    save(posterior, path)
    command = ["--checkpoint", checkpoints / "adapter", "--prior", checkpoints / "initial"]
    command += ["--posterior", path, "--data", data, "--held-out", held_out, "--passes", 2]
    command += ["--loss", "nll", "--also", "drawn", "--seed", 5, "--out", tmp_path / "out"]
    code, _, err = run_bound(*command, *OPTIONS[kind])
    assert code == 0, err

    def wrong_fields(name, file):
        document = read(tmp_path / "out" / f"{name}.json")
        report = verify(document)
        inputs = Inputs(
            checkpoint=checkpoints / "adapter",
            posterior=file,
            prior=checkpoints / "initial",
            network=tmp_path / "out" / "objects" / "drawn" if "drawn" in name else None,
        )
        check_inputs(document, report, inputs)
        return {finding.field for finding in report.findings}

    assert not wrong_fields("certificate", path)
    assert not wrong_fields("certificate.drawn", path)
    scaled = tmp_path / "scaled.safetensors"
    save(posterior.scaled(1.001), scaled)
    wrong = wrong_fields("certificate", scaled)
    groups = range(len(model.noise.tensors))
    assert {f"posterior.groups[{i}].sigma_posterior" for i in groups} <= wrong
    found = Certificate.read(tmp_path / "out" / "certificate.json")
    assert found.posterior.family == kind
    assert found.posterior.centre.path == str(path)
    for group in found.posterior.groups:
        exact = dense_kl(group, covariances[group.name])
        assert found.kl_by_group[group.name] == pytest.approx(exact, rel=1e-6)
        assert found.kl_by_group[group.name] > exact - 1e-6 * exact
        assert group.anisotropy > 1  # leaving it out would be another KL
        mean_variance = float(covariances[group.name].trace()) / group.size
        assert group.sigma_posterior == pytest.approx(math.sqrt(mean_variance), rel=1e-6)
    (stratum,) = found.strata
    assert stratum.risk_bound[1] >= stratum.held_out.stochastic.mean
    drawn = Certificate.read(tmp_path / "out" / "certificate.drawn.json")
    weights = draw(model, found.posterior, seed=5).weights
    for group in found.posterior.groups:
        h, w = weights[group.name].flatten(), model.noise.tensors[group.name].detach().flatten()
        w0 = model.prior_centre[group.name].double().flatten()
        q = multivariate_normal.logpdf(h.numpy(), w.double().numpy(), covariances[group.name])
        p = multivariate_normal.logpdf(
            h.numpy(), w0.numpy(), np.eye(group.size) * group.sigma_prior**2
        )
        assert drawn.kl_by_group[group.name] == pytest.approx(q - p, rel=1e-6, abs=1e-3)


def test_a_file_that_changed_is_not_drawn_from(checkpoints, model, files, run_bound, tmp_path):
    posterior, _ = posterior_of("diagonal", model)
    path = tmp_path / "saved.safetensors"
    save(posterior, path)
    command = ["--checkpoint", checkpoints / "adapter", "--prior", checkpoints / "initial"]
    command += ["--posterior", path, "--data", files[0], "--passes", 1, "--out", tmp_path / "out"]
    assert run_bound(*command)[0] == 0
    found = Certificate.read(tmp_path / "out" / "certificate.json")
    save(posterior.scaled(0.5), path)
    with pytest.raises(InputError, match="is no longer the posterior that was certified"):
        draw(model, found.posterior, seed=0)
