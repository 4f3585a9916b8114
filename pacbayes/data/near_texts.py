"""Texts that are nearly the same, found in time linear in their length.

A text is the set of its pieces of five characters. Two texts are near when their Jaccard index,
the share of pieces of either that both have, is at least a threshold. Pairs that may be near come
from minima of hashed pieces: one permutation hashing (Li, Owen & Zhang 2012), empty bins filled by
optimal densification (Shrivastava 2017), two texts meeting where a band of six minima agrees
(20 bands: a pair at .8 is missed with probability .002 when texts have pieces for all bins, more
often when they are short). Every pair that meets is then checked with its exact Jaccard index, so
nothing is reported wrongly, and memory beyond the texts is a few hundred bytes a text.

Pieces that over a fifth of the texts have belong to a common instruction or template and are left
out, as else all texts with one long instruction would be near.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pacbayes.data.links import Links

THRESHOLD = 0.8
"""Jaccard index from which texts are near."""

FEWEST_PIECES = 8
"""A text with fewer pieces is near no other: one changed character would be a third of it."""

_LENGTH = 5
_BANDS, _ROWS = 20, 6
_BINS = _BANDS * _ROWS
_CHUNK = 4096
_CACHED = 2**14

_SAMPLED = 1000
_COMMON = 0.2
_FEWEST_TEXTS = 100
"""With fewer texts, what many of them share may as well be copies."""

_EMPTY = np.uint64(2**64 - 1)

_Hashes = npt.NDArray[np.uint64]


def near_sets(texts: Sequence[str], *, threshold: float = THRESHOLD) -> tuple[tuple[int, ...], ...]:
    """Return the sets of texts that are linked by near pairs, as sorted indices.

    Of the texts that meet in one band each is compared with the first and with the one before it,
    so a pair may also be missed because neither is first; other bands make up for most of that.

    Args:
        texts: The texts; they are indexed, not copied, so they may be read from disk.
        threshold: Jaccard index from which two texts are near, in (0, 1].

    >>> near_sets(["the cat sat on the mat", "a dog ran in the yard", "the cat sat on the mats"])
    ((0, 2),)
    """
    common = _common_pieces(texts)
    links = Links(len(texts))

    @lru_cache(maxsize=_CACHED)
    def pieces(i: int) -> frozenset[int]:
        return frozenset(_without(_pieces([texts[i]])[0], common).tolist())

    for i, j in _meetings(_band_keys(texts, common)):
        if links.root(i) != links.root(j) and _jaccard(pieces(i), pieces(j)) >= threshold:
            links.join(i, j)
    return links.sets()


def _jaccard(a: frozenset[int], b: frozenset[int]) -> float:
    both = len(a & b)
    return both / (len(a) + len(b) - both)


def _mixed(values: _Hashes) -> _Hashes:
    """SplitMix64's finaliser (Steele, Lea & Flood 2014): every bit depends on every bit."""
    values = values ^ (values >> np.uint64(30))
    values = values * np.uint64(0xBF58476D1CE4E5B9)
    values = values ^ (values >> np.uint64(27))
    values = values * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _pieces(texts: Sequence[str]) -> tuple[_Hashes, npt.NDArray[np.int64]]:
    """The hash of every piece of the texts, in order, and the number of the text it is from."""
    padded = [text.ljust(_LENGTH, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le"), np.uint32).astype(np.uint64)
    hashes = np.zeros(len(codes) - _LENGTH + 1, np.uint64)
    for place in range(_LENGTH):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[place : place + len(hashes)]
    owner = np.repeat(np.arange(len(padded)), [len(text) for text in padded])
    # a piece is of one text when it begins and ends in it
    inside = owner[: len(hashes)] == owner[_LENGTH - 1 :]
    return _mixed(hashes[inside]), owner[: len(hashes)][inside]


def _common_pieces(texts: Sequence[str]) -> _Hashes:
    """Pieces that many texts have, from texts evenly spaced over all; sorted."""
    if len(texts) < _FEWEST_TEXTS:
        return np.empty(0, np.uint64)
    places = np.linspace(0, len(texts) - 1, min(_SAMPLED, len(texts))).astype(int)
    counts: dict[int, int] = defaultdict(int)
    for i in places.tolist():
        for piece in set(_pieces([texts[i]])[0].tolist()):
            counts[piece] += 1
    found = [piece for piece, count in counts.items() if count > _COMMON * len(places)]
    return np.array(sorted(found), np.uint64)


def _is_in(hashes: _Hashes, common: _Hashes) -> npt.NDArray[np.bool_]:
    if not len(common):
        return np.zeros(len(hashes), bool)
    places = np.searchsorted(common, hashes)
    found: npt.NDArray[np.bool_] = common[np.minimum(places, len(common) - 1)] == hashes
    return found


def _without(hashes: _Hashes, common: _Hashes) -> _Hashes:
    return hashes[~_is_in(hashes, common)]


def _band_keys(texts: Sequence[str], common: _Hashes) -> tuple[_Hashes, npt.NDArray[np.int64]]:
    """Keys of the bands, shape (bands, texts that are long enough), and the texts' numbers."""
    keys, kept = [np.empty((_BANDS, 0), np.uint64)], [np.empty(0, np.int64)]
    for start in range(0, len(texts), _CHUNK):
        chunk = [texts[i] for i in range(start, min(start + _CHUNK, len(texts)))]
        hashes, owner = _pieces(chunk)
        rare = ~_is_in(hashes, common)
        hashes, owner = hashes[rare], owner[rare]
        minima = _bin_minima(hashes, owner, len(chunk))
        enough = (minima != _EMPTY).sum(axis=1) >= FEWEST_PIECES
        minima = _densified(minima[enough])
        key = np.zeros((len(minima), _BANDS), np.uint64)
        for row in range(_ROWS):
            key = _mixed(key ^ minima[:, row::_ROWS])
        keys.append(key.T)
        kept.append(start + np.flatnonzero(enough))
    return np.concatenate(keys, axis=1), np.concatenate(kept)


def _bin_minima(hashes: _Hashes, owner: npt.NDArray[np.int64], n: int) -> _Hashes:
    """The least hash in each bin of each text, shape (n, bins); `_EMPTY` where a bin has none."""
    minima = np.full(n * _BINS, _EMPTY)
    bins = (hashes % np.uint64(_BINS)).astype(np.int64)
    np.minimum.at(minima, owner * _BINS + bins, hashes)
    return minima.reshape(n, _BINS)


def _densified(minima: _Hashes) -> _Hashes:
    """Fills each empty bin from one drawn by a hash of its place and the attempt, as all texts do.

    Two texts then agree in any bin with probability equal to their Jaccard index.
    """
    filled = minima.copy()
    rows, columns = np.nonzero(filled == _EMPTY)
    attempt = 0
    while len(rows):
        attempt += 1
        drawn = _mixed(columns.astype(np.uint64) + np.uint64(_BINS * attempt)) % np.uint64(_BINS)
        filled[rows, columns] = minima[rows, drawn.astype(np.int64)]
        left = filled[rows, columns] == _EMPTY
        rows, columns = rows[left], columns[left]
    return filled


def _meetings(
    banded: tuple[_Hashes, npt.NDArray[np.int64]],
) -> Iterator[tuple[int, int]]:
    """Pairs of texts whose keys agree in a band: each with the first of those, and the one before.

    At most two a text and band, so their number is linear in the texts.
    """
    keys, numbers = banded
    seen: set[tuple[int, int]] = set()
    for band in keys:
        order = np.argsort(band, kind="stable")
        new = np.r_[True, band[order][1:] != band[order][:-1]][: len(order)]
        first = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        for place in np.flatnonzero(~new).tolist():
            j = int(numbers[order[place]])
            for earlier in (first[place], place - 1):
                pair = int(numbers[order[earlier]]), j
                if pair not in seen:
                    seen.add(pair)
                    yield pair
