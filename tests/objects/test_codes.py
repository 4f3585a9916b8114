"""The code of a compressed network: a real prefix code with a real decoder."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard

from pacbayes.errors import InputError
from pacbayes.objects.codebook import Codebook, _row, _transform
from pacbayes.objects.prefix_code import BitReader, BitWriter
from pacbayes.objects.shift_code import Layout, ShiftCode, decode, encode


def text_of(write, *arguments):
    bits = BitWriter()
    getattr(bits, write)(*arguments)
    data, length = bits.finish()
    assert len(data) == -(-length // 8)
    return "".join(f"{byte:08b}" for byte in data)[:length]


@pytest.mark.parametrize(
    ("write", "numbers"), [("positive", range(1, 1024)), ("signed", range(-511, 512))]
)
def test_whole_numbers_are_a_prefix_code(write, numbers):
    words = sorted(text_of(write, number) for number in numbers)
    # sorted, a word that begins another stands right before some word that it begins
    assert not any(b.startswith(a) for a, b in pairwise(words))
    kraft = sum(Fraction(1, 2 ** len(word)) for word in words)
    assert kraft == 1 - Fraction(1, 1024)  # the rest is left for the larger numbers


def layout_of(sizes=(3, 40, 30)):
    torch.manual_seed(1)
    centre = {f"t{k}": torch.randn(size) for k, size in enumerate(sizes)}
    return Layout(centre=centre, relative_scales=dict.fromkeys(centre, 0.5))


CODES = st.builds(
    ShiftCode,
    words=st.lists(st.integers(0, 2**10 - 1), min_size=1, max_size=5).map(tuple),
    key=st.integers(0, 9),
    log_dictionaries=st.just(2),
    amplitude=st.integers(-300, 300),
    shape=st.tuples(*[st.integers(-4, 4)] * 3),
)


@settings(max_examples=60, deadline=None)
@given(code=CODES, junk=st.binary(max_size=9))
def test_decoding_gives_the_code_back_whatever_follows(code, junk):
    layout = layout_of()
    data, bits = encode(code, layout)
    assert len(data) == -(-bits // 8)
    # the last byte's padding is not part of the code either
    tail = 0xFF >> (bits % 8 or 8)
    noisy = data[:-1] + bytes([data[-1] | tail]) + junk
    for text in (data, noisy):
        found = decode(text, layout)
        assert found == code
        for name, tensor in found.weights(layout).items():
            assert torch.equal(tensor, code.weights(layout)[name])


def test_kraft_of_whole_codes():
    """All codes of one word for two weights: short enough to count every one of them."""
    layout = layout_of((1, 1))
    total = Fraction(0)
    for amplitude in range(-40, 41):
        for shape in ((0, 0), *((a, b) for a in range(-3, 4) for b in range(-3, 4) if a or b)):
            for key in range(8):
                code = ShiftCode(
                    words=(0,), key=key, log_dictionaries=0, amplitude=amplitude, shape=shape
                )
                total += 2**7 * Fraction(1, 2 ** encode(code, layout)[1])  # 7 bits name the word
    assert Fraction(1, 16) < total < Fraction(1, 4)  # one word of any number: at most half of all


def test_a_truncated_code_is_refused():
    layout = layout_of()
    code = ShiftCode(words=(5, 7), key=0, log_dictionaries=1, amplitude=3, shape=(0, 0, 0))
    data, _ = encode(code, layout)
    with pytest.raises(InputError, match="truncated"):
        decode(data[:-1], layout)
    with pytest.raises(InputError, match="truncated"):
        BitReader(b"\0").positive()
    with pytest.raises(ValueError, match="at least 1, got 0"):
        BitWriter().positive(0)
    with pytest.raises(ValueError, match=r"lie in \[0, 2\*\*3\), got 8"):
        BitWriter().field(8, 3)


@pytest.mark.parametrize("log_length", [6, 8, 9, 11])
def test_transform_is_the_hadamard_matrix(log_length):
    matrix = hadamard(1 << log_length)
    vector = np.random.default_rng(0).standard_normal(1 << log_length).astype(np.float32)
    np.testing.assert_allclose(_transform(vector), matrix @ vector, rtol=0, atol=1e-3)
    for row in (0, 1, 37, (1 << log_length) - 1):
        np.testing.assert_array_equal(_row(row, log_length), matrix[row])


def test_the_word_found_is_the_best_of_all():
    book = Codebook(size=70, log_dictionaries=2, key=3)
    vector = np.random.default_rng(1).standard_normal(70)
    (word,) = book.best_words(vector, 1)
    products = [float(book.total([index]) @ vector) for index in range(1 << book.word_bits)]
    assert word == int(np.argmax(products))
    assert set(book.total([word]).tolist()) == {-1, 1}


def test_words_add_up_to_the_target_and_noise():
    """Projection exact but for the amplitude's grid of 2^(1/16); the rest like noise."""
    layout = layout_of((500, 500))
    target = np.random.default_rng(2).standard_normal(1000)
    book = Codebook(size=1000, log_dictionaries=3, key=0)
    whole = ShiftCode(
        words=tuple(book.best_words(target, 40)),
        key=0,
        log_dictionaries=3,
        amplitude=0,
        shape=(0, 0),
    )
    code = whole.first(30, target)
    assert code.words == whole.words[:30]
    shift = layout.flat(code.weights(layout)) - layout.flat(layout.centre)
    share = float(shift @ target) / (0.5 * float(target @ target))
    assert abs(np.log2(share)) <= 1 / 32 + 1e-9
    rest = shift - 0.5 * share * target
    # 30 words, each along the target by at least √(2 ln 2^14) − 1 standard deviations
    expected = 0.25 * float(target @ target) * 1000 / 30 / 3.4**2
    assert float(rest @ rest) < expected


def test_shape_scales_single_tensors():
    layout = layout_of((40, 40))
    code = ShiftCode(words=(9,), key=0, log_dictionaries=0, amplitude=0, shape=(0, 2))
    shifts = [code.weights(layout)[k] - layout.centre[k].double() for k in ("t0", "t1")]
    np.testing.assert_allclose(shifts[0].abs(), 0.5, rtol=1e-12)
    np.testing.assert_allclose(shifts[1].abs(), 1.0, rtol=1e-12)
