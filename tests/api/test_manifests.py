"""Manifests are read as kubectl reads them."""

from __future__ import annotations

import pytest

from kubelab.api import manifests

LIST = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: a}}
- {apiVersion: v1, kind: Pod, metadata: {name: b}}
---
# nothing here
---
apiVersion: v1
kind: Service
metadata: {name: c}
"""


def test_documents_and_lists_are_taken_apart():
    """Empty documents are skipped, and the items of a List stand for themselves."""
    assert [obj["metadata"]["name"] for obj in manifests.load(LIST)] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2020-01-01", "2020-01-01"), ("yes", True), ("y", True), ("N", False),
        ("off", False), ("1e3", 1000), ("1.5", 1.5),
        ("0755", 493), ("12:30", "12:30"), ("~", None), ('"1"', "1"), ("0x10", 16),
        ("1e3-x", "1e3-x"), ("no-op", "no-op"), ("yaml", "yaml"), ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_yaml_guesses_as_kubernetes_does(text, value):
    """Times stay texts, yes and off are booleans, 1e3 is a number."""
    found = manifests.documents(f"a: {text}")[0]["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", 'yaml: line 3: key "a" already set in map'),
        ("a: b: c", "yaml: line 1: mapping values are not allowed in this context"),
        ("a: .inf", "yaml: line 1: .inf is no number that JSON can hold"),
        ("- 1", "a manifest is a map with apiVersion and kind, and this is list"),
        ("kind: Pod", 'apiVersion not set in {"kind":"Pod"}'),
        ("apiVersion: v1", 'kind not set in {"apiVersion":"v1"}'),
        ("apiVersion: 1\nkind: Pod", "apiVersion is a text, and this is 1"),
        ("apiVersion: v1\nkind: Pod\nx: &a [*a]", "an anchor contains itself"),
    ],
)
def test_bad_texts_give_one_clear_sentence(text, message):
    """The sentence says what is wrong, and in which line."""
    with pytest.raises(manifests.ManifestError) as caught:
        manifests.load(text)
    assert str(caught.value).endswith(message)
    assert "\n" not in str(caught.value)
