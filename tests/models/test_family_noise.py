"""Noise of every family for each row of a batch and in place: its law, and one draw in both."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.noise import WeightNoise, beside
from pacbayes.models.row_noise import gram_root
from pacbayes.posteriors.kronecker import Kronecker
from pacbayes.posteriors.low_rank import LowRank
from pacbayes.posteriors.noise import standard_normals
from pacbayes.posteriors.spread import as_family
from tests.models.test_layer_noise import (
    IDS,
    LENGTHS,
    MODELS,
    by_tokens,
    draws,
    explicitly,
    parameters,
)
from tests.posteriors.conformance import least_p_value

KINDS = ["a scale a weight", "low-rank", "kronecker"]


def law(kind, name, shape, scale=0.1):
    """Noise of one tensor; of the type float64, and a fixed function of name and shape."""
    generator = torch.Generator().manual_seed(sum(map(ord, name)))

    def fixed(*sides):
        return torch.randn(*sides, generator=generator, dtype=torch.float64)

    scales = scale * fixed(*shape).exp()
    if kind == "a scale a weight" or (kind == "kronecker" and len(shape) != 2):
        return scales
    mean = torch.zeros(shape)
    if kind == "low-rank":
        return LowRank(
            means={name: mean},
            groups={name: (name,)},
            scales={name: scales},
            factors={name: scale * fixed(2, *shape)},
        )
    rows, columns = (torch.eye(side).double() + 0.3 * fixed(side, side) for side in shape)
    return Kronecker(
        means={name: mean}, rows={name: scale * rows}, columns={name: columns}, scales={}
    )


def dense(spread, shape):
    family = as_family("weight", spread, torch.zeros(shape))
    unit = torch.eye(family.n_normals, dtype=torch.float64)
    root = family.noise(unit)["weight"].reshape(len(unit), -1)
    return root.T @ root


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [nn.Linear, Conv1D])
def test_outputs_of_each_row_have_the_covariance_of_the_family(kind, layer):
    """3,000 draws of 2 tokens: false alarm below 1e-6, exactly. The twin of one scale is seen."""
    n, n_in, n_out = 3000, 4, 3
    torch.manual_seed(0)
    module = layer(n_in, n_out) if layer is nn.Linear else layer(n_out, n_in)
    shape = tuple(module.weight.shape)
    spread = law(kind, "weight", shape)
    x = torch.randn(2, n_in)
    noise = LayerNoise({"weight": module.weight}, by_tokens=by_tokens)
    with torch.inference_mode():
        calm = module(x)
        with noise.applied(draws(n), {"weight": spread}, [2] * n):
            found = (module(x.repeat(n, 1, 1)) - calm).double().reshape(n, -1)
    # outputs as a linear map of the weights in their order
    unit = torch.eye(n_in * n_out, dtype=torch.float64).view(-1, *shape)
    outputs = x.double() @ (unit if layer is Conv1D else unit.mT)
    outputs = outputs.reshape(n_in * n_out, -1)
    covariance = outputs.T @ dense(spread, shape) @ outputs
    assert least_p_value(found, covariance.numpy()) > 1e-6
    same = torch.eye(n_in * n_out) * dense(spread, shape).trace() / (n_in * n_out)
    assert least_p_value(found, (outputs.T @ same.double() @ outputs).numpy()) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_of_each_row_have_the_covariance_of_the_family(kind):
    """As above; the two tokens are rows of one matrix, which may depend on one another."""
    n, module = 3000, nn.Embedding(4, 2)
    spread = law(kind, "weight", (4, 2))
    noise = LayerNoise({"weight": module.weight})
    ids = torch.tensor([[3, 1, 3]])
    with torch.inference_mode():
        calm = module(ids)
        with noise.applied(draws(n), {"weight": spread}, [3] * n):
            shifted = (module(ids.expand(n, -1)) - calm).double()
    assert torch.equal(shifted[:, 0], shifted[:, 2])  # one token, one embedding
    covariance = dense(spread, (4, 2)).view(4, 2, 4, 2)[[3, 1]][:, :, [3, 1]].reshape(4, 4)
    found = shifted[:, :2].reshape(n, -1)
    assert least_p_value(found, covariance.numpy()) > 1e-6
    assert least_p_value(1.1 * found, covariance.numpy()) < 1e-6


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["tied llama", "gpt2"])
def test_rows_equal_weights_with_the_same_draw(name, kind):
    """In a whole model, tied embeddings too where their noise is made as a whole."""
    model = MODELS[name](layers=1).double()
    # rows draw single embeddings of independent weights, which are other variates
    apart = ("embed_tokens", "wte", "wpe") if kind == KINDS[0] else ()
    covered = {k: p for k, p in parameters(model).items() if not any(part in k for part in apart)}
    laws = {k: law(kind, k, tuple(p.shape), 0.05) for k, p in covered.items()}
    before = {k: p.detach().clone() for k, p in covered.items()}
    with torch.inference_mode():
        calm = model(input_ids=IDS).logits
        with LayerNoise(covered, by_tokens=by_tokens).applied(draws(2), laws, LENGTHS):
            found = model(input_ids=IDS).logits
        for row, draw in enumerate(draws(2)):
            with WeightNoise(covered).applied([draw], laws):
                expected = model(input_ids=IDS[row : row + 1]).logits[0]
            length = LENGTHS[row]
            torch.testing.assert_close(found[row, :length], expected[:length], rtol=0, atol=1e-9)
            assert float((found[row, :length] - calm[row, :length]).abs().max()) > 1e-2
    assert all(torch.equal(p, before[k]) for k, p in covered.items())


def test_further_variates_are_no_others_variates():
    """The directions of low rank have variates of their own: no weight's noise is used again."""
    module = nn.Linear(3, 2, bias=False)
    spread = law("low-rank", "weight", (2, 3))
    wide = replace(
        spread,
        scales={"weight": torch.full((2, 3), 1e-9)},
        factors={"weight": torch.eye(2).view(2, 2, 1).expand(2, 2, 3).contiguous()},
    )
    narrow = torch.ones(2, 3)
    found = []
    with torch.no_grad():
        module.weight.zero_()
        for one in (wide, narrow):
            with WeightNoise({"weight": module.weight}).applied(draws(1), {"weight": one}):
                found.append(module.weight.clone())
    directions, weights = found
    assert torch.allclose(directions, directions[:, :1].expand(2, 3), atol=1e-6)
    assert float((directions[:, :1] - weights).abs().min()) > 1e-4


def test_noise_of_one_scale_is_a_fixed_function_of_the_key():
    """Which variates a tensor gets is written down here: kept draws must go on being those."""
    torch.manual_seed(0)
    weight, table = torch.randn(200, 100), torch.randn(7, 3)
    (draw,) = draws(1)

    def normals(part, *shape):
        return standard_normals([draw], math.prod(shape), part=part).view(shape)

    module = nn.Linear(100, 200, bias=False)
    module.weight.data = weight.clone()
    embedding = nn.Embedding(7, 3)
    embedding.weight.data = table.clone()
    covered = {"embedding": embedding.weight, "weight": module.weight}
    sigmas = {"embedding": 0.5, "weight": -0.25}
    noisy = weight - 0.25 * normals(1, 200, 100)
    with torch.inference_mode():
        with WeightNoise(covered).applied([draw], sigmas):
            assert torch.equal(embedding.weight, table + 0.5 * normals(0, 7, 3))
            assert torch.equal(module.weight, noisy)
        x, ids = torch.randn(1, 2, 100), torch.tensor([[5, 2]])
        with LayerNoise(covered, by_tokens=explicitly).applied([draw], sigmas, [2]):
            found, looked_up = module(x), embedding(ids)
        torch.testing.assert_close(found, x @ noisy.T, rtol=1e-5, atol=1e-4)
        of_rows = table[[2, 5]] + 0.5 * normals(1 << 24, 2, 3)
        assert torch.equal(looked_up[0], of_rows.flip(0))
        with LayerNoise(covered, by_tokens=by_tokens).applied([draw], sigmas, [2]):
            found, _ = module(x), embedding(ids)
        noise = gram_root(x[0]) @ normals((1 << 24) + 1, 2, 200)
        torch.testing.assert_close(found[0], x[0] @ weight.T - 0.25 * noise, rtol=1e-5, atol=1e-4)


def test_scales_go_where_their_tensors_are():
    tensors = {"a": torch.zeros(2, device="meta"), "b": torch.zeros(1)}
    moved = beside({"a": torch.ones(2), "b": 0.5}, tensors)
    assert moved["a"].device.type == "meta"
    assert moved["b"] == 0.5
