"""Label and field selectors: which objects a list, a watch or a workload means.

A selector is compiled once into a frozen list of requirements and then asked of many objects. An
object that lacks a key matches `!=`, `notin` and `!key`. A text (`app=web,tier in (a,b)`) and
the JSON form (matchLabels, matchExpressions) compile to the same thing. An empty selector matches
everything; a selector that is absent (None) matches nothing, which is how workloads read it.

In Kubernetes: k8s.io/apimachinery/pkg/labels, pkg/fields and pkg/apis/meta/v1 helpers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from kubelab.api.kinds import CustomKind, Kind
from kubelab.sim.tree import EMPTY

IN, NOT_IN, EXISTS, ABSENT, GREATER, LESS = "In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"

_TOKEN = re.compile(r"\s*(==|!=|=|!|<|>|\(|\)|,|[^\s=!<>(),]+)")
_OPERATORS = ("=", "==", "!=", "in", "notin", "gt", "lt", ">", "<")
_SYMBOLS = ("=", "==", "!=", "!", "<", ">", "(", ")", ",")


class SelectorError(ValueError):
    """Raised for a text that is no selector; the message is Kubernetes'."""


class Requirement(NamedTuple):
    """One condition on the labels."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil the condition."""
        held = labels.get(self.key)
        operator = self.operator
        if operator == IN:
            return held is not None and held in self.values
        if operator == NOT_IN:
            return held is None or held not in self.values
        if operator == EXISTS:
            return held is not None
        if operator == ABSENT:
            return held is None
        try:
            number, bound = int(held or ""), int(self.values[0])
        except ValueError:
            return False
        return number > bound if operator == GREATER else number < bound

    def __str__(self) -> str:
        key, values = self.key, self.values
        if self.operator == EXISTS:
            return key
        if self.operator == ABSENT:
            return f"!{key}"
        if self.operator in (GREATER, LESS):
            return f"{key}{'>' if self.operator == GREATER else '<'}{values[0]}"
        if len(values) == 1:
            return f"{key}{'=' if self.operator == IN else '!='}{values[0]}"
        return f"{key} {'in' if self.operator == IN else 'notin'} ({','.join(sorted(values))})"


class LabelSelector(NamedTuple):
    """All requirements must hold; `nothing` is the selector that no object matches."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False

    @property
    def empty(self) -> bool:
        """Whether it matches every object."""
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        """Whether labels (None: there are none) are selected."""
        if self.nothing:
            return False
        held = EMPTY if labels is None else labels
        return all(requirement.matches(held) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = LabelSelector()
NOTHING = LabelSelector((), True)


def equal(labels: Mapping[str, str] | None) -> LabelSelector:
    """The selector of a Service or ReplicationController: each label must be equal."""
    return LabelSelector(
        tuple(Requirement(key, IN, (value,)) for key, value in sorted((labels or EMPTY).items()))
    )


def compile_selector(selector: Mapping[str, Any] | None) -> LabelSelector:
    """The selector of a LabelSelector object; None selects nothing, an empty one everything."""
    if selector is None:
        return NOTHING
    requirements = list(equal(selector.get("matchLabels")).requirements)
    for item in selector.get("matchExpressions") or ():
        values = tuple(item.get("values") or ())
        requirements.append(Requirement(item["key"], item["operator"], values))
    return LabelSelector(tuple(requirements))


@lru_cache(maxsize=4096)
def parse_labels(text: str) -> LabelSelector:
    """The selector of a text such as `app=web,tier in (a,b),!old`. Raises SelectorError."""
    parser = _Parser(text)
    requirements = []
    while parser.token:
        requirements.append(parser.requirement())
        if parser.token == ",":
            parser.take()
            if not parser.token:
                raise SelectorError("found '', expected: identifier after ','")
        elif parser.token:
            raise SelectorError(f"found '{parser.token}', expected: ',' or 'end of string'")
    return LabelSelector(tuple(sorted(requirements, key=lambda item: item.key)))


class _Parser:
    """The tokens of a selector's text, one ahead."""

    def __init__(self, text: str) -> None:
        self.tokens = _TOKEN.findall(text)
        self.at = 0

    @property
    def token(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.token
        self.at += 1
        return token

    def requirement(self) -> Requirement:
        if self.token == "!":
            self.take()
            return Requirement(self.key(), ABSENT)
        key = self.key()
        if self.token in ("", ","):
            return Requirement(key, EXISTS)
        operator = self.take()
        if operator not in _OPERATORS:
            raise SelectorError(
                f"unable to parse requirement: found '{operator}', "
                "expected: in, notin, =, ==, !=, gt, lt"
            )
        if operator in ("in", "notin"):
            return Requirement(key, IN if operator == "in" else NOT_IN, self.values())
        if operator in ("gt", ">", "lt", "<"):
            return Requirement(key, GREATER if operator in ("gt", ">") else LESS, (self.value(),))
        return Requirement(key, NOT_IN if operator == "!=" else IN, (self.value(),))

    def key(self) -> str:
        token = self.take()
        if not token or token in _SYMBOLS:
            raise SelectorError(
                f"unable to parse requirement: found '{token}', expected: identifier"
            )
        return token

    def value(self) -> str:
        if self.token in ("", ","):
            return ""
        token = self.take()
        if token in _SYMBOLS:
            raise SelectorError(
                f"unable to parse requirement: found '{token}', expected: identifier"
            )
        return token

    def values(self) -> tuple[str, ...]:
        if self.token != "(":
            raise SelectorError(f"unable to parse requirement: found '{self.token}' expected: '('")
        self.take()
        found: dict[str, None] = {}
        while self.token != ")":
            if not self.token:
                raise SelectorError("unable to parse requirement: found '', expected: ',', or ')'")
            found[self.value()] = None
            if self.token == ",":
                self.take()
        self.take()
        return tuple(sorted(found))


class FieldRequirement(NamedTuple):
    """A field must have, or must not have, one value."""

    field: str
    value: str
    equal: bool = True


class FieldSelector(NamedTuple):
    """All requirements must hold."""

    requirements: tuple[FieldRequirement, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether it matches every object."""
        return not self.requirements

    def matches(self, obj: Mapping[str, Any]) -> bool:
        """Whether an object is selected."""
        return all(
            (field_text(obj, item.field) == item.value) == item.equal for item in self.requirements
        )

    def exact(self, field: str) -> str | None:
        """The one value that a field must have, if the selector says so."""
        for item in self.requirements:
            if item.field == field and item.equal:
                return item.value
        return None

    def __str__(self) -> str:
        return ",".join(
            f"{item.field}{'=' if item.equal else '!='}{item.value}" for item in self.requirements
        )


def field_text(obj: Mapping[str, Any], field: str) -> str:
    """The text by which a field is selected; a missing flag is false, all else missing is empty."""
    if field.startswith("regarding."):
        field = f"involvedObject.{field[10:]}"
    value: Any = obj
    for step in _ALIASES.get(field, field).split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if field in ("reportingComponent", "reportingController") and not value:
        value = (obj.get("source") or EMPTY).get("component")
    if value is None:
        return _MISSING.get(field, "")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# Some fields are selected under another name than the one they have.
_ALIASES = {
    "status.successful": "status.succeeded",
    "source": "source.component",
    "reportingController": "reportingComponent",
}
_MISSING = {
    "spec.unschedulable": "false",
    "spec.hostNetwork": "false",
    "status.replicas": "0",
    "status.successful": "0",
}


@lru_cache(maxsize=4096)
def parse_fields(text: str) -> FieldSelector:
    """The selector of a text such as `spec.nodeName=a,status.phase!=Running`."""
    requirements = []
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        found = re.fullmatch(r"((?:[^=!\\]|\\.)*?)(!=|==|=)(.*)", part)
        if found is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        field, operator, value = found.groups()
        plain = re.sub(r"\\([\\,=])", r"\1", value)
        requirements.append(FieldRequirement(field, plain, operator != "!="))
    return FieldSelector(tuple(requirements))


def check_fields(kind: Kind, selector: FieldSelector, extra: Iterable[str] = ()) -> None:
    """Raises SelectorError for a field by which the kind cannot be selected."""
    metadata = ("metadata.name", "metadata.namespace")
    supported = (*metadata, *kind.field_labels, *extra)
    for item in selector.requirements:
        if item.field in supported:
            continue
        if kind.field_labels or isinstance(kind, CustomKind):
            raise SelectorError(f"field label not supported: {item.field}")
        raise SelectorError(
            f'"{item.field}" is not a known field selector: '
            'only "metadata.name", "metadata.namespace"'
        )
