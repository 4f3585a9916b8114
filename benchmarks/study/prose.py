"""English prose that every installation has: the docstrings of Python and of what is used here.

Texts are the docstrings of the standard library's modules, `pydoc_data.topics`, and the docstrings
of the packages that `pacbayes` depends on. A text is cut into sentences, a sentence into clauses:
runs of plain words, lowercased, that no punctuation, code or number interrupts. What versions are
installed decides what is found, so every result comes with a hash of the collection.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sysconfig
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

PACKAGES = ("numpy", "scipy", "sympy", "matplotlib", "transformers", "torch")

Sentence = tuple[str, ...]
"""The clauses of a sentence, in their order: words with one space between them."""

_LEFT_OUT = frozenset({"site-packages", "test", "tests", "idle_test", "_vendor"})
"""Folders without prose of their own."""

_BLOCKS = ("body", "orelse", "handlers", "finalbody", "cases")
_DEFINITIONS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_PARAGRAPH = re.compile(r"\n\s*\n")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"([(\"'`*]*)([A-Z]?[a-z]+|I|A)([)\"'`*,;:.!?]*)")
_ONE_LETTER_WORDS = frozenset("ai")
_BUCKETS = 16
_FINE_TUNING_BUCKETS = 10


@lru_cache(maxsize=1)
def collect(packages: tuple[str, ...] = PACKAGES) -> tuple[Sentence, ...]:
    """All different sentences of the standard library and some packages, sorted.

    Raises:
        ModuleNotFoundError: A package is not installed.
    """
    found = {s for text in _texts(packages) for s in sentences_of(text)}
    return tuple(sorted(found))


def sha256_of(sentences: tuple[Sentence, ...]) -> str:
    """Hash of a collection."""
    return hashlib.sha256("\n".join(map(", ".join, sentences)).encode()).hexdigest()


def for_fine_tuning(sentence: Sentence) -> bool:
    """The side of the split that a sentence falls on, by a hash; the other one is pretraining's."""
    digest = hashlib.blake2b(", ".join(sentence).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % _BUCKETS < _FINE_TUNING_BUCKETS


def sentences_of(text: str) -> Iterator[Sentence]:
    """The sentences of a text, without those that hold no plain word.

    >>> list(sentences_of("See the list, or call `run` first. Use 3 of them."))
    [('see the list', 'or call', 'first'), ('use', 'of them')]
    """
    for paragraph in _PARAGRAPH.split(text):
        if ">>>" in paragraph:
            continue
        for sentence in _SENTENCE_END.split(" ".join(paragraph.split())):
            clauses = tuple(" ".join(clause) for clause in _clauses(sentence))
            if clauses:
                yield clauses


def _clauses(sentence: str) -> list[list[str]]:
    clauses: list[list[str]] = [[]]
    for written in sentence.split():
        match = _WORD.fullmatch(written)
        word = match[2].lower() if match else ""
        if not match or (len(word) == 1 and word not in _ONE_LETTER_WORDS):
            clauses.append([])
            continue
        if match[1]:
            clauses.append([])
        # names are often marked as code, and code is no prose
        if not match[1].endswith("`"):
            clauses[-1].append(word)
        if match[3]:
            clauses.append([])
    return [clause for clause in clauses if clause]


def _texts(packages: tuple[str, ...]) -> Iterator[str]:
    from pydoc_data.topics import topics

    yield from topics.values()
    standard = Path(sysconfig.get_paths()["stdlib"])
    yield from _docstrings(standard)
    for name in packages:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"the package {name} is not installed.")
        yield from _docstrings(Path(spec.origin).parent)


def _docstrings(root: Path) -> Iterator[str]:
    for path in sorted(root.rglob("*.py")):
        if not _LEFT_OUT.isdisjoint(path.relative_to(root).parts):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the files' own escapes
                tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, ValueError):
            continue  # a few files are broken on purpose, or templates
        for node in _statements(tree):
            if isinstance(node, _DEFINITIONS):
                yield ast.get_docstring(node) or ""


def _statements(tree: ast.AST) -> Iterator[ast.AST]:
    """A module and all its statements, without their expressions, which are most of a tree."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in _BLOCKS:
            waiting += getattr(node, name, ())
