"""Quantities are exact, and their canonical form is Kubernetes'."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api import quantity

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "Ki", "Mi", "Gi", "e3", "E6", "e-3"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5", "500m"), ("1000m", "1"), ("1500m", "1500m"), ("1000", "1k"), ("1024", "1024"),
        ("1024Mi", "1Gi"), ("1.5Ki", "1536"), ("1.1Mi", "1153433600m"), ("512Ki", "512Ki"),
        ("1e3", "1e3"), ("12E6", "12e6"), ("0.1n", "1n"), ("-1500m", "-1500m"), ("0Ki", "0"),
        (1, "1"), (0.5, "500m"),
    ],
)  # fmt: skip
def test_canonical_form(text, canonical):
    """No fraction, the largest suffix with which that is possible, and the family kept."""
    assert quantity.canonical(text) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", quantity.WRONG_FORMAT), ("abc", quantity.WRONG_FORMAT), ("1x", quantity.WRONG_FORMAT),
        ("1 Gi", quantity.WRONG_FORMAT), ("1Kii", quantity.WRONG_SUFFIX),
        ("m", quantity.WRONG_NUMBER),
    ],
)  # fmt: skip
def test_what_is_no_quantity(text, message):
    """A text that is no quantity is refused in Kubernetes' words."""
    with pytest.raises(quantity.QuantityError) as caught:
        quantity.parse(text)
    assert str(caught.value) == message


def test_whole_and_milli_values_are_rounded_up():
    """A half byte costs a byte, a tenth of a thousandth a thousandth."""
    assert (quantity.value("1500m"), quantity.milli_value("100u")) == (2, 1)
    assert quantity.compare("1Gi", "1G") == 1
    assert quantity.compare("1000m", 1) == 0


@given(st.integers(-(10**9), 10**9), st.sampled_from(SUFFIXES))
def test_the_canonical_form_is_the_same_number(number, suffix):
    """Writing a quantity in its canonical form changes neither its number nor its form again."""
    text = f"{number}{suffix}"
    canonical = quantity.canonical(text)
    assert quantity.parse(canonical) == quantity.parse(text)
    assert quantity.canonical(canonical) == canonical


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_a_number_is_written_exactly(numerator, thousandths):
    """Any number of thousandths is read back as it was written."""
    number = Fraction(numerator, 1000) + thousandths
    assert quantity.parse(quantity.write(number)) == number
