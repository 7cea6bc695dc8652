"""The Common Expression Language: what expressions give, and what they refuse."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import freeze
from kubelab.apiserver import cel, rules

SELF = {
    "size": 4, "name": "web", "tags": ["a", "b"], "ports": [{"n": 80}, {"n": 443}],
    "labels": {"app": "x"}, "cpu": "500m", "half": 0.5,
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3 == 7 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1", True),
        ("self.size < 4 || has(self.color)", False),
        ("!has(self.color) || self.color == 'x'", True),
        ("self.color == 'x' || true", True),
        ("false && self.color == 'x'", False),
        ("self.tags.all(t, size(t) == 1) && self.ports.exists(p, p.n == 443)", True),
        ("self.ports.map(p, p.n)", [80, 443]),
        ("self.ports.filter(p, p.n > 80).map(p, p.n + 1)", [444]),
        ("self.ports.exists_one(p, p.n > 80)", True),
        ("self.labels.all(k, self.labels[k] != '')", True),
        ("'app' in self.labels && !('z' in self.tags)", True),
        ("self.name.matches('^w') && self.name.startsWith('we') && self.name.contains('e')", True),
        ("'a-b-c'.split('-').join('/') + \"!\" + r'\\n'", "a/b/c!\\n"),
        ("quantity(self.cpu).isLessThan(quantity('1'))", True),
        ("duration('1h') > duration('59m')", True),
        ("timestamp('2026-01-02T00:00:00Z') - timestamp('2026-01-01T00:00:00Z') "
         "== duration('24h')", True),
        ("self.size > 3 ? 'big' : 'small'", "big"),
        ("self.?color.orValue('none')", "none"),
        ("self.?name.hasValue()", True),
        ("cel.bind(n, self.size, n * n)", 16),
        ("{'a': 1}.a + [1, 2][1]", 3),
        ("'%s has %d'.format([self.name, self.size])", "web has 4"),
        ("1 == 1.0 && 1 < 1.5", True),
        ("'1' == 1", False),
        ("type(self.size) == type(1)", True),
        ("isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.1.2.3')", True),
        ("sets.contains(self.tags, ['a'])", True),
        ("string(self.size) + string(true)", "4true"),
        ("format.named('dns1123Label').value().validate('A_b').hasValue()", True),
    ],
)  # fmt: skip
def test_values(text: str, value: Any) -> None:
    """An expression has the value that cel-go gives it."""
    assert cel.program(text).evaluate({"self": freeze(SELF)}) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("self.color", "no such key: color"),
        ("self.tags[5]", "index out of bounds: 5"),
        ("1 / 0", "division by zero"),
        ("self.size + 'x'", "no such overload"),
        ("9223372036854775807 + 1", "integer overflow"),
        ("other == 1", "undeclared reference to 'other' (in container '')"),
        ("self.size.shout()", "undeclared reference to 'shout' (in container '')"),
    ],
)
def test_errors(text: str, message: str) -> None:
    """What has no value says why in CEL's words."""
    with pytest.raises(cel.CelError, match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        cel.program(text).evaluate({"self": freeze(SELF)})


@pytest.mark.parametrize("text", ["", "1 +", "(1", "a b", "self.", "1 ? 2", "#"])
def test_what_is_no_expression_is_refused(text: str) -> None:
    """A syntax error tells its place."""
    with pytest.raises(cel.CelError, match="Syntax error"):
        cel.program(text)


@given(st.text(max_size=30))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    """No text makes the compiler fail in another way."""
    with contextlib.suppress(cel.CelError):
        cel.program(text)


def test_rules_are_told_by_their_message_and_place() -> None:
    """A rule's own message, its expression, its reason and its field are heard."""
    schema = freeze({"properties": {"spec": {
        "type": "object",
        "x-kubernetes-validations": [
            {"rule": "self.a > 1", "message": "too small", "fieldPath": ".a"},
            {"rule": "self.a > 2", "messageExpression": "'a is ' + string(self.a)",
             "reason": "FieldValueForbidden"},
            {"rule": "self.b > 1"},
            {"rule": "self.a >= oldSelf.a"},
        ],
    }}})  # fmt: skip
    found = rules.check(schema, freeze({"spec": {"a": 1}}), freeze({"spec": {"a": 3}}))
    assert [str(error) for error in found] == [
        "spec.a: Invalid value: too small",
        "spec: Forbidden: a is 1",
        "spec: Invalid value: no such key: b evaluating rule: self.b > 1",
        "spec: Invalid value: failed rule: self.a >= oldSelf.a",
    ]
    assert len(rules.check(schema, freeze({"spec": {"a": 3, "b": 2}}), None)) == 0
