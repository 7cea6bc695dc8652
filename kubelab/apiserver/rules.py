"""Rules in CEL that a custom resource's schema gives (`x-kubernetes-validations`).

Each part of a schema may have rules; `self` is the part of the object that it stands for. A rule
that speaks of `oldSelf` is asked only of a change, where that part was there before. A rule that
does not hold is told by its message, or by itself.

In Kubernetes: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kubelab.api.fielderrors import OMITTED, FieldError
from kubelab.api.objects import EMPTY, NOTHING, Obj
from kubelab.apiserver import cel, cel_eval, cel_library
from kubelab.apiserver.cel import CelError

RULES = "x-kubernetes-validations"
OVERLOAD = (
    "'no such overload': call arguments did not match a supported operator, function or macro "
    "signature for rule: "
)


def has_rules(schema: Any) -> bool:
    """Whether a schema has rules anywhere."""
    return bool(schema.get(RULES)) or any(has_rules(inner) for inner in _inner(schema))


def _inner(schema: Any) -> Iterator[Any]:
    yield from (schema.get("properties") or EMPTY).values()
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield schema[key]


def check(schema: Any, obj: Obj, old: Obj | None) -> list[FieldError]:
    """The rules that an object, or its change, breaks."""
    return list(_check(schema, obj, old, ""))


def _check(schema: Any, value: Any, old: Any, path: str) -> Iterator[FieldError]:
    if value is None:
        return
    if schema.get(RULES):
        bound = {"self": bind(schema, value)}
        if old is not None:
            bound["oldSelf"] = bind(schema, old)
        for rule in schema[RULES]:
            problem = _ask(rule, bound, path)
            if problem is not None:
                yield problem
    properties = schema.get("properties") or EMPTY
    extra = schema.get("additionalProperties")
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else EMPTY
        for key, item in value.items():
            inner = properties.get(key, extra)
            if isinstance(inner, dict):
                below = f"{path}.{key}" if path else key
                yield from _check(inner, item, before.get(key), below)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        held = _by_key(schema, old)
        for at, item in enumerate(value):
            match = held.get(_key(schema, item)) if held else None
            yield from _check(schema["items"], item, match, f"{path}[{at}]")


def _key(schema: Any, item: Any) -> str:
    keys = schema.get("x-kubernetes-list-map-keys") or NOTHING
    return repr([item.get(key) for key in keys]) if isinstance(item, dict) else ""


def _by_key(schema: Any, old: Any) -> dict[str, Any]:
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {_key(schema, item): item for item in old}


def bind(schema: Any, value: Any) -> Any:
    """A value as rules see it: times and durations are more than texts."""
    form = schema.get("format")
    if isinstance(value, str) and form in ("date-time", "duration"):
        make = cel_library.timestamp if form == "date-time" else cel_library.duration
        try:
            return make(value)
        except CelError:
            return value
    if isinstance(value, dict):
        properties = schema.get("properties") or EMPTY
        extra = schema.get("additionalProperties")
        other = extra if isinstance(extra, dict) else EMPTY
        return {key: bind(properties.get(key, other), item) for key, item in value.items()}
    if isinstance(value, list):
        return [bind(schema.get("items") or EMPTY, item) for item in value]
    if isinstance(value, int) and schema.get("type") == "number" and not isinstance(value, bool):
        return float(value)
    return value


def _ask(rule: Any, bound: dict[str, Any], path: str) -> FieldError | None:
    text = str(rule.get("rule", "")).strip()
    reason = rule.get("reason") or "FieldValueInvalid"
    place = _place(path, rule.get("fieldPath") or "")
    try:
        asked = cel.program(text)
        if asked.uses("oldSelf"):
            if rule.get("optionalOldSelf"):
                held = (bound["oldSelf"],) if "oldSelf" in bound else ()
                bound = {**bound, "oldSelf": cel_eval.Maybe(held)}
            elif "oldSelf" not in bound:
                return None
        if asked.evaluate(bound) is True:
            return None
    except CelError as error:
        said = f"{error} evaluating rule: {text}"
        if str(error).startswith("no such overload"):
            said = OVERLOAD + text
        return FieldError("FieldValueInvalid", path or "<nil>", OMITTED, said)
    return FieldError(reason, place, OMITTED, _message(rule, bound, text))


def _message(rule: Any, bound: dict[str, Any], text: str) -> str:
    if rule.get("messageExpression"):
        try:
            said = cel.program(rule["messageExpression"]).evaluate(bound)
        except CelError:
            said = None
        if isinstance(said, str) and said.strip() and "\n" not in said:
            return said.strip()
    return str(rule.get("message") or "").strip() or f"failed rule: {text}"


def _place(path: str, more: str) -> str:
    whole = path + more if path else more.lstrip(".")
    return whole or "<nil>"
