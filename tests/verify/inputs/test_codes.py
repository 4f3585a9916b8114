"""The second decoder of codes against the first, and that no code is the beginning of another."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pacbayes.objects.codebook import Codebook
from pacbayes.objects.shift_code import Layout, ShiftCode, encode
from pacbayes.verify.inputs.codes import decode, shifts, total

SHAPES = st.lists(st.integers(1, 90), min_size=1, max_size=3)


@st.composite
def codes(draw):
    sizes, dictionaries = draw(SHAPES), draw(st.integers(0, 3))
    book = Codebook(size=sum(sizes), log_dictionaries=dictionaries, key=0)
    words = st.lists(st.integers(0, (1 << book.word_bits) - 1), min_size=1, max_size=9)
    shape = st.integers(-9, 9)
    return sizes, ShiftCode(
        words=tuple(draw(words)),
        key=draw(st.integers(0, 50)),
        log_dictionaries=dictionaries,
        amplitude=draw(st.integers(-200, 50)),
        shape=tuple(draw(shape) for _ in sizes),
    )


@settings(max_examples=60, deadline=None)
@given(codes())
def test_both_decoders_find_the_same_network(case):
    sizes, code = case
    scales = [0.5 + 0.25 * i for i in range(len(sizes))]
    names = [f"t{i}" for i in range(len(sizes))]
    layout = Layout(
        centre={k: torch.zeros(n) for k, n in zip(names, sizes, strict=True)},
        relative_scales=dict(zip(names, scales, strict=True)),
    )
    data, n_bits = encode(code, layout)
    found = decode("".join(f"{byte:08b}" for byte in data), sizes)
    assert found.n_bits == n_bits
    assert (found.words, found.key, found.shape) == (code.words, code.key, code.shape)
    assert found.amplitude == code.amplitude
    weights = code.weights(layout)
    for name, shift in zip(names, shifts(found, sizes, scales), strict=True):
        assert shift == weights[name].tolist()


def test_sums_of_words_are_the_same_for_many_weights():
    size, rng = 5000, np.random.default_rng(0)
    book = Codebook(size=size, log_dictionaries=3, key=7)
    words = tuple(int(i) for i in rng.integers(0, 1 << book.word_bits, 40))
    layout = Layout(centre={"t": torch.zeros(size)}, relative_scales={"t": 1.0})
    code = ShiftCode(words=words, key=7, log_dictionaries=3, amplitude=0, shape=(0,))
    data, _ = encode(code, layout)
    found = decode("".join(f"{byte:08b}" for byte in data), [size])
    assert total(found, size) == book.total(words).tolist()


def test_no_codeword_is_the_beginning_of_another():
    """All words of up to 17 bits; Kraft's sum stays below 1, so 2^-length is a prior."""
    open_ends, mass, longest = [""], 0.0, 17
    while open_ends:
        text = open_ends.pop()
        try:
            code = decode(text, [3, 4])
        except ValueError:
            if len(text) < longest:
                open_ends += [text + "0", text + "1"]
            continue
        assert code.n_bits == len(text), "it would have ended before its last digit"
        mass += 2.0 ** -len(text)
    assert 0 < mass <= 1
    # one word, key 0, one dictionary, amplitude 1: 4 bits; the shape's bit; then 7 bits of word
    assert mass >= 2.0**-5
    assert decode("1111" + "0" + "0" * 7 + "101", [3, 4]).n_bits == 12


@pytest.mark.parametrize("text", ["", "0" * 500, "1", "1111", "0" * 70 + "1" * 80])
def test_what_is_no_code(text):
    with pytest.raises(ValueError, match=r"too (early|large)"):
        decode(text, [5])


@given(st.binary(max_size=60), SHAPES)
def test_any_bytes_are_a_code_or_none(data, sizes):
    text = "".join(f"{byte:08b}" for byte in data)
    try:
        code = decode(text, sizes)
    except ValueError:
        return
    assert code.n_bits <= len(text)
    assert len(list(shifts(code, sizes, [1.0] * len(sizes)))) == len(sizes)
