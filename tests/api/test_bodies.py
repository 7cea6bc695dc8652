"""Bodies are read as Go's decoder reads them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api import bodies, errors, patch


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ('{"a": "x', "unexpected end of JSON input"),
        ("{foo", "invalid character 'f' looking for beginning of object key string"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": [1 2]}', "invalid character '2' after array element"),
        ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        ("{} {}", "invalid character '{' after top-level value"),
    ],
)
def test_what_is_no_json(text, message):
    """The complaint names the character and what was looked for."""
    with pytest.raises(bodies.BodyError) as caught:
        bodies.read(text)
    assert str(caught.value) == message


def test_fields_that_stand_twice():
    """The last one counts, and each is named by its path."""
    value, twice = bodies.read('{"data": {"a": "1", "a": "2"}, "l": [{"b": 1, "b": 1}]}')
    assert value == {"data": {"a": "2"}, "l": [{"b": 1}]}
    assert twice == ["data.a", "l[0].b"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(VALUES)
def test_json_is_read_as_it_was_written(value):
    """What is JSON is read without a word."""
    assert bodies.read(json.dumps(value)) == (value, [])


@pytest.mark.parametrize(
    ("text", "shown"),
    [("", "<empty>"), ("{foo", "{foo"), ("[]", "5b5d"), ("{" + "x" * 40, "{" + "x" * 29 + " ...")],
)
def test_bodies_are_shown_short(text, shown):
    """Objects as they are, all else as hex, and no more than thirty bytes."""
    assert bodies.summary(text) == shown


@pytest.mark.parametrize(
    ("body", "wanted", "message"),
    [
        ("{", list, "error decoding patch: unexpected end of JSON input"),
        (
            {"op": "add"}, list,
            "error decoding patch: json: cannot unmarshal object into Go value of type "
            "[]handlers.jsonPatchOp",
        ),
        (
            [], dict,
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}",
        ),
    ],
)  # fmt: skip
def test_bodies_that_are_no_patch(body, wanted, message):
    """A patch that cannot be read is a bad request, in the words of a real API server."""
    with pytest.raises(errors.ApiError) as caught:
        patch.decoded(body, wanted)
    assert (caught.value.code, str(caught.value)) == (400, message)
