"""Strict decoding: an object against the schema of its kind, with the repairs of Go's decoder.

A body is looked at twice at most. The quick look walks the object along functions that are compiled
from the schema once per definition; it drops nulls and empty lists, writes times and quantities in
their canonical form, and returns the very same object where there was nothing to do. Where it meets
an unknown field or a wrong type it gives up, and the slow look (`schema_words.py`) walks again and
says what is wrong, in the words and in the order of Go's decoder.

The compiled functions are kept for the life of the process; they follow from the schema alone and
are no part of any world.

In Kubernetes: sigs.k8s.io/json and apimachinery/pkg/runtime/serializer/json.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime, timezone
from functools import cache, lru_cache
from typing import Any

from kubelab.api import quantity
from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.protobuf import wire
from kubelab.api.schema import openapi
from kubelab.api.schema.openapi import Schema
from kubelab.apiserver import schema_words, structural
from kubelab.sim.tree import Arr, Obj

Check = Callable[[Any], Any]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Fields of these hold a time that is written even where there is none.
_NULL_TIMES = ("io.k8s.api.core.v1.PodCondition", "io.k8s.api.core.v1.Event")
# What Go holds as plain values, not as pointers: nothing, 0 and false are the same as nothing said.
_PLAIN_TYPES = ("string", "int", "bool")


class Doubt(Exception):
    """The quick look met something that is not right."""


class _Drop:
    """What a check returns for a value that is left out."""


_DROP = _Drop()


def check(kind: Kind, obj: Obj) -> tuple[Obj, list[str], str | None]:
    """The object as it is decoded, its unknown fields, and what is wrong with its types.

    The unknown fields are texts (`unknown field "spec.replica"`) and are not in the object; of
    wrong types only the first is told, in a whole sentence, and then the object is worth nothing.
    """
    if isinstance(kind, CustomKind):
        return _check_custom(kind, obj)
    name = openapi.name_of(kind.api_version, kind.kind)
    if name is None:
        return obj, [], None
    look = _definition(name)
    try:
        return look(obj), [], None
    except Doubt:
        pass
    clean, unknown, wrong = schema_words.explain(name, obj)
    if wrong is not None:
        said = (
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {wrong}'
        )
        return obj, unknown, said
    return look(clean), unknown, None


def _check_custom(kind: CustomKind, obj: Obj) -> tuple[Obj, list[str], str | None]:
    """A custom resource has the metadata of all objects, and the rest by its own schema."""
    clean, paths = structural.pruned(kind.schema, obj)
    unknown = [f'unknown field "{path}"' for path in paths]
    metadata = obj.get("metadata")
    if metadata is None:
        return clean, unknown, None
    name = f"{_META}ObjectMeta"
    look = _definition(name)
    try:
        known = look(metadata)
    except Doubt:
        known, more, wrong = schema_words.explain(name, metadata)
        if wrong is not None:
            return obj, unknown, wrong
        unknown = [text.replace('"', '"metadata.', 1) for text in more] + unknown
        known = look(known)
    if known is not metadata:
        clean = Obj({**clean, "metadata": known})
    return clean, unknown, None


@cache
def _definition(name: str) -> Check:
    """The check of a definition."""
    special = _SPECIAL.get(name)
    if special is not None:
        return special
    schema = openapi.definitions()[name]
    if "properties" not in schema:
        return _anything
    return _object(name, schema["properties"])


def _object(name: str, properties: dict[str, Schema]) -> Check:
    """The check of an object with known fields, compiled when the first such object comes."""
    checks: dict[str, Check] = {}
    null_times = name in _NULL_TIMES
    always = condition_times(name)
    required = openapi.definitions()[name].get("required", ())

    def look(value: Any) -> Any:
        if type(value) is not Obj:
            raise Doubt
        if not checks:
            for field, schema in properties.items():
                checks[field] = _field(schema, keep_empty=field in required)
            for field in plain_fields(name):
                if field in checks:
                    checks[field] = _PLAIN.get(checks[field]) or _plain(checks[field])
        out: dict[str, Any] | None = None
        for field in always:
            if field not in value:
                out = {**(out or value), field: None}
        for key, item in value.items():
            if key not in checks:
                raise Doubt
            if item is None:
                if (null_times or always) and openapi.reference(properties[key]) in _TIMES:
                    continue
                new: Any = _DROP
            else:
                new = checks[key](item)
                if new is item:
                    continue
            if out is None:
                out = dict(value)
            if new is _DROP:
                del out[key]
            else:
                out[key] = new
        return value if out is None else Obj(out)

    return look


def _field(schema: Schema, *, keep_empty: bool = False) -> Check:
    """The check of a field's value."""
    name = openapi.reference(schema)
    if name is not None:
        return _definition(name)
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items", {})
        return _list(_field(items), _zero(items), keep_empty)
    if kind == "object":
        values = schema.get("additionalProperties")
        if not isinstance(values, dict):
            return _anything
        return _map(_field(values), _zero(values), keep_empty)
    if kind == "string":
        return _bytes if schema.get("format") == "byte" else _string
    if kind == "integer":
        return _int64 if schema.get("format") == "int64" else _int32
    return {"boolean": _boolean, "number": _number}.get(str(kind), _anything)


def plain_fields(name: str) -> list[str]:
    """The fields of a definition that are not written where they hold nothing."""
    return [f.name for f in wire.fields_of(_message(name)) if f.omitted and f.type in _PLAIN_TYPES]


def condition_times(name: str) -> list[str]:
    """The times of a condition: they are written as null where nobody has said them."""
    if not name.endswith("Condition") or name == f"{_META}Condition":
        return []
    return [f.name for f in wire.fields_of(_message(name)) if f.omitted and f.type == "time"]


def _message(name: str) -> str:
    """The name of a definition's message: `core.v1.Pod`, `meta.v1.ObjectMeta`."""
    return ".".join(name.rsplit(".", 3)[1:])


def _plain(look: Check) -> Check:
    def look_at_it(value: Any) -> Any:
        return look(value) or _DROP

    return look_at_it


def _zero(schema: Schema) -> Any:
    """What Go makes of a null in a list or a map."""
    name = openapi.reference(schema)
    if name is not None:
        return "0" if _SPECIAL.get(name) is _quantity else Obj()
    kind = str(schema.get("type"))
    return {"array": Arr(), "boolean": False, "integer": 0, "string": ""}.get(kind, Obj())


def _list(look: Check, zero: Any, keep_empty: bool) -> Check:
    def look_at_all(value: Any) -> Any:
        if type(value) is not Arr:
            raise Doubt
        if not value and not keep_empty:
            return _DROP
        out: list[Any] | None = None
        for at, item in enumerate(value):
            new = zero if item is None else look(item)
            if new is not item:
                if out is None:
                    out = list(value)
                out[at] = Arr() if new is _DROP else new
        return value if out is None else Arr(out)

    return look_at_all


def _map(look: Check, zero: Any, keep_empty: bool) -> Check:
    def look_at_all(value: Any) -> Any:
        if type(value) is not Obj:
            raise Doubt
        if not value and not keep_empty:
            return _DROP
        out: dict[str, Any] | None = None
        for key, item in value.items():
            new = zero if item is None else look(item)
            if new is item:
                continue
            if out is None:
                out = dict(value)
            out[key] = Arr() if new is _DROP else new
        return value if out is None else Obj(out)

    return look_at_all


# Single values. Each returns the value as it is stored, or raises Doubt.


def _anything(value: Any) -> Any:
    return value


def _string(value: Any) -> Any:
    if type(value) is not str:
        raise Doubt
    return value


def _plain_string(value: Any) -> Any:
    if type(value) is not str:
        raise Doubt
    return value or _DROP


def _boolean(value: Any) -> Any:
    if type(value) is not bool:
        raise Doubt
    return value


def _int32(value: Any) -> Any:
    if type(value) is not int or not -(1 << 31) <= value < 1 << 31:
        raise Doubt
    return value


def _int64(value: Any) -> Any:
    if type(value) is not int or not -(1 << 63) <= value < 1 << 63:
        raise Doubt
    return value


def _number(value: Any) -> Any:
    if type(value) is not int and type(value) is not float:
        raise Doubt
    return value


def _bytes(value: Any) -> Any:
    if type(value) is not str:
        raise Doubt
    try:
        base64.b64decode(value.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        raise Doubt from None
    return value


def _quantity(value: Any) -> Any:
    try:
        text = quantity.canonical(value)
    except (quantity.QuantityError, ValueError):
        raise Doubt from None
    return value if text == value else text


def _int_or_string(value: Any) -> Any:
    return value if type(value) is str else _int32(value)


@lru_cache(maxsize=20_000)
def _is_time(text: str) -> bool:
    return _TIME.fullmatch(text) is not None


def _time(value: Any) -> Any:
    if type(value) is str and _is_time(value):
        return value
    return _moment(value).strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(value: Any) -> Any:
    if type(value) is str and _MICRO_TIME.fullmatch(value):
        return value
    return _moment(value).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _moment(value: Any) -> datetime:
    if type(value) is not str:
        raise Doubt
    moment = schema_words.parse_time(value)
    if moment is None:
        raise Doubt
    return moment.astimezone(timezone.utc)


_PLAIN: dict[Check, Check] = {_string: _plain_string}
_TIMES = (f"{_META}Time", f"{_META}MicroTime")
_SPECIAL: dict[str, Check] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": _quantity,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    f"{_META}Time": _time,
    f"{_META}MicroTime": _micro_time,
}
