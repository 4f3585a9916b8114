"""Operations on expressions, whose values are complex balls; each takes a bounded time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from flint import acb, arb, ctx, fmpq, fmpz

Ball: TypeAlias = Any
"""A ball of `flint.acb`, which has no types."""
Values = Callable[[str], Ball]
Expression = Callable[[Values], Ball]
"""Gives the value of an expression from those of its letters."""

_BITS = 2048
_BITS_KNOWN = 512
_LARGEST_FACTORIAL = 300

FUNCTIONS: Mapping[str, Callable[[Ball], Ball]] = MappingProxyType(
    {
        "sin": lambda x: x.sin(),
        "cos": lambda x: x.cos(),
        "tan": lambda x: x.sin() / x.cos(),
        "exp": lambda x: x.exp(),
        "ln": lambda x: x.log(),
        "log": lambda x: x.log(),
    }
)


def equal(first: Expression, second: Expression) -> bool:
    """Whether two expressions have the same value, whatever their letters stand for.

    They are equal if their balls overlap at some fixed points, with at least 154 digits of them
    known: what holds at points that have nothing to do with the expressions holds everywhere, but
    for a negligible share of points (Schwartz 1980, Zippel 1979, for polynomials). If the balls are
    apart at one point, the expressions differ: that is proved.

    >>> equal(divided(number("1"), number("3")), number("0.3333333333333333"))
    False
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


def letter(name: str) -> Expression:
    """Return a letter: pi, e or i for themselves, any other for whatever value."""
    if name == "pi":
        return lambda _: acb(arb.pi())
    if name == "e":
        return lambda _: acb(1).exp()
    if name == "i":
        return lambda _: acb(0, 1)
    return lambda letters: letters(name)


def applied(function: Callable[[Ball], Ball], argument: Expression) -> Expression:
    """Return a function of an expression."""
    return lambda letters: function(argument(letters))


def _at(place: int, shift: int, sign: int) -> Values:
    def value(name: str) -> Ball:
        digest = hashlib.blake2b(f"{place} {name}".encode(), digest_size=7).digest()
        return acb(sign * (shift + fmpq(int.from_bytes(digest, "big") | 1, 2**56)))

    return value


_POINTS: tuple[Values, ...] = (_at(0, 0, 1), _at(1, 1, 1), _at(2, 3, 1), _at(3, 0, -1))


def number(text: str) -> Expression:
    """Return a decimal, exactly."""
    digits, _, exponent = text.lower().partition("e")
    whole, _, decimals = digits.partition(".")
    power = int(exponent or 0) - len(decimals)
    value = fmpq(fmpz(int(whole + decimals)))
    value *= fmpq(fmpz(10) ** power) if power >= 0 else 1 / fmpq(fmpz(10) ** -power)
    return lambda _: acb(value)


def added(a: Expression, b: Expression, sign: int) -> Expression:
    """Return a sum, or a difference if the sign is -1."""
    return lambda letters: a(letters) + sign * b(letters)


def multiplied(a: Expression, b: Expression) -> Expression:
    """Return a product."""
    return lambda letters: a(letters) * b(letters)


def divided(a: Expression, b: Expression) -> Expression:
    """Return a quotient."""
    return lambda letters: a(letters) / b(letters)


def negated(a: Expression) -> Expression:
    """Return the negative."""
    return lambda letters: -a(letters)


def percent(a: Expression) -> Expression:
    """Return a hundredth."""
    return lambda letters: a(letters) / 100


def power_of(base: Expression, exponent: Expression) -> Expression:
    """Return a power."""
    return lambda letters: base(letters) ** exponent(letters)


def root(radicand: Expression, degree: Expression) -> Expression:
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


def factorial(argument: Expression) -> Expression:
    """Return a factorial, of small whole numbers only."""

    def value(letters: Values) -> Ball:
        x = argument(letters)
        n = x.real.unique_fmpz() if x.imag.is_zero() else None
        if n is None or not 0 <= n <= _LARGEST_FACTORIAL:
            raise ValueError("no small whole number")
        return acb(fmpz.fac_ui(n))

    return value
