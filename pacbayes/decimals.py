"""Numbers for readers, never on the wrong side of what they stand for.

>>> up(0.23991), down(0.23999), percent_up(0.2391), confidence(0.05), confidence(1e-9)
('0.2400', '0.2399', '24.0 %', '95 %', '99.9999999 %')
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal


def up(value: float, digits: int = 4) -> str:
    """So many digits after the point, never below the value."""
    return _rounded(Decimal(value), digits, ROUND_CEILING)


def down(value: float, digits: int = 4) -> str:
    """So many digits after the point, never above the value."""
    return _rounded(Decimal(value), digits, ROUND_FLOOR)


def outward(interval: tuple[float, float], digits: int = 4) -> str:
    """An interval that contains the given one."""
    lower, upper = interval
    return f"[{down(lower, digits)}, {up(upper, digits)}]"


def percent_up(value: float, digits: int = 1) -> str:
    """A share in percent, never below it."""
    return f"{_rounded(100 * Decimal(value), digits, ROUND_CEILING)} %"


def confidence(*deltas: float) -> str:
    """1 − δ in percent, of several their sum, all digits: nothing is rounded to certainty."""
    total = sum((Decimal(repr(delta)) for delta in deltas), Decimal(0))
    return f"{(100 - 100 * total).normalize():f} %"


def short(value: float) -> str:
    """Three digits or all those before the point, for what guarantees nothing.

    >>> short(0.12345), short(12345.6)
    ('0.123', '12,346')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _rounded(value: Decimal, digits: int, rounding: str) -> str:
    return f"{value.quantize(Decimal(1).scaleb(-digits), rounding=rounding):f}"
