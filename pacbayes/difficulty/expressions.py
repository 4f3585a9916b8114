r"""Numbers and expressions of final answers, read by a small grammar.

Nothing is evaluated that the grammar does not know: no Python, no `sympify`. The text is short, is
nested little, and every operation takes a bounded time, so that ``9^{9^{9^9}}`` ends at once.

The grammar, in LaTeX or plain: decimals, thousands separators, scientific notation, percent,
``+ - * / ^ !``, ``\cdot \times \div``, products without a sign, ``\frac``, mixed numbers,
``\sqrt[n]``, ``pi``, ``e``, ``i``, single letters and Greek letters with subscripts, and
``sin cos tan ln log exp``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pacbayes.difficulty.operations import (
    FUNCTIONS,
    Ball,
    Expression,
    added,
    applied,
    divided,
    equal,
    factorial,
    letter,
    multiplied,
    negated,
    number,
    percent,
    power_of,
    root,
)

__all__ = ["LONGEST", "UnreadableError", "equal", "plain", "read"]

LONGEST = 400
"""Characters of an expression."""
_DEEPEST = 40

_GREEK = re.compile(
    "alpha|beta|gamma|delta|(?:var)?epsilon|zeta|eta|(?:var)?theta|kappa|lambda|mu|nu|xi|rho|sigma|"
    "tau|(?:var)?phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Sigma|Phi|Psi|Omega|infty"
)
_LETTERS_OF_PRODUCTS = frozenset("abcxyz")
"""Words of these letters alone are products; other words are words."""

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3}(?![\d.]))?)"
    r"|(?P<name>\\?[A-Za-z]+)|(?P<sign>[-+*/^!%(){}\[\]_]))"
)
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\(?:left|right|displaystyle|bigl|bigr|big|Big)(?![A-Za-z])", ""),
        (r"\\[,!;: ]|~|\\?\$|\{,\}", ""),
        (r"\^\s*(?:\\circ|\{\s*\\circ\s*\})|\\degree|°", ""),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\%", "%"),
        (r"\*\*", "^"),
        (r"\\(?:cdot|times|ast)(?![A-Za-z])|[×·⋅∙]", "*"),
        (r"\\div(?![A-Za-z])|÷", "/"),
        (r"[−–]", "-"),
        (r"π", r"\\pi "),
        (r"√", r"\\sqrt "),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s*(\d)\s*\{", r"\\frac{\1}{"),
        (r"\\frac(\{[^{}]*\})\s*(\d)", r"\\frac\1{\2}"),
        (r"\\sqrt\s*(\d)", r"\\sqrt{\1}"),
        # 2\frac{1}{3} and 2 1/3 are mixed numbers
        (r"(?<![\d.^_}])(\d+)\s*\\frac\{(\d+)\}\{(\d+)\}", r"(\1+\\frac{\2}{\3})"),
        (r"(?<![\d.^/])(\d+)[ ]+(\d+)/(\d+)(?![\d.])", r"(\1+\2/\3)"),
        (r"(?<![\d.,])(\d{1,3})((?:,\d{3})+)(?![\d,])", r"\1\2"),  # commas go below
    )
)


class UnreadableError(ValueError):
    """Text that is no expression of this grammar."""


def read(text: str) -> Expression:
    r"""Return the expression that a text is.

    Raises:
        UnreadableError: It is none.

    >>> equal(read(r"\frac{3}{4}"), read(".75"))
    True
    """
    if len(text) > LONGEST:
        raise UnreadableError(f"longer than {LONGEST} characters")
    reader = _Reader(_tokens(plain(text)))
    expression = reader.sum()
    reader.end()
    return expression


def plain(text: str) -> str:
    """Return the text with one way of writing for each sign, without LaTeX's spacing."""
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text)
    return text.strip()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def _tokens(text: str) -> list[_Token]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if not match or match.lastgroup is None:
            raise UnreadableError(f"has {text[place : place + 10]!r}")
        found.append(_Token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0
        self._depth = 0

    def end(self) -> None:
        if self._place < len(self._tokens):
            raise UnreadableError(f"has {self._tokens[self._place].text!r} after its end")

    def sum(self) -> Expression:
        total = self._product()
        while sign := self._took("+", "-"):
            total = added(total, self._product(), 1 if sign == "+" else -1)
        return total

    def _product(self) -> Expression:
        negative = self._signs()
        result = self._power()
        while True:
            if sign := self._took("*", "/"):
                inverse = sign == "/"
                negative ^= self._signs()
                result = (divided if inverse else multiplied)(result, self._power())
            elif self._starts_factor():
                result = multiplied(result, self._power())
            else:
                return negated(result) if negative else result

    def _signs(self) -> bool:
        negative = False
        while sign := self._took("+", "-"):
            negative ^= sign == "-"
        return negative

    def _starts_factor(self) -> bool:
        """Whether the next token goes on a product without a sign; two numbers in a row do not."""
        token = self._peek()
        if token is None:
            return False
        return token.kind == "name" or token.text in ("(", "{")

    def _power(self) -> Expression:
        base = self._postfix()
        return power_of(base, self._exponent()) if self._took("^") else base

    def _exponent(self) -> Expression:
        negative = self._signs()
        exponent = self._power()
        return negated(exponent) if negative else exponent

    def _postfix(self) -> Expression:
        value = self._atom()
        while sign := self._took("!", "%"):
            value = factorial(value) if sign == "!" else percent(value)
        return value

    def _atom(self) -> Expression:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise UnreadableError("nested too deeply")
        value = self._value()
        self._depth -= 1
        return value

    def _value(self) -> Expression:
        token = self._next()
        if token.kind == "number":
            return number(token.text)
        if token.kind == "name":
            return self._named(token.text)
        closing = {"(": ")", "{": "}"}.get(token.text)
        if closing is None:
            raise UnreadableError(f"has {token.text!r} where a value should be")
        return self._inside(closing)

    def _inside(self, closing: str) -> Expression:
        value = self.sum()
        if not self._took(closing):
            raise UnreadableError(f"lacks {closing!r}")
        return value

    def _named(self, name: str) -> Expression:
        word = name.removeprefix("\\")
        if name == "\\frac":
            return divided(self._argument(), self._argument())
        if word == "sqrt":
            degree = self._inside("]") if self._took("[") else number("2")
            return root(self._argument(), degree)
        if word in FUNCTIONS:
            return self._applied(FUNCTIONS[word])
        if word == "pi":
            return letter(word)
        if name.startswith("\\"):
            if not _GREEK.fullmatch(word):
                raise UnreadableError(f"has {name}")
            return self._letter(word)
        if len(word) == 1:
            return self._letter(word)
        if len(word) > 3 or not set(word) <= _LETTERS_OF_PRODUCTS:
            raise UnreadableError(f"has the word {word!r}")
        return self._letters(word)

    def _applied(self, function: Callable[[Ball], Ball]) -> Expression:
        """Return a function of what follows; of more than what is in brackets if there are none."""
        outer = self._exponent() if self._took("^") else None
        token = self._peek()
        brackets = token is not None and token.text in ("(", "{")
        found = applied(function, self._atom() if brackets else self._power())
        return found if outer is None else power_of(found, outer)

    def _letters(self, word: str) -> Expression:
        """Put the letters of a product in place of the word, as what follows is the last one's."""
        self._place -= 1
        self._tokens[self._place : self._place + 1] = [_Token("name", c) for c in word]
        return self._value()

    def _letter(self, name: str) -> Expression:
        if self._took("_"):
            name = f"{name}_{self._subscript()}"
        return letter(name)

    def _subscript(self) -> str:
        if not self._took("{"):
            return self._next().text
        parts = []
        while not self._took("}"):
            parts.append(self._next().text)
        return "".join(parts)

    def _argument(self) -> Expression:
        if self._took("{"):
            return self._inside("}")
        return self._atom()

    def _peek(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _next(self) -> _Token:
        token = self._peek()
        if token is None:
            raise UnreadableError("ends too early")
        self._place += 1
        return token

    def _took(self, *signs: str) -> str | None:
        """Take the next token if it is one of some signs."""
        token = self._peek()
        if token is None or token.kind != "sign" or token.text not in signs:
            return None
        self._place += 1
        return token.text
