"""Samples are draws from the model, each a function of its own key."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from pacbayes.difficulty.generation import Generator, Query, inverted, uniforms
from pacbayes.models.loading import OpenOptions
from pacbayes.models.plain import open_plain
from pacbayes.posteriors.noise import Draw, NoiseKey, Stream


@pytest.fixture(scope="module")
def model(checkpoints):
    return open_plain(OpenOptions(checkpoint=checkpoints / "adapter"))


def generator(model, **changes):
    return Generator(model=model, **({"seed": 1, "temperature": 1.0, "batch_size": 8} | changes))


def queries(model, samples=3, limit=12):
    prompts = ["a=1;a?", "b=2;c=b+3;c?", "x", "d=1;e=d@d;f=e-2;f?"]
    ids = [tuple(model.tokenizer(prompt).input_ids) for prompt in prompts]
    return [
        Query(prompt=prompt, record=record, sample=sample, limit=limit + record // 2)
        for record, prompt in enumerate(ids)
        for sample in range(samples)
    ]


def key(record, sample, seed=1):
    noise = NoiseKey(seed=seed, stream=Stream.GENERATION, stratum=0)
    return Draw(key=noise, number=sample, unit=record)


@torch.inference_mode()
def by_hand(model, query, temperature, seed=1):
    """Tokens drawn one by one without padding and cache, numpy doing the inversion."""
    at = uniforms(key(query.record, query.sample, seed), query.limit).numpy()
    ids, ends = list(query.prompt), model.tokenizer.eos_token_id
    for place in range(query.limit):
        scores = model.model(torch.tensor([ids])).logits[0, -1].double().numpy()
        if temperature:
            weights = np.exp((scores - scores.max()) / temperature)
            token = int(np.searchsorted(np.cumsum(weights) / weights.sum(), at[place], "right"))
        else:
            token = int(scores.argmax())
        if token == ends:
            break
        ids.append(token)
    return model.tokenizer.decode(ids[len(query.prompt) :], skip_special_tokens=True)


@pytest.mark.parametrize("temperature", [0.0, 0.3, 1.0])
def test_answers_are_those_drawn_by_hand(model, temperature):
    asked = queries(model, samples=2)
    found = generator(model, temperature=temperature).answers(asked)
    assert [a.text for a in found] == [by_hand(model, query, temperature) for query in asked]


def test_batches_order_and_company_change_nothing(model):
    asked = queries(model)
    found = generator(model).answers(asked)
    assert generator(model, batch_size=1).answers(asked) == found
    assert generator(model, batch_size=5).answers(asked[::-1]) == found[::-1]
    assert generator(model).answers(asked[5:7]) == found[5:7]


def test_noise_by_place_would_not_pass_that(model):
    """The twin that must fail: answers whose noise is that of their place in the batch."""
    asked = queries(model)

    def placed(order):
        own = [replace(query, record=place, sample=0) for place, query in enumerate(order)]
        return generator(model).answers(own)

    assert placed(asked[::-1]) != placed(asked)[::-1]


def test_seeds_samples_and_records_have_noise_of_their_own(model):
    asked = queries(model, samples=4)
    found = [a.text for a in generator(model).answers(asked)]
    assert len(set(found)) == len(found)
    assert [a.text for a in generator(model, seed=2).answers(asked)] != found


def test_limits_and_ends(model):
    asked = queries(model, samples=20, limit=3)
    found = generator(model).answers(asked)
    lengths = [len(model.tokenizer(a.text, add_special_tokens=False).input_ids) for a in found]
    assert max(lengths) <= 4
    network = model.model
    end = network.generation_config.eos_token_id
    assert end is None  # what the folder suggests is not used
    assert generator(model).ends == (model.tokenizer.eos_token_id,)


def test_inversion_gives_each_category_its_share():
    """Of N points in the middle of N equal parts each gets its share of N, up to one."""
    n = 10_000
    p = torch.tensor([0.5, 0.0, 0.125, 0.3, 0.075, 0.0], dtype=torch.float64)
    at = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    found = torch.bincount(inverted(p.expand(n, -1), at), minlength=6)
    assert ((found - n * p).abs() <= 1).all()
    assert found[p == 0].sum() == 0


def test_the_ends_of_the_unit_interval():
    p = torch.tensor([[0.0, 0.1, 0.2, 0.7 - 2**-52, 0.0]], dtype=torch.float64)
    assert inverted(p, torch.tensor([0.0], dtype=torch.float64)).item() == 1
    assert inverted(p, torch.tensor([1 - 2**-53], dtype=torch.float64)).item() == 3
    nothing = torch.full((1, 3), torch.nan, dtype=torch.float64)
    assert 0 <= inverted(nothing, torch.tensor([0.5], dtype=torch.float64)).item() < 3


def test_uniform_numbers_are_uniform_and_independent():
    """Kolmogorov-Smirnov of 40,000 numbers and of sums of pairs; each false alarm 1e-6."""
    rows = torch.stack([uniforms(key(i // 8, i % 8), 100) for i in range(400)]).numpy()
    assert stats.kstest(rows.ravel(), "uniform").pvalue > 1e-6
    for pairs in (rows[:-1] + rows[1:], rows[:, :-1] + rows[:, 1:]):
        assert stats.kstest((pairs % 1).ravel()[::2], "uniform").pvalue > 1e-6
    assert ((rows >= 0) & (rows < 1)).all()
