"""Noise for each row of a batch is what weights with that noise would give, in law and in fact."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM
from transformers.pytorch_utils import Conv1D

from pacbayes.errors import InputError
from pacbayes.models import noise as noise_in_place
from pacbayes.models import row_noise
from pacbayes.models.layer_noise import LayerNoise
from pacbayes.models.noise import WeightNoise
from pacbayes.models.row_check import check_rows
from pacbayes.models.row_noise import cheaper_by_tokens, gram_root
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream

KEY = NoiseKey(seed=3, stream=Stream.CERTIFICATE, stratum=0)
VOCABULARY = 23


def draws(count, number=0):
    return [Draw(key=KEY, number=number, unit=unit) for unit in range(count)]


def by_tokens(*_):
    return True


def explicitly(*_):
    return False


def llama(layers=2, **changes):
    torch.manual_seed(1)
    shape = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 20,
        "max_position_embeddings": 32,
        "attention_bias": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.15,
    }
    return LlamaForCausalLM(LlamaConfig(**(shape | changes))).eval()


def gpt2(layers=2, **changes):
    torch.manual_seed(1)
    shape = {
        "vocab_size": VOCABULARY,
        "n_embd": 16,
        "n_layer": layers,
        "n_head": 2,
        "n_positions": 32,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "initializer_range": 0.15,
    }
    return GPT2LMHeadModel(GPT2Config(**(shape | changes))).eval()


MODELS = {
    "llama": llama,
    "tied llama": lambda layers=2: llama(layers, tie_word_embeddings=True),
    "gpt2": gpt2,
    "untied gpt2": lambda layers=2: gpt2(layers, tie_word_embeddings=False),
}
IDS = torch.tensor([[5, 7, 7, 5, 11, 7, 2, 19, 5], [3, 3, 3, 20, 4, 1, 0, 0, 0]])
LENGTHS = (9, 6)


def parameters(model):
    return dict(model.named_parameters())


def log_losses(model, ids):
    """Mean negative log-likelihood in nats of each row, shape (rows,), float64."""
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1].double()
    return functional.cross_entropy(logits.mT, ids[:, 1:], reduction="none").mean(1)


# --- one layer: covariances in closed form


@dataclass
class Case:
    """Tokens of the rows of one unit, all of which share a draw."""

    rows: tuple[torch.Tensor, ...]

    @property
    def stacked(self):
        return torch.cat(self.rows)


def cases():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(9, 4, generator=generator)
    return {
        "few tokens": Case((x[:3],)),
        "more tokens than inputs": Case((x,)),
        "repeated tokens": Case((x[[0, 1, 0, 0, 1]],)),
        "tokens of zeros": Case((x[:3] * torch.tensor([[1.0], [0.0], [1.0]]),)),
        "two rows of a unit": Case((x[:3], x[2:4])),
    }


@pytest.mark.parametrize("how", [by_tokens, explicitly])
@pytest.mark.parametrize("layer", [nn.Linear, Conv1D])
@pytest.mark.parametrize("name", cases())
def test_output_noise_has_the_covariance_of_weight_noise(name, layer, how):
    """Over tokens σ² X Xᵀ, between output units 0; every entry within 5 standard errors.

    About 1,000 entries in all 20 cases: false alarm below 1e-3, and the seed is fixed.
    """
    case, sigma, n, n_out = cases()[name], 0.7, 2000, 3
    torch.manual_seed(0)
    module = nn.Linear(4, n_out) if layer is nn.Linear else Conv1D(n_out, 4)
    width = max(map(len, case.rows))
    x = torch.full((len(case.rows), width, 4), 1e3)  # padding that would be seen
    for row, tokens in zip(x, case.rows, strict=True):
        row[: len(tokens)] = tokens
    batch = x.repeat(n, 1, 1)
    of_rows = [draw for draw in draws(n) for _ in case.rows]
    lengths = [len(tokens) for tokens in case.rows] * n
    noise = LayerNoise({"weight": module.weight}, by_tokens=how)
    with torch.inference_mode():
        calm = module(batch)
        with noise.applied(of_rows, {"weight": sigma}, lengths):
            shifted = module(batch) - calm
    shifted = shifted.view(n, len(case.rows), width, n_out)
    found = torch.cat([shifted[:, r, : len(t)] for r, t in enumerate(case.rows)], dim=1).double()
    n_tokens = found.shape[1]
    flat = found.transpose(1, 2).reshape(n, -1)  # output units, then tokens
    gram = sigma**2 * case.stacked.double() @ case.stacked.double().T
    expected = torch.block_diag(*[gram] * n_out)
    error = (flat.T @ flat / n - expected).abs()
    variances = expected.diagonal()
    standard_error = ((variances[:, None] * variances + expected**2) / n).sqrt()
    assert bool((error <= 5 * standard_error + 1e-5).all())
    assert bool((flat.mean(0).abs() <= 5 * (variances / n).sqrt() + 1e-5).all())
    # a twin with noise of its own at every token: right variances, no covariances
    if name == "repeated tokens":
        alone = torch.diag(variances)
        assert bool(((alone - expected).abs() > 5 * standard_error).any())
    assert n_tokens == len(case.stacked)


def test_root_of_the_gram_matrix():
    for case in cases().values():
        x = case.stacked
        root = gram_root(x).double()
        gram = x.double() @ x.double().T
        torch.testing.assert_close(root @ root, gram, rtol=0, atol=1e-5)
        padded = gram_root(torch.cat([x, torch.zeros(2, 4)])).double()
        torch.testing.assert_close(padded[: len(x), : len(x)], root, rtol=0, atol=1e-6)
    assert bool(gram_root(torch.full((2, 2), torch.inf)).isnan().all())


def test_root_is_continuous_where_a_qr_factor_is_not():
    """Equal tokens, one of them off in the last bits, as another batch size would compute it."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 8)
    x = torch.stack([a, a, b])
    y = x + 1e-7 * torch.randn(3, 8)
    assert float((gram_root(x) - gram_root(y)).abs().max()) < 1e-5
    factors = [torch.linalg.qr(t.T, mode="r").R.abs() for t in (x, y)]
    assert float((factors[0] - factors[1]).abs().max()) > 0.1


def test_the_cheaper_way_depends_on_sizes():
    assert not cheaper_by_tokens(60, 128, 320)
    assert cheaper_by_tokens(60, 4096, 4096)
    assert not cheaper_by_tokens(4096, 4096, 4096)


# --- whole models


@pytest.mark.parametrize("name", MODELS)
def test_explicit_rows_equal_weights_with_the_same_draw(name):
    """All tensors but the embeddings, whose rows are laid out by token: equal up to rounding."""
    model = MODELS[name]().double()
    covered = {
        k: p
        for k, p in parameters(model).items()
        if not any(part in k for part in ("embed_tokens", "wte", "wpe"))
    }
    sigmas = dict.fromkeys(covered, 0.1)
    with torch.inference_mode():
        with LayerNoise(covered, by_tokens=explicitly).applied(draws(2), sigmas, LENGTHS):
            found = model(input_ids=IDS).logits
        for row, draw in enumerate(draws(2)):
            with WeightNoise(covered).applied([draw], sigmas):
                expected = model(input_ids=IDS[row : row + 1]).logits[0]
            length = LENGTHS[row]
            torch.testing.assert_close(found[row, :length], expected[:length], rtol=0, atol=1e-9)


@pytest.mark.parametrize("chunk", [1, 1 << 25])
def test_rows_equal_weights_with_the_large_parts_of_a_gpu(monkeypatch, chunk):
    """All tensors share one part, taken row by row or at once."""
    monkeypatch.setattr(noise_in_place, "_SMALL", noise_in_place._SMALL_ON_DEVICE)
    monkeypatch.setattr(row_noise, "_CHUNK", chunk)
    assert {place.part for place in noise_in_place.places(parameters(llama())).values()} == {0}
    test_explicit_rows_equal_weights_with_the_same_draw("llama")
    test_explicit_rows_equal_weights_with_the_same_draw("gpt2")


def test_a_shared_part_is_let_go_when_all_of_it_was_taken():
    tensors = {"a": torch.zeros(3), "b": torch.zeros(2, 2)}
    where = noise_in_place.places(tensors)
    batch = row_noise.Batch(draws=tuple(draws(3)), lengths=(1, 1, 1))
    whole = noise_in_place.normals_at(where["b"], draws(3), tensors["b"])
    batch.normals(slice(None), where["a"], tensors["a"])
    first = batch.normals(slice(0, 1), where["b"], tensors["b"])
    assert batch._shared
    others = batch.normals([1, 2], where["b"], tensors["b"])
    assert not batch._shared
    assert torch.equal(torch.cat([first, others]), whole)


def test_weights_are_made_where_there_is_no_cpu():
    assert row_noise.cheaper_way(torch.device("cpu")) is cheaper_by_tokens
    assert not row_noise.cheaper_way(torch.device("cuda"))(60, 4096, 4096)


def row_losses(model, ids, sigma, n, how=by_tokens, size=500):
    """Losses of one example under n draws of its own, shape (n,)."""
    noise = LayerNoise(parameters(model), by_tokens=how)
    sigmas = dict.fromkeys(noise.tensors, sigma)
    batch = ids.expand(size, -1)
    found = []
    with torch.inference_mode():
        for number in range(n // size):
            with noise.applied(draws(size, number), sigmas, [ids.shape[1]] * size):
                found.append(log_losses(model, batch))
    return torch.cat(found).numpy()


def weight_losses(model, examples, sigma, n):
    """Losses of each example under n explicit draws of all weights, by plain torch."""
    generator = torch.Generator().manual_seed(0)
    centre = {k: p.detach().clone() for k, p in parameters(model).items()}
    found = np.empty((len(examples), n))
    with torch.inference_mode():
        for draw in range(n):
            for k, p in parameters(model).items():
                p.copy_(centre[k] + sigma * torch.randn(p.shape, generator=generator))
            for place, ids in enumerate(examples):
                found[place, draw] = log_losses(model, ids).item()
        for k, p in parameters(model).items():
            p.copy_(centre[k])
    return found


def mean_and_variance(losses):
    """Both with their standard errors."""
    deviation = losses - losses.mean()
    variance = deviation.var()
    error = np.sqrt(((deviation**4).mean() - variance**2) / len(losses))
    return (losses.mean(), np.sqrt(variance / len(losses))), (variance, error)


def deviations(a, b):
    """Differences of mean and of variance, in standard errors."""
    pairs = zip(mean_and_variance(a), mean_and_variance(b), strict=True)
    return [(x - y) / np.hypot(u, v) for (x, u), (y, v) in pairs]


EXAMPLES = [IDS[row : row + 1, :length] for row, length in enumerate(LENGTHS)]
SIGMA = 0.12


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", [by_tokens, explicitly])
def test_losses_agree_with_explicit_weight_noise(name, how):
    """Mean and variance of each example's loss within 4 standard errors: false alarm .002."""
    model = MODELS[name](layers=1)
    explicit = weight_losses(model, EXAMPLES, SIGMA, 400)
    for ids, expected in zip(EXAMPLES, explicit, strict=True):
        found = row_losses(model, ids, SIGMA, 1000, how)
        assert max(map(abs, deviations(found, expected))) < 4


def test_a_head_drawn_apart_from_its_embedding_would_show():
    """The twin: the same weights untied. One draw used twice is not two draws."""
    tied, untied = gpt2(layers=1), gpt2(layers=1, tie_word_embeddings=False)
    untied.load_state_dict(tied.state_dict())
    ids = torch.full((1, 9), 7)  # the head's row for a token meets that token's own embedding
    found = row_losses(tied, ids, 0.3, 1000)
    twin = row_losses(untied, ids, 0.3, 1000)
    assert max(map(abs, deviations(found, twin))) > 6


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("how", [by_tokens, explicitly])
def test_a_draw_is_the_same_in_any_batch(name, how):
    """Alone, with others, padded, in another order: the same scores."""
    model = MODELS[name]()
    noise = LayerNoise(parameters(model), by_tokens=how)
    sigmas = dict.fromkeys(noise.tensors, 0.1)
    with torch.inference_mode():
        with noise.applied(draws(2), sigmas, LENGTHS):
            together = model(input_ids=IDS).logits
        with noise.applied(draws(2)[::-1], sigmas, LENGTHS[::-1]):
            swapped = model(input_ids=IDS.flip(0)).logits.flip(0)
        for row, (draw, length) in enumerate(zip(draws(2), LENGTHS, strict=True)):
            with noise.applied([draw], sigmas, [length]):
                alone = model(input_ids=IDS[row : row + 1, :length]).logits[0]
            torch.testing.assert_close(together[row, :length], alone, rtol=0, atol=1e-4)
            torch.testing.assert_close(swapped[row, :length], alone, rtol=0, atol=1e-4)
    check_rows(model, noise)


@pytest.fixture
def dirty_memory():
    """New tensors hold NaN until they are written."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("how", [by_tokens, explicitly])
def test_padding_is_finite(dirty_memory, how):
    """Attention multiplies what it masks by 0, which does not undo a NaN."""
    assert bool(torch.ones(1).new_empty(9).isnan().all())
    model = gpt2()
    noise = LayerNoise(parameters(model), by_tokens=how)
    sigmas = dict.fromkeys(noise.tensors, 0.1)
    with torch.inference_mode(), noise.applied(draws(2), sigmas, LENGTHS):
        assert bool(model(input_ids=IDS).logits.isfinite().all())


def test_rows_of_a_unit_share_a_draw():
    model = llama()
    noise = LayerNoise(parameters(model), by_tokens=by_tokens)
    sigmas = dict.fromkeys(noise.tensors, 0.1)
    one, other = draws(2)
    with torch.inference_mode(), noise.applied([one, one, other], sigmas, [9, 9, 9]):
        logits = model(input_ids=IDS[[0, 0, 0]]).logits
    torch.testing.assert_close(logits[0], logits[1])
    assert float((logits[0] - logits[2]).abs().max()) > 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", MODELS)
def test_other_types_are_near_float32(name, dtype):
    found = []
    for kind in (torch.float32, dtype):
        model = MODELS[name]().to(kind)
        noise = LayerNoise(parameters(model), by_tokens=lambda t, i, o: o % 2 == 0)
        sigmas = dict.fromkeys(noise.tensors, 0.1)
        with torch.inference_mode(), noise.applied(draws(2), sigmas, LENGTHS):
            found.append(model(input_ids=IDS).logits.float()[0])
        check_rows(model, noise)
    torch.testing.assert_close(*found, rtol=0, atol=0.01 if dtype == torch.float64 else 0.3)


def test_mirrored_and_partial_noise():
    """A negative sigma mirrors the draw; a tensor without sigma is left alone."""
    model = nn.Linear(4, 3)
    x = torch.randn(1, 2, 4)
    noise = LayerNoise(parameters(model), by_tokens=by_tokens)

    def output(**sigmas):
        with torch.inference_mode(), noise.applied(draws(1), sigmas, [2]):
            return model(x)

    calm = model(x).detach()
    torch.testing.assert_close(output(weight=0.5) - calm, calm - output(weight=-0.5))
    both = output(weight=0.5, bias=0.2)
    torch.testing.assert_close(both, output(weight=0.5) + output(bias=0.2) - calm)
    assert torch.equal(output(weight=0.0), calm)


def test_training_sees_the_gradient_of_weights_and_sigmas():
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    sigma = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    x = torch.randn(2, 5, 4, dtype=torch.float64)
    noise = LayerNoise(parameters(model), by_tokens=explicitly)
    with noise.applied(draws(2), {"weight": sigma, "bias": sigma}, [5, 5]):
        model(x).square().sum().backward()
    found = [sigma.grad, model.weight.grad]
    step, values = 1e-6, []
    for s in (0.5 - step, 0.5 + step):
        with torch.no_grad(), noise.applied(draws(2), {"weight": s, "bias": s}, [5, 5]):
            values.append(model(x).square().sum())
    torch.testing.assert_close(found[0], (values[1] - values[0]) / (2 * step), rtol=1e-5, atol=0)
    assert bool((found[1] != 0).all())


# --- what cannot be done is refused


class Calls(nn.Module):
    """A model whose forward pass is any function of its input and itself."""

    def __init__(self, forward):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self._forward = forward

    def forward(self, x):
        return self._forward(self, x)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda m, x: m.inner(m.inner(x)) * m.scale, "'inner.weight' is used more than once"),
        (lambda m, x: m.inner(x) * (1 + m.scale.float()), "'scale' is used by .* 'float'"),
        (lambda m, x: torch.matmul(x, m.inner.weight), "'inner.weight' is used by .* 'matmul'"),
        (lambda m, x: torch.stack([m.scale, m.scale]), "'scale' is used by .* 'stack'"),
        (lambda m, x: m.inner(x), "'scale' was not seen"),
        (lambda m, x: m.inner(x[:2]) * m.scale, "mixes the rows of a batch"),
        (lambda m, x: m.inner(x.reshape(-1, 4)[:7]) * m.scale, "mixes the rows of a batch"),
        (lambda m, x: m.inner(x[:, None]) * m.scale, "'inner.weight' is multiplied with"),
        (lambda m, x: m.inner(m.scale), "'inner.weight' was used on a tensor of shape"),
        (lambda m, x: m.inner(x) * m.scale * 2 + m.inner.weight.data, "'inner.weight' is used by"),
        (lambda m, x: torch.addmm(m.scale, x[0], m.inner.weight, alpha=2), "by a factor"),
        (lambda m, x: functional.embedding(x.long(), m.inner.weight), "an embedding of ids"),
    ],
)
def test_refusals(forward, message):
    model = Calls(forward)
    noise = LayerNoise(parameters(model))
    sigmas = dict.fromkeys(noise.tensors, 0.1)
    with (
        pytest.raises(InputError, match=message),
        torch.inference_mode(),
        noise.applied(draws(3), sigmas, [5] * 3),
    ):
        model(torch.ones(3, 5, 4))


def test_facts_about_a_tensor_are_no_use_of_it():
    model = Calls(lambda m, x: m.inner(x.to(m.scale.dtype)) * m.scale if m.scale.dim() else x)
    noise = LayerNoise(parameters(model))
    with torch.inference_mode(), noise.applied(draws(3), {"scale": 0.1}, [5] * 3):
        assert model(torch.ones(3, 5, 4)).shape == (3, 5, 4)


def test_a_model_that_reorders_its_rows_is_found_out():
    class Reordering(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = llama()

        def get_input_embeddings(self):
            return self.inner.get_input_embeddings()

        def forward(self, input_ids, use_cache):
            out = self.inner(input_ids=input_ids.flip(0), use_cache=use_cache)
            out.logits = out.logits.flip(0)
            return out

    model = Reordering()
    with pytest.raises(InputError, match="mixes the rows of a batch"):
        check_rows(model, LayerNoise(parameters(model)))


def test_a_root_is_not_kept_for_an_input_that_changed():
    """Two layers on one tensor, which is overwritten between the two."""
    torch.manual_seed(0)
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    noise = LayerNoise({"a": first.weight, "b": second.weight}, by_tokens=by_tokens)
    x = torch.randn(1, 3, 4)
    changed = 10 * x
    with torch.inference_mode():
        with noise.applied(draws(1), {"a": 1.0, "b": 1.0}, [3]):
            first(x)
            expected = second(changed)
        with noise.applied(draws(1), {"a": 1.0, "b": 1.0}, [3]):
            first(x)
            x.mul_(10)
            found = second(x)
    torch.testing.assert_close(found, expected)
