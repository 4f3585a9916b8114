import numpy as np
import pytest
import torch

from pacbayes.data.sample import read_sample
from pacbayes.draws import Draws
from pacbayes.errors import InputError
from pacbayes.losses import LOSSES
from pacbayes.models.loading import OpenOptions
from pacbayes.models.noise import normals_at, places
from pacbayes.models.opening import open_fine_tuned
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream
from pacbayes.risk import Scorer

KEY = NoiseKey(seed=5, stream=Stream.CERTIFICATE, stratum=0)
SIGMA = 0.3


@pytest.fixture(scope="module")
def adapter(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "free", prior=checkpoints / "initial", dtype="float64")
    )


@pytest.fixture(scope="module")
def full(checkpoints):
    return open_fine_tuned(
        OpenOptions(checkpoint=checkpoints / "full", prior=checkpoints / "base", draw_mode="block")
    )


@pytest.fixture(scope="module")
def units(adapter, problem_file):
    (part,) = read_sample([problem_file]).strata
    return part.encode(adapter.tokenizer, max_length=adapter.context)


def scorer(model, *losses, **options):
    return Scorer(model=model, losses=tuple(LOSSES[name] for name in losses), **options)


def sigmas(model):
    return dict.fromkeys(model.sizes, SIGMA)


def test_row_noise_is_a_draw_of_the_weights(adapter):
    """Logits under the hooks equal those of a model whose factors hold the noise themselves."""
    ids = torch.randint(5, 40, (3, 17))
    draws = [Draw(key=KEY, number=0, unit=unit) for unit in range(3)]
    with torch.no_grad(), adapter.noise.applied(draws, sigmas(adapter), [17] * 3):
        found = adapter.model(input_ids=ids).logits
    where = places(adapter.noise.tensors)
    centre = {name: t.detach().clone() for name, t in adapter.noise.tensors.items()}
    for row, draw in enumerate(draws):
        for name, weight in adapter.noise.tensors.items():
            noise = SIGMA * normals_at(where[name], [draw], weight).view(weight.shape)
            weight.data = centre[name] + noise
        with torch.no_grad():
            explicit = adapter.model(input_ids=ids[row : row + 1]).logits[0]
        # the adapter is kept in float32, where one product is off by about 1e-7
        torch.testing.assert_close(found[row], explicit, rtol=0, atol=1e-5)
    for name, weight in adapter.noise.tensors.items():
        weight.data = centre[name]


@pytest.mark.parametrize("kind", ["adapter", "full"])
def test_losses_do_not_depend_on_batches_or_threads(kind, units, request):
    model = request.getfixturevalue(kind)
    names = ("exact", "token")
    expected = scorer(model, *names).under_noise(units, sigmas(model), key=KEY, draw=1)
    threads = torch.get_num_threads()
    for batch_size, count in ((1, 1), (7, 2), (64, 2)):
        torch.set_num_threads(count)
        found = scorer(model, *names, batch_size=batch_size).under_noise(
            units, sigmas(model), key=KEY, draw=1
        )
        torch.set_num_threads(threads)
        np.testing.assert_array_equal(found, expected)
    assert 0 < expected[1].mean() < 1


def test_nll_depends_on_batches_by_rounding_only(adapter, units):
    one = scorer(adapter, "nll", batch_size=1).under_noise(units, sigmas(adapter), key=KEY, draw=0)
    many = scorer(adapter, "nll").under_noise(units, sigmas(adapter), key=KEY, draw=0)
    np.testing.assert_allclose(one, many, rtol=0, atol=1e-6)


def test_order_of_other_units_does_not_matter(adapter, units):
    score = scorer(adapter, "token")
    whole = score.under_noise(units, sigmas(adapter), key=KEY, draw=0)
    part = score.under_noise(units[:9], sigmas(adapter), key=KEY, draw=0)
    np.testing.assert_array_equal(whole[:, :9], part)


def test_records_of_a_group_share_a_draw(adapter, units):
    alone = scorer(adapter, "token").under_noise(units[:1], sigmas(adapter), key=KEY, draw=0)
    twice = [(units[0][0], units[0][0])]
    together = scorer(adapter, "token").under_noise(twice, sigmas(adapter), key=KEY, draw=0)
    np.testing.assert_array_equal(alone, together)


def test_weights_come_back_bit_for_bit(full, units):
    before = {name: p.detach().clone() for name, p in full.model.named_parameters()}
    scorer(full, "exact").under_noise(units, sigmas(full), key=KEY, draw=0)

    def fail_under_noise():
        with full.noise.applied([Draw(key=KEY, number=0, unit=0)], sigmas(full)):
            now = dict(full.model.named_parameters())
            assert {n for n in now if not torch.equal(now[n], before[n])} == set(full.sizes)
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail_under_noise()
    for name, parameter in full.model.named_parameters():
        assert torch.equal(parameter, before[name])


def test_monte_carlo_mean_agrees_with_explicit_noise(adapter, units):
    """Other code, other noise, the same mean: within 4 standard errors, wrong 6 times in 1e5."""
    few = units[:20]
    keyed = np.stack(
        [
            scorer(adapter, "token").under_noise(few, sigmas(adapter), key=KEY, draw=draw)[0]
            for draw in range(60)
        ]
    )
    centre = {name: t.detach().clone() for name, t in adapter.noise.tensors.items()}
    torch.manual_seed(0)
    explicit = []
    for _ in range(120):
        for name, weight in adapter.noise.tensors.items():
            weight.data = centre[name] + SIGMA * torch.randn_like(centre[name])
        explicit.append(scorer(adapter, "token").at_centre(few)[0].mean())
    for name, weight in adapter.noise.tensors.items():
        weight.data = centre[name]
    error = np.sqrt(keyed.mean(1).var() / 60 + np.var(explicit) / 120)
    assert abs(keyed.mean() - np.mean(explicit)) < 4 * error


def test_exact_loss_is_greedy_decoding(adapter, units):
    """0 exactly where generating from the prompt gives the reference and then stops."""
    from pacbayes.data.encode import Example

    model = adapter.model
    agreed = {0.0: 0, 1.0: 0}
    for (example,) in units[:12]:
        prompt = list(example.input_ids[: example.n_prompt])
        generated = model.generate(
            input_ids=torch.tensor([prompt]), do_sample=False, max_new_tokens=20, pad_token_id=0
        )[0, len(prompt) :].tolist()
        for reference in (generated, list(example.input_ids[example.n_prompt :])):
            ids = tuple(prompt + reference)
            scored = (False,) * len(prompt) + (True,) * len(reference)
            made = Example(input_ids=ids, scored=scored)
            (loss,) = scorer(adapter, "exact").at_centre([(made,)])[0]
            assert loss == float(generated[: len(reference)] != reference)
            agreed[loss] += 1
    assert min(agreed.values()) > 0


def test_unscorable_examples_count_as_loss_one(adapter, units):
    from pacbayes.data.encode import Example

    hopeless = (Example(input_ids=(), scored=(), unscorable="too long"),)
    losses = scorer(adapter, "token", "nll").at_centre([units[0], hopeless])
    assert losses[:, 1].tolist() == [1.0, 1.0]


def test_interval_covers_blocks_with_a_short_last_one():
    """Units of a block share a draw; forgetting the short last block must show."""
    rng = np.random.default_rng(0)
    n, block, passes, delta = 21, 10, 400, 0.1
    risks = np.where(np.arange(n) < 20, 0.1, 1.0)  # the short block holds the hard unit
    missed = forgot = 0
    for _ in range(400):
        shared = rng.random((passes, 3)).repeat(block, axis=1)[:, :n]
        draws = Draws(losses=(shared < risks).astype(float), block=block)
        low, high = draws.interval(delta)
        missed += not low <= risks.mean() <= high
        forgot += not low <= risks.mean() <= high / draws.stretch
    # 400 runs at a miss rate of .1 exceed 64 with probability below 1e-4
    assert missed <= 64
    assert forgot > 64


def test_rows_and_draws_must_match(adapter):
    draws = [Draw(key=KEY, number=0, unit=unit) for unit in range(2)]
    with (
        pytest.raises(InputError, match="mixes the rows of a batch"),
        adapter.noise.applied(draws, sigmas(adapter), [5, 5]),
    ):
        adapter.model(input_ids=torch.ones(3, 5, dtype=torch.long))
    with (
        pytest.raises(ValueError, match="2 draws, but 1 lengths"),
        adapter.noise.applied(draws, sigmas(adapter), [5]),
    ):
        pass
