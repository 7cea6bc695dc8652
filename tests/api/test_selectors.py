"""Selectors choose what Kubernetes' selectors choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api import kinds, selectors
from kubelab.sim.tree import freeze

LABELS = {"app": "web", "tier": "front", "n": "5"}


@pytest.mark.parametrize(
    ("text", "chosen"),
    [
        ("app=web", True), ("app==web", True), ("app!=web", False), ("other!=x", True),
        ("app in (web, db)", True), ("app notin (web)", False), ("other notin (x)", True),
        ("app", True), ("!app", False), ("!other", True), ("n>4", True), ("n<5", False),
        ("app=web,tier=back", False), ("", True), ("app gt 4", False),
    ],
)  # fmt: skip
def test_texts_choose(text, chosen):
    """Each operator of the text form; what lacks a key matches its negation."""
    assert selectors.parse_labels(text).matches(LABELS) is chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
    ],
)
def test_bad_texts_are_refused(text, message):
    """The complaint is that of a real API server."""
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.parse_labels(text)
    assert str(caught.value) == message


def test_json_selectors_choose():
    """matchLabels and matchExpressions must all hold; absent selects nothing, empty everything."""
    held = freeze({
        "matchLabels": {"app": "web"},
        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "x"]}],
    })  # fmt: skip
    assert selectors.compile_selector(held).matches(LABELS)
    assert not selectors.compile_selector(held).matches({"app": "web"})
    assert not selectors.compile_selector(None).matches(LABELS)
    assert selectors.compile_selector(freeze({})).matches({})


NAMES = st.sampled_from(["a", "b", "c.d/e"])
VALUES = st.sampled_from(["", "x", "y-1"])


@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_the_text_of_a_selector_means_the_same(wanted, held):
    """A selector written as text and read again chooses the same objects."""
    compiled = selectors.equal(wanted)
    assert selectors.parse_labels(str(compiled)).matches(held) == compiled.matches(held)


def test_fields_choose():
    """A field that is not there is the empty text; a flag that is not there is false."""
    pod = freeze({"spec": {"nodeName": "n1"}, "status": {"phase": "Running"}})
    assert selectors.parse_fields("spec.nodeName=n1,status.phase!=Failed").matches(pod)
    assert not selectors.parse_fields("spec.nodeName=").matches(pod)
    assert selectors.parse_fields("spec.unschedulable=false").matches(freeze({"spec": {}}))
    assert selectors.parse_fields("spec.nodeName=n1").exact("spec.nodeName") == "n1"


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("v1/Pod", "spec.foo=b", "field label not supported: spec.foo"),
        (
            "v1/ConfigMap", "data.a=b",
            '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
    ],
)  # fmt: skip
def test_unsupported_fields_are_refused(kind, text, message):
    """Only some fields select, and the complaint depends on whether the kind has any."""
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.check_fields(kinds.named(kind), selectors.parse_fields(text))
    assert str(caught.value) == message
