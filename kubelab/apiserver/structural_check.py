"""Validation of custom resources against their structural schema.

Each complaint has the words of the OpenAPI validator that Kubernetes uses (`spec.size in body
should be less than or equal to 5`). A change is judged leniently: a part that is as it was before
is not looked at again, so that a schema made stricter does not lock its old objects.

What must hold: rules in CEL are only asked where nothing is wrong with the form of the object, for
they rely on it.

In Kubernetes: k8s.io/kube-openapi/pkg/validation/validate and
k8s.io/apiextensions-apiserver/pkg/registry/customresource (strategy, ratcheting).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from kubelab.api import fielderrors, quantity
from kubelab.api.fielderrors import FieldError
from kubelab.api.kinds import CustomKind
from kubelab.apiserver import rules, schema_words
from kubelab.apiserver.structural import EMBEDDED
from kubelab.sim.tree import EMPTY, NOTHING, Obj

INT_OR_STRING = "x-kubernetes-int-or-string"
LIST_TYPE = "x-kubernetes-list-type"
BLOCKING = (
    "FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany",
    "FieldValueTypeInvalid",
)  # fmt: skip
UNCHECKED = FieldError(
    "FieldValueInvalid", "<nil>", None,
    "some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)  # fmt: skip
Errors = Iterator[FieldError]


def validate(kind: CustomKind, obj: Obj, old: Obj | None = None) -> list[FieldError]:
    """What is wrong with a custom resource, or with its change."""
    errors = list(_whole(kind.schema, obj, old))
    if rules.has_rules(kind.schema):
        if any(error.reason in BLOCKING for error in errors):
            errors.append(UNCHECKED)
        else:
            errors += rules.check(kind.schema, obj, old)
    return errors


def complaints(schema: Any, value: Any, path: str) -> list[FieldError]:
    """What is wrong with one value."""
    return list(_value(schema, value, None, path))


def _whole(schema: Any, obj: Obj, old: Obj | None) -> Errors:
    yield from _value(schema, obj, old, "", top=True)
    yield from _embedded(schema, obj, "")
    if old is None or not list(_lists(schema, old, "")):
        yield from _lists(schema, obj, "")


def _value(schema: Any, value: Any, old: Any, path: str, *, top: bool = False) -> Errors:
    if old is not None and value == old:
        return
    problem = _type_problem(schema, value, path)
    if problem is not None:
        yield problem
        return
    if value is None:
        return
    if isinstance(value, bool):
        pass
    elif isinstance(value, str):
        yield from _string(schema, value, path)
    elif isinstance(value, (int, float)):
        yield from _number(schema, value, path)
    elif isinstance(value, list):
        yield from _array(schema, value, old, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, old, path, top)
    allowed = schema.get("enum")
    if allowed and value not in allowed:
        yield fielderrors.unsupported(path, value, [str(item) for item in allowed])
    yield from _junctions(schema, value, path)


def type_of(value: Any) -> str:
    """The JSON Schema type of a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    if isinstance(value, float):
        return "number"
    return {str: "string", dict: "object", list: "array"}[
        str if isinstance(value, str) else dict if isinstance(value, dict) else list
    ]


def _type_problem(schema: Any, value: Any, path: str) -> FieldError | None:
    said = schema.get("type")
    wanted = ["integer", "string"] if schema.get(INT_OR_STRING) else [said] if said else []
    found = type_of(value)
    if not wanted or found in wanted or (found == "integer" and "number" in wanted):
        return None
    if found == "null" and schema.get("nullable"):
        return None
    text = f'{path} in body must be of type {",".join(wanted)}: "{found}"'
    return FieldError("FieldValueTypeInvalid", path, found, text)


def _string(schema: Any, value: str, path: str) -> Errors:
    most, least = schema.get("maxLength"), schema.get("minLength")
    if most is not None and len(value) > most:
        yield fielderrors.too_long(path, most)
    elif least is not None and len(value) < least:
        yield fielderrors.wrong(
            path, value, f"{path} in body should be at least {least} chars long"
        )
    elif schema.get("pattern") and not _pattern(schema["pattern"]).search(value):
        yield fielderrors.wrong(path, value, f"{path} in body should match '{schema['pattern']}'")
    form = schema.get("format")
    if form and not _has_format(form, value):
        text = f'{path} in body must be of type {form}: "{value}"'
        yield FieldError("FieldValueTypeInvalid", path, value, text)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text.replace("\\z", "\\Z"))
    except re.error:
        return re.compile("")


_FORMATS = {
    "ipv4": r"(\d{1,3}\.){3}\d{1,3}",
    "uuid": r"[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}",
    "date": r"\d{4}-\d\d-\d\d", "email": r"[^@\s]+@[^@\s]+", "uri": r"[a-zA-Z][\w+.-]*:.+",
    "hostname": r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", "byte": r"[A-Za-z0-9+/=\s]*",
    "cidr": r"[0-9a-fA-F:.]+/\d{1,3}", "mac": r"([0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
    "duration": r"-?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+|0",
}  # fmt: skip


def _has_format(form: str, value: str) -> bool:
    if form in ("date-time", "datetime"):
        return schema_words.parse_time(value) is not None
    if form == "quantity":
        try:
            quantity.parse(value)
        except (quantity.QuantityError, ValueError):
            return False
        return True
    known = _FORMATS.get(form)
    return known is None or re.fullmatch(known, value) is not None


def _number(schema: Any, value: float, path: str) -> Errors:
    most, least = schema.get("maximum"), schema.get("minimum")
    if most is not None:
        strict = schema.get("exclusiveMaximum")
        if value > most or (strict and value == most):
            word = "less than" if strict else "less than or equal to"
            yield fielderrors.wrong(path, value, f"{path} in body should be {word} {_go(most)}")
    if least is not None:
        strict = schema.get("exclusiveMinimum")
        if value < least or (strict and value == least):
            word = "greater than" if strict else "greater than or equal to"
            yield fielderrors.wrong(path, value, f"{path} in body should be {word} {_go(least)}")
    step = schema.get("multipleOf")
    if step and value % step:
        yield fielderrors.wrong(path, value, f"{path} in body should be a multiple of {_go(step)}")


def _go(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _array(schema: Any, value: list[Any], old: Any, path: str) -> Errors:
    most, least = schema.get("maxItems"), schema.get("minItems")
    if least is not None and len(value) < least:
        yield fielderrors.wrong(
            path, len(value), f"{path} in body should have at least {least} items"
        )
    if most is not None and len(value) > most:
        yield fielderrors.too_many(path, len(value), most)
    inner = schema.get("items")
    if isinstance(inner, dict):
        before = _correlated(schema, old)
        for at, item in enumerate(value):
            held = before.get(_key(schema, item)) if before else None
            yield from _value(inner, item, held, f"{path}[{at}]")


def _key(schema: Any, item: Any) -> str:
    keys = schema.get("x-kubernetes-list-map-keys") or NOTHING
    if not isinstance(item, dict):
        return ""
    properties = (schema.get("items") or EMPTY).get("properties") or EMPTY
    values = [item.get(k, (properties.get(k) or EMPTY).get("default")) for k in keys]
    return repr(values)


def _correlated(schema: Any, old: Any) -> dict[str, Any]:
    """The items of an earlier list by their keys, where the list has keys."""
    if not isinstance(old, list) or schema.get(LIST_TYPE) != "map":
        return {}
    return {_key(schema, item): item for item in old}


def _object(schema: Any, value: dict[str, Any], old: Any, path: str, top: bool) -> Errors:
    most, least = schema.get("maxProperties"), schema.get("minProperties")
    if least is not None and len(value) < least:
        yield fielderrors.wrong(
            path, len(value), f"{path} in body should have at least {least} properties"
        )
    if most is not None and len(value) > most:
        yield fielderrors.too_many(path, len(value), most)
    before = old if isinstance(old, dict) else EMPTY
    properties = schema.get("properties") or EMPTY
    extra = schema.get("additionalProperties")
    for key, inner in properties.items():
        if key in value and not (top and key == "metadata"):
            below = f"{path}.{key}" if path else key
            yield from _value(inner, value[key], before.get(key), below)
    if isinstance(extra, dict):
        for key, item in value.items():
            if key not in properties:
                yield from _value(extra, item, before.get(key), f"{path}.{key}" if path else key)
    for key in schema.get("required") or NOTHING:
        if key not in value:
            yield fielderrors.required(f"{path}.{key}" if path else key)


def _junctions(schema: Any, value: Any, path: str) -> Errors:
    """`allOf`, `anyOf`, `oneOf` and `not`."""

    def fits(inner: Any) -> bool:
        return not list(_value(inner, value, None, path))

    def complaint(text: str) -> FieldError:
        return FieldError("FieldValueInvalid", "<nil>", "", f'"{path}" must {text}')

    some = schema.get("anyOf")
    if some and not schema.get(INT_OR_STRING) and not any(fits(inner) for inner in some):
        yield from _best(some, value, path)
        yield complaint("validate at least one schema (anyOf)")
    one = schema.get("oneOf")
    if one:
        count = sum(1 for inner in one if fits(inner))
        if not count:
            yield from _best(one, value, path)
            yield complaint("validate one and only one schema (oneOf). Found none valid")
        elif count > 1:
            text = f"validate one and only one schema (oneOf). Found {count} valid alternatives"
            yield complaint(text)
    every = schema.get("allOf")
    if every and not schema.get(INT_OR_STRING):
        wrong = [error for inner in every for error in _value(inner, value, None, path)]
        if wrong:
            yield from wrong
            yield complaint("validate all the schemas (allOf)")
    if schema.get("not") is not None and fits(schema["not"]):
        yield complaint("not validate the schema (not)")


def _best(choices: Any, value: Any, path: str) -> list[FieldError]:
    """The complaints of the alternative that comes nearest."""
    return min((list(_value(inner, value, None, path)) for inner in choices), key=len)


def _embedded(schema: Any, value: Any, path: str) -> Errors:
    """What stands in an object as a whole object says what it is."""
    if isinstance(value, list):
        for at, item in enumerate(value):
            yield from _embedded(schema.get("items") or EMPTY, item, f"{path}[{at}]")
    if not isinstance(value, dict):
        return
    if path and schema.get(EMBEDDED):
        for key in ("apiVersion", "kind"):
            if not value.get(key):
                yield fielderrors.required(f"{path}.{key}", "must not be empty")
    properties = schema.get("properties") or EMPTY
    extra = schema.get("additionalProperties")
    for key, item in value.items():
        inner = properties.get(key, extra)
        if isinstance(inner, dict):
            yield from _embedded(inner, item, f"{path}.{key}" if path else key)


def _lists(schema: Any, value: Any, path: str) -> Errors:
    """Lists that are sets or maps have no item twice."""
    if isinstance(value, list):
        kind = schema.get(LIST_TYPE)
        seen: list[Any] = []
        for at, item in enumerate(value):
            if kind == "set" or (kind == "map" and isinstance(item, dict)):
                keys = schema.get("x-kubernetes-list-map-keys") or NOTHING
                shown = item if kind == "set" else Obj({k: item[k] for k in keys if k in item})
                if shown in seen:
                    yield FieldError("FieldValueDuplicate", f"{path}[{at}]", shown)
                seen.append(shown)
        for at, item in enumerate(value):
            yield from _lists(schema.get("items") or EMPTY, item, f"{path}[{at}]")
    elif isinstance(value, dict):
        properties = schema.get("properties") or EMPTY
        extra = schema.get("additionalProperties")
        for key, item in value.items():
            inner = properties.get(key, extra)
            if isinstance(inner, dict):
                yield from _lists(inner, item, f"{path}.{key}" if path else key)
