r"""Numbers and expressions of final answers, read by a small grammar and compared in ball arithmetic.

Nothing is evaluated that the grammar does not know: no Python, no `sympify`. The text is short, is
nested little, and every operation takes a bounded time, so that ``9^{9^{9^9}}`` ends at once.

The grammar, in LaTeX or plain: decimals, thousands separators, scientific notation, percent,
``+ - * / ^ !``, ``\cdot \times \div``, products without a sign, ``\frac``, mixed numbers,
``\sqrt[n]``, ``pi``, ``e``, ``i``, single letters and Greek letters with subscripts, and
``sin cos tan ln log exp``.

Two expressions are equal if their balls overlap at some fixed points, with at least 154 digits of
them known: what holds at points that have nothing to do with the expressions holds everywhere, but
for a negligible share of points (Schwartz 1980, Zippel 1979, for polynomials). If the balls are
apart at one point, the expressions differ: that is proved.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from flint import acb, arb, ctx, fmpq, fmpz

Ball: TypeAlias = Any
"""A ball of `flint.acb`, which has no types."""
Values = Callable[[str], Ball]
Expression = Callable[[Values], Ball]
"""Gives the value of an expression from those of its letters."""

LONGEST = 400
"""Characters of an expression."""
_DEEPEST = 40
_BITS = 2048
_BITS_KNOWN = 512
_LARGEST_FACTORIAL = 300

_GREEK = frozenset(
    [
        "alpha",
        "beta",
        "gamma",
        "delta",
        "epsilon",
        "varepsilon",
        "zeta",
        "eta",
        "theta",
        "vartheta",
        "kappa",
        "lambda",
        "mu",
        "nu",
        "xi",
        "rho",
        "sigma",
        "tau",
        "phi",
        "varphi",
        "chi",
        "psi",
        "omega",
        "Gamma",
        "Delta",
        "Theta",
        "Lambda",
        "Sigma",
        "Phi",
        "Psi",
        "Omega",
        "infty",
    ]
)
_FUNCTIONS: Mapping[str, Callable[[Ball], Ball]] = MappingProxyType(
    {
        "sin": lambda x: x.sin(),
        "cos": lambda x: x.cos(),
        "tan": lambda x: x.sin() / x.cos(),
        "exp": lambda x: x.exp(),
        "ln": lambda x: x.log(),
        "log": lambda x: x.log(),
    }
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


def equal(first: Expression, second: Expression) -> bool:
    """Whether two expressions have the same value, whatever their letters stand for.

    >>> equal(read("(x+1)^2"), read("x^2 + 2x + 1"))
    True
    """
    with ctx.workprec(_BITS):
        compared = [_compared(first, second, letters) for letters in _POINTS]
    return False not in compared and compared.count(True) >= 2


def _compared(first: Expression, second: Expression, letters: Values) -> bool | None:
    """Whether two expressions agree at a point; None if that cannot be said."""
    try:
        a, b = first(letters), second(letters)
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    if not (a.is_finite() and b.is_finite()):
        return None
    if not a.overlaps(b):
        return False
    known = min(a.rel_one_accuracy_bits(), b.rel_one_accuracy_bits())
    return True if known >= _BITS_KNOWN else None


def _at(place: int, shift: int, sign: int) -> Values:
    def value(name: str) -> Ball:
        digest = hashlib.blake2b(f"{place} {name}".encode(), digest_size=7).digest()
        return acb(sign * (shift + fmpq(int.from_bytes(digest, "big") | 1, 2**56)))

    return value


_POINTS: tuple[Values, ...] = (_at(0, 0, 1), _at(1, 1, 1), _at(2, 3, 1), _at(3, 0, -1))


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
            total = _added(total, self._product(), 1 if sign == "+" else -1)
        return total

    def _product(self) -> Expression:
        negative = self._signs()
        result = self._power()
        while True:
            if sign := self._took("*", "/"):
                inverse = sign == "/"
                negative ^= self._signs()
                result = (_divided if inverse else _multiplied)(result, self._power())
            elif self._starts_factor():
                result = _multiplied(result, self._power())
            else:
                return _negated(result) if negative else result

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
        return _power_of(base, self._exponent()) if self._took("^") else base

    def _exponent(self) -> Expression:
        negative = self._signs()
        exponent = self._power()
        return _negated(exponent) if negative else exponent

    def _postfix(self) -> Expression:
        value = self._atom()
        while sign := self._took("!", "%"):
            value = _factorial(value) if sign == "!" else _percent(value)
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
            return _number(token.text)
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
            return _divided(self._argument(), self._argument())
        if word == "sqrt":
            degree = self._inside("]") if self._took("[") else _number("2")
            return _root(self._argument(), degree)
        if word in _FUNCTIONS:
            return self._applied(_FUNCTIONS[word])
        if word == "pi":
            return lambda _: acb(arb.pi())
        if name.startswith("\\"):
            if word not in _GREEK:
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
        argument = self._atom() if brackets else self._power()

        def value(letters: Values) -> Ball:
            found = function(argument(letters))
            return found if outer is None else found ** outer(letters)

        return value

    def _letters(self, word: str) -> Expression:
        """Put the letters of a product in place of the word, as what follows is the last one's."""
        self._place -= 1
        self._tokens[self._place : self._place + 1] = [_Token("name", c) for c in word]
        return self._value()

    def _letter(self, name: str) -> Expression:
        if self._took("_"):
            name = f"{name}_{self._subscript()}"
        if name == "e":
            return lambda _: acb(1).exp()
        if name == "i":
            return lambda _: acb(0, 1)
        return lambda letters: letters(name)

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


def _number(text: str) -> Expression:
    digits, _, exponent = text.lower().partition("e")
    whole, _, decimals = digits.partition(".")
    power = int(exponent or 0) - len(decimals)
    value = fmpq(fmpz(int(whole + decimals)))
    value *= fmpq(fmpz(10) ** power) if power >= 0 else 1 / fmpq(fmpz(10) ** -power)
    return lambda _: acb(value)


def _added(a: Expression, b: Expression, sign: int) -> Expression:
    return lambda letters: a(letters) + sign * b(letters)


def _multiplied(a: Expression, b: Expression) -> Expression:
    return lambda letters: a(letters) * b(letters)


def _divided(a: Expression, b: Expression) -> Expression:
    return lambda letters: a(letters) / b(letters)


def _negated(a: Expression) -> Expression:
    return lambda letters: -a(letters)


def _percent(a: Expression) -> Expression:
    return lambda letters: a(letters) / 100


def _power_of(base: Expression, exponent: Expression) -> Expression:
    return lambda letters: base(letters) ** exponent(letters)


def _root(radicand: Expression, degree: Expression) -> Expression:
    """Return a root; the real one where the degree is odd and the radicand negative."""

    def value(letters: Values) -> Ball:
        x, n = radicand(letters), degree(letters)
        if n.overlaps(acb(2)):
            return x.sqrt()
        odd = n.imag.is_zero() and n.real.is_integer() and int(n.real.unique_fmpz()) % 2 == 1
        if odd and x.imag.is_zero() and x.real < 0:
            return -((-x) ** (1 / n))
        return x ** (1 / n)

    return value


def _factorial(argument: Expression) -> Expression:
    def value(letters: Values) -> Ball:
        x = argument(letters)
        n = x.real.unique_fmpz() if x.imag.is_zero() else None
        if n is None or not 0 <= n <= _LARGEST_FACTORIAL:
            raise ValueError("no small whole number")
        return acb(fmpz.fac_ui(int(n)))

    return value
