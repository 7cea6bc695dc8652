"""A patch's body: read, laid over the object, and told where it does not fit.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

import json
import re
from typing import Any

from kubelab.api import bodies, errors, fielderrors, patch, strategic
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, freeze
from kubelab.api.protobuf import wire
from kubelab.api.rest import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Request
from kubelab.apiserver import schema_check

# Fields that were added later, with high numbers, but stand beside older ones.
_LATER = {
    "core.v1.Container": {
        "envFrom": "ports", "resizePolicy": "resources", "restartPolicy": "resources",
        "volumeDevices": "volumeMounts", "startupProbe": "readinessProbe",
        "terminationMessagePolicy": "terminationMessagePath",
    },
}  # fmt: skip
_LATER_NAMES = frozenset(name for names in _LATER.values() for name in names)
_GO = {"str": "string", "bool": "bool", "int": "number", "float": "number", "list": "array",
       "Arr": "array", "dict": "object", "Obj": "object"}  # fmt: skip
_WRONG_TYPE = re.compile(r"json: cannot unmarshal (\w+)[^G]* into Go struct field \S+ of type (.+)")


def read(request: Request, media: str) -> Any:
    """The patch in a body. Raises 400."""
    body, lead = request.body, "" if media == STRATEGIC_PATCH else "error decoding patch: "
    if isinstance(body, (bytes, str)) or body is None:
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
        try:
            body = bodies.read(text)[0]
        except bodies.BodyError as error:
            raise errors.bad_request(f"{lead}{error}") from None
    form = list if media == JSON_PATCH else dict
    if not isinstance(body, form):
        into = "[]handlers.jsonPatchOp" if form is list else "map[string]interface {}"
        said = _GO.get(type(body).__name__, "null")
        raise errors.bad_request(
            f"{lead}json: cannot unmarshal {said} into Go value of type {into}"
        )
    return freeze(body)


def laid_over(shown: Obj, change: Any, media: str, kind: Kind) -> Obj:
    """The object with a patch. Raises ApiError."""
    if media == JSON_PATCH:
        new = patch.json_patch(shown, change)
    elif media == MERGE_PATCH:
        new = patch.merge_patch(shown, change)
    else:
        new = patch.strategic_merge_patch(shown, change, kind)
    found: Obj = freeze(new)
    return found


def check(kind: Kind, shown: Obj, new: Any, change: Any, media: str, level: str) -> None:
    """Refuses an outcome that is no object of the kind; the complaint names the patch."""
    if not isinstance(new, dict):
        raise errors.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
            "the body is no JSON object"
        )
    _, unknown, wrong = schema_check.check(kind, Obj(new))
    if wrong is not None:
        why = wrong.partition(f"cannot be handled as a {kind.kind}: ")[2] or wrong
        if media == STRATEGIC_PATCH:
            why = _restored(why)
    elif unknown and level == "Strict":
        why = f"strict decoding error: {', '.join(unknown)}"
    else:
        return
    if media == STRATEGIC_PATCH:
        value = strategic.go_text(change)
    else:
        ordered = _sorted(new, shown, wire.message_of(kind.group, kind.version, kind.kind))
        value = json.dumps(ordered, ensure_ascii=False, separators=(",", ":"))
    raise errors.invalid_named("", "", "", [fielderrors.wrong("patch", value, why)])


def _sorted(new: Any, old: Any, message: str) -> Any:
    """Go writes the fields of what a patch touched in the order of the alphabet, the others in
    the order in which its structures declare them."""
    if new is old or not isinstance(new, dict):
        return _declared(new, message)
    before = old if isinstance(old, dict) else {}
    types = {field.name: field.type for field in wire.fields_of(message)}
    return {key: _sorted(new[key], before.get(key), types.get(key, "")) for key in sorted(new)}


def _declared(value: Any, message: str) -> Any:
    if isinstance(value, list):
        return [_declared(item, message.removeprefix("[]")) for item in value]
    fields = list(wire.fields_of(message))
    if not isinstance(value, dict) or not fields:
        return value
    order = {field.name: at for at, field in enumerate(fields)}
    types = {field.name: field.type for field in fields}
    for name, after in _LATER.get(message, {}).items():
        order[name] = order[after]
    keys = sorted(value, key=lambda key: (order.get(key, len(order)), key in _LATER_NAMES))
    return {key: _declared(value[key], types.get(key, "")) for key in keys}


def _restored(why: str) -> str:
    """A wrong type as the conversion of a merged object tells it."""
    found = _WRONG_TYPE.match(why)
    if found is None:
        return why
    given = {"number": "int64", "array": "slice", "object": "map"}.get(found[1], found[1])
    into = found[2]
    if into.startswith("map["):
        return f"cannot restore map from {given}"
    if into.startswith("[]"):
        return f"cannot restore slice from {given}"
    if "." in into:
        return f"cannot restore struct from: {given}"
    return f"unrecognized type: {into}"
