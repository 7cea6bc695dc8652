"""What Go's JSON decoder says about an object that does not fit its schema.

The slow look of strict decoding: it walks the object in document order, leaves out unknown fields
and names them, and tells the first value of a wrong type. Paths of unknown fields have indexes,
paths of wrong types have none, and the Go types are named as the decoder names them.

In Kubernetes: encoding/json's UnmarshalTypeError and sigs.k8s.io/json's strict errors.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

from kubelab.api import quantity
from kubelab.api.schema import openapi
from kubelab.api.schema.openapi import Schema
from kubelab.sim.tree import Arr, Obj

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_TIMES = (f"{_META}Time", f"{_META}MicroTime")
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))"
)
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"

# Types of strings that Go gives a name of their own.
_NAMED = {
    "Capabilities.add": "v1.Capability",
    "Capabilities.drop": "v1.Capability",
    "Container.imagePullPolicy": "v1.PullPolicy",
    "ContainerPort.protocol": "v1.Protocol",
    "PersistentVolumeClaimSpec.accessModes": "v1.PersistentVolumeAccessMode",
    "PersistentVolumeSpec.accessModes": "v1.PersistentVolumeAccessMode",
    "PodSpec.dnsPolicy": "v1.DNSPolicy",
    "PodSpec.restartPolicy": "v1.RestartPolicy",
    "Secret.type": "v1.SecretType",
    "ServicePort.protocol": "v1.Protocol",
    "ServiceSpec.sessionAffinity": "v1.ServiceAffinity",
    "ServiceSpec.type": "v1.ServiceType",
    "Taint.effect": "v1.TaintEffect",
    "Toleration.effect": "v1.TaintEffect",
    "Toleration.operator": "v1.TolerationOperator",
}


class _Findings:
    """What the walk has found so far."""

    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.wrong: str | None = None

    def tell(self, text: str) -> None:
        """Only the first wrong value is told."""
        if self.wrong is None:
            self.wrong = text


def explain(name: str, obj: Obj) -> tuple[Obj, list[str], str | None]:
    """The object without its unknown fields, these, and the first wrong value in Go's words."""
    found = _Findings()
    struct = name.rpartition(".")[2]
    clean = _walk({"$ref": name}, obj, (), (), struct, found)
    return clean, found.unknown, found.wrong


def _walk(
    schema: Schema,
    value: Any,
    path: tuple[str, ...],
    fields: tuple[str, ...],
    struct: str,
    found: _Findings,
) -> Any:
    """`path` has indexes and keys, `fields` has none; `struct` is the Go struct of the field."""
    if value is None:
        return value
    name = openapi.reference(schema)
    if name is not None and name not in (_QUANTITY, _INT_OR_STRING, *_TIMES):
        return _walk_definition(name, schema, value, path, fields, struct, found)
    kind = schema.get("type")
    if name is None and kind == "array":
        if not isinstance(value, list):
            _mismatch(schema, value, fields, struct, found)
            return value
        inner = schema.get("items", {})
        return Arr([
            _walk(inner, item, (*path, f"[{at}]"), fields, struct, found)
            for at, item in enumerate(value)
        ])  # fmt: skip
    values = schema.get("additionalProperties")
    if name is None and kind == "object" and isinstance(values, dict):
        if not isinstance(value, dict):
            _mismatch(schema, value, fields, struct, found)
            return value
        return Obj({
            key: _walk(values, item, (*path, f".{key}"), fields, struct, found)
            for key, item in value.items()
        })  # fmt: skip
    problem = _scalar(name, schema, value)
    if problem == "type":
        _mismatch(schema, value, fields, struct, found)
    elif problem:
        found.tell(problem)
    return value


def _walk_definition(
    name: str,
    schema: Schema,
    value: Any,
    path: tuple[str, ...],
    fields: tuple[str, ...],
    struct: str,
    found: _Findings,
) -> Any:
    properties = openapi.definitions()[name].get("properties")
    if properties is None:
        return value
    if not isinstance(value, dict):
        _mismatch(schema, value, fields, struct, found)
        return value
    own = name.rpartition(".")[2]
    out = {}
    for key, item in value.items():
        if key not in properties:
            found.unknown.append(f'unknown field "{"".join((*path, f".{key}")).lstrip(".")}"')
            continue
        below = (*path, f".{key}"), (*fields, key)
        out[key] = _walk(properties[key], item, *below, own, found)
    return Obj(out)


def _mismatch(
    schema: Schema, value: Any, fields: tuple[str, ...], struct: str, found: _Findings
) -> None:
    where = ".".join((struct, *fields))
    named = _NAMED.get(f"{struct}.{fields[-1]}") if fields else None
    into = go_type(schema, named)
    found.tell(
        f"json: cannot unmarshal {_given(value, into)} into Go struct field {where} of type {into}"
    )


def _given(value: Any, into: str) -> str:
    """What stands in the JSON: a number is quoted where it does not fit a number."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return f"number {value}" if into.startswith(("int", "uint", "float")) else "number"
    return "array" if isinstance(value, list) else "object"


def go_type(schema: Schema, named: str | None = None) -> str:
    """The Go type of a field; `named` is the name that its strings have."""
    name = openapi.reference(schema)
    if name is not None:
        package, _, last = name.rpartition(".")
        return f"{package.rpartition('.')[2]}.{last}"
    kind = schema.get("type")
    if kind == "array":
        return f"[]{go_type(schema.get('items', {}), named)}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"map[string]{go_type(values)}" if isinstance(values, dict) else "map[string]string"
    if kind == "string":
        return "[]uint8" if schema.get("format") == "byte" else named or "string"
    if kind == "integer":
        return str(schema.get("format", "int32"))
    return {"boolean": "bool", "number": "float64"}.get(str(kind), "interface {}")


def _scalar(name: str | None, schema: Schema, value: Any) -> str:
    """What is wrong with a single value: nothing, `type`, or a sentence."""
    if name == _QUANTITY:
        try:
            quantity.canonical(value)
        except (quantity.QuantityError, ValueError) as error:
            return str(error)
        return ""
    if name == _INT_OR_STRING:
        return "" if type(value) in (int, str) else "type"
    if name in _TIMES:
        return _time_problem(value, _MICRO_LAYOUT if name.endswith("MicroTime") else _LAYOUT)
    kind = schema.get("type")
    if kind == "string":
        if type(value) is not str:
            return "type"
        return _base64_problem(value) if schema.get("format") == "byte" else ""
    if kind == "boolean":
        return "" if type(value) is bool else "type"
    if kind == "integer":
        limit = 1 << (63 if schema.get("format") == "int64" else 31)
        return "" if type(value) is int and -limit <= value < limit else "type"
    if kind == "number":
        return "" if type(value) in (int, float) else "type"
    return ""


def parse_time(text: str) -> datetime | None:
    """The moment of an RFC 3339 time, or None."""
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    offset = timedelta(0)
    if found[8]:
        offset = timedelta(hours=int(found[9]), minutes=int(found[10]))
        offset = -offset if found[8] == "-" else offset
    try:
        moment = datetime(
            *map(int, found.groups()[:6]),  # type: ignore[arg-type,call-arg,misc]
            int((found[7] or "0").ljust(9, "0")[:6]),
            tzinfo=timezone.utc,
        )
        return moment - offset
    except (ValueError, OverflowError):
        return None


def _time_problem(value: Any, layout: str) -> str:
    if type(value) is not str:
        kind = "number" if isinstance(value, (int, float)) else "object"
        return f"json: cannot unmarshal {kind} into Go value of type string"
    if parse_time(value) is not None:
        return ""
    rest, wanted = value, "2006"
    found = re.match(r"\d{4}", value)
    if found:
        rest, wanted = value[4:], "-"
        if re.match(r"\d{4}-\d\d-\d\d$", value):
            rest, wanted = "", "T"
    return f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as "{wanted}"'


def _base64_problem(text: str) -> str:
    """Where Go's base64 decoder stops."""
    plain = [(at, char) for at, char in enumerate(text) if char not in "\r\n"]
    for place, (at, char) in enumerate(plain):
        if char == "=":
            rest = "".join(item for _, item in plain[place:])
            if place % 4 in (2, 3) and rest == "=" * (4 - place % 4):
                return ""
            return f"illegal base64 data at input byte {at}"
        if not (char.isascii() and (char.isalnum() or char in "+/")):
            return f"illegal base64 data at input byte {at}"
    if len(plain) % 4:
        return f"illegal base64 data at input byte {len(text) - len(plain) % 4}"
    return ""
