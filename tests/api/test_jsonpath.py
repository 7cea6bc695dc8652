"""JSONPath as kubectl speaks it."""

from __future__ import annotations

import pytest

from kubelab.api import jsonpath

OBJ = {
    "items": [
        {
            "metadata": {"name": "a", "annotations": {"k.io/x": "v"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}], "n": 1},
        },
        {"metadata": {"name": "b"}, "status": {}},
    ],
    "n": 3,
    "b": True,
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        (r'{range .items[*]}{.metadata.name}{"\t"}{.status.n}{"\n"}{end}', "a\t1\nb\t\n"),
        ('{.items[0].status.conditions[?(@.type=="Ready")].status}', "True"),
        (r"{.items[0].metadata.annotations.k\.io/x}", "v"),
        ("{.items[0].metadata.annotations['k\\.io/x']}", "v"),
        ("n={.n} {.b}", "n=3 true"),
        ("{.items[-1:].metadata.name}", "b"),
        ("{.items[0,1].metadata.name}", "a b"),
        ("{..name}", "a b"),
        ("{.items[?(@.status.n>=1)].metadata.name}", "a"),
        ("{.items[?(@.status.n)].metadata.name}", "a"),
        ("{.items[0].metadata.annotations}", '{"k.io/x":"v"}'),
        ("{.none.at.all}", ""),
        ("{$.n}{@.n}", "33"),
    ],
)
def test_templates_print(template, text):
    """Paths, filters, slices, unions, ranges and text, printed with blanks between values."""
    assert jsonpath.compile_template(template).render(OBJ) == text


def test_a_missing_key_can_be_an_error():
    """kubectl's own strictness, when it is asked for."""
    template = jsonpath.compile_template("{.none}", allow_missing=False)
    with pytest.raises(jsonpath.JSONPathError, match="none is not found"):
        template.render(OBJ)


@pytest.mark.parametrize("template", ["{.a", "{range .a[*]}x", "{end}", "{.a[b]}", "{.a[1}"])
def test_bad_templates_are_refused(template):
    """A template that cannot be read is refused."""
    with pytest.raises(jsonpath.JSONPathError):
        jsonpath.compile_template(template)


def test_plain_paths():
    """Printer columns and conditions leave the braces out."""
    assert jsonpath.values(".items[1].metadata.name", OBJ) == ["b"]
    assert jsonpath.values("{.n}", OBJ) == [3]
    assert jsonpath.relaxed("a.b") == jsonpath.relaxed("{.a.b}") == "{.a.b}"
