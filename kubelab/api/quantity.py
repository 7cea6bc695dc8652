"""Quantities: `500m`, `1Gi`, `1e3`, as exact numbers and back in canonical form.

A quantity is a Fraction; nothing is ever rounded on the way, except that what is finer than a
billionth is rounded away from zero, as Kubernetes does when it reads one. The canonical form has no
fraction and the largest suffix with which that is possible; it keeps the family of suffixes that
was written (binary, decimal or exponent). Parsing is remembered by text, since the same few
quantities come again with each pod; still, what runs often keeps the number and not the text.

In Kubernetes: k8s.io/apimachinery/pkg/api/resource.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

WRONG_FORMAT = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"

BINARY = "BinarySI"
DECIMAL = "DecimalSI"
EXPONENT = "DecimalExponent"

_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL_SUFFIXES = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BY_POWER = {power: suffix for suffix, power in _DECIMAL_SUFFIXES.items()}
_SHAPE = re.compile(r"([+-]?)([0-9]*)(\.?)([0-9]*)([eEinumkKMGTP]*[-+]?[0-9]*)")
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
_LARGEST = Fraction((1 << 63) - 1)
_NANO = 10**9


class QuantityError(ValueError):
    """Raised for a text that is no quantity; the message is Kubernetes'."""


@lru_cache(maxsize=20_000)
def _read(text: str) -> tuple[Fraction, str]:
    """The number and the family of its suffix."""
    found = _SHAPE.fullmatch(text)
    if found is None or not text:
        raise QuantityError(WRONG_FORMAT)
    sign, whole, _, fraction, suffix = found.groups()
    number = Fraction(int((whole + fraction) or "0"), 10 ** len(fraction))
    exponent = _EXPONENT.fullmatch(suffix)
    if suffix in _DECIMAL_SUFFIXES:
        family, number = DECIMAL, number * Fraction(10) ** _DECIMAL_SUFFIXES[suffix]
    elif suffix in _BINARY_SUFFIXES:
        family, number = BINARY, number * 1024 ** _BINARY_SUFFIXES.index(suffix)
    elif exponent is not None and abs(int(exponent[1])) < 1000:
        family, number = EXPONENT, number * Fraction(10) ** int(exponent[1])
    else:
        raise QuantityError(WRONG_SUFFIX)
    if not whole and not fraction:
        raise QuantityError(WRONG_NUMBER)
    nanos = -(-number * _NANO // 1)
    number = min(Fraction(nanos, _NANO), _LARGEST)
    return (-number if sign == "-" else number), family


def parse(value: Any) -> Fraction:
    """The number of a quantity as JSON has it (a string or a number). Raises QuantityError."""
    if type(value) is int:
        return Fraction(value)
    return _read(value if type(value) is str else _text(value))[0]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def canonical(value: Any) -> str:
    """The canonical form of a quantity as JSON has it. Raises QuantityError."""
    return _canonical(_text(value))


@lru_cache(maxsize=20_000)
def _canonical(text: str) -> str:
    return write(*_read(text))


def write(number: Fraction | int, family: str = DECIMAL) -> str:
    """The canonical text of a number."""
    number = Fraction(number)
    if family == BINARY and abs(number) >= 1024 and number.denominator == 1:
        rest, power = number.numerator, 0
        while rest % 1024 == 0 and power < 6:
            rest, power = rest // 1024, power + 1
        return f"{rest}{_BINARY_SUFFIXES[power]}"
    rest, power = ceiling(number * _NANO), -9
    while rest and rest % 1000 == 0 and (power < 18 or family == EXPONENT):
        rest, power = rest // 1000, power + 3
    if not rest:
        return "0"
    if family == EXPONENT:
        return f"{rest}e{power}" if power else str(rest)
    return f"{rest}{_BY_POWER[power]}"


def ceiling(number: Fraction | int) -> int:
    """A number rounded up to a whole one."""
    return -int(-number // 1)


def value(text: Any) -> int:
    """A quantity in whole units, rounded up (bytes, pods)."""
    return ceiling(parse(text))


def milli_value(text: Any) -> int:
    """A quantity in thousandths, rounded up (cpu)."""
    return ceiling(parse(text) * 1000)


def compare(one: Any, other: Any) -> int:
    """-1, 0 or 1: which of two quantities is the larger one."""
    left, right = parse(one), parse(other)
    return (left > right) - (left < right)


def family_of(text: Any) -> str:
    """The family of suffixes in which a quantity is written."""
    return _read(_text(text))[1]
