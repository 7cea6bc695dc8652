"""JSON merge patch and JSON patch; strategic merge patch stands in `strategic.py`.

Both are functions of an immutable object and a patch, and share with the object all that they do
not change. A patch that cannot be understood is a 400, a JSON patch that does not fit is a 422
without causes. Some habits are those of the library that Kubernetes uses and not of RFC 6902: a
negative index counts from the end, and `replace` of a key that is not there adds it.

In Kubernetes: k8s.io/apiserver/pkg/endpoints/handlers/patch.go over evanphx/json-patch.
"""

from __future__ import annotations

import re
from typing import Any

from kubelab.api import bodies, errors
from kubelab.api.strategic import strategic_merge_patch as strategic_merge_patch
from kubelab.api.strategic import three_way as three_way
from kubelab.sim.tree import Arr, Obj, freeze

MOST_OPERATIONS = 10_000
_INDEX = re.compile(r"-?\d+")


class _Misfit(Exception):
    """An operation does not fit the object."""


def decoded(body: Any, wanted: type, *, strategic: bool = False) -> Any:
    """The patch in a body, which is text or JSON already. Raises ApiError 400."""
    lead = "" if strategic else "error decoding patch: "
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    if isinstance(body, str):
        try:
            body, _ = bodies.read(body)
        except bodies.BodyError as error:
            raise errors.bad_request(f"{lead}{error}") from None
    if not isinstance(body, wanted):
        found = "array" if isinstance(body, list) else "object" if isinstance(body, dict) else ""
        found = found or ("string" if isinstance(body, str) else "number")
        into = "[]handlers.jsonPatchOp" if wanted is list else "map[string]interface {}"
        said = f"json: cannot unmarshal {found} into Go value of type {into}"
        raise errors.bad_request(f"{lead}{said}")
    return freeze(body)


def merge_patch(value: Any, patch: Any) -> Any:
    """RFC 7386: maps are merged, null deletes, all else replaces."""
    if not isinstance(patch, dict):
        return freeze(patch)
    before = value if isinstance(value, dict) else {}
    out = dict(before)
    changed = not isinstance(value, dict)
    for key, item in patch.items():
        if item is None:
            changed |= out.pop(key, item) is not item or key in before
            continue
        held = before.get(key)
        new = merge_patch(held, item)
        if new is not held or key not in before:
            out[key] = new
            changed |= new != held or key not in before
    return Obj(out) if changed else value


def json_patch(obj: Obj, operations: Any) -> Obj:
    """RFC 6902. Raises ApiError: 422 where an operation does not fit."""
    if len(operations) > MOST_OPERATIONS:
        raise errors.failure(
            413,
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, "
            f"got {len(operations)}",
            "RequestEntityTooLarge",
        )
    document: Any = obj
    try:
        for operation in operations:
            document = _operate(document, operation)
    except (_Misfit, KeyError, TypeError, AttributeError):
        raise errors.unprocessable() from None
    if not isinstance(document, dict):
        raise errors.unprocessable()
    return document if isinstance(document, Obj) else Obj(document)


def _operate(document: Any, operation: Any) -> Any:
    what, path = operation["op"], _path(operation["path"])
    if what == "add":
        return _set(document, path, freeze(operation.get("value")), insert=True)
    if what == "replace":
        return _set(document, path, freeze(operation.get("value")), insert=False)
    if what == "remove":
        return _remove(document, path)
    if what == "test":
        if _at(document, path, missing_is_null=True) != operation.get("value"):
            raise _Misfit
        return document
    source = _path(operation["from"])
    found = _at(document, source)
    if what == "copy":
        return _set(document, path, found, insert=True)
    if what == "move":
        return _set(_remove(document, source), path, found, insert=True)
    raise _Misfit


def _path(text: Any) -> list[str]:
    """The steps of a JSON pointer; what stands before the first slash does not matter."""
    if not isinstance(text, str):
        raise _Misfit
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _index(step: str, length: int) -> int:
    if not _INDEX.fullmatch(step):
        raise _Misfit
    at = int(step)
    return at + length if at < 0 else at


def _at(value: Any, path: list[str], *, missing_is_null: bool = False) -> Any:
    for place, step in enumerate(path):
        if isinstance(value, dict):
            if step not in value:
                if missing_is_null and place == len(path) - 1:
                    return None
                raise _Misfit
            value = value[step]
        elif isinstance(value, list):
            at = _index(step, len(value))
            if not 0 <= at < len(value):
                raise _Misfit
            value = value[at]
        else:
            raise _Misfit
    return value


def _set(value: Any, path: list[str], new: Any, *, insert: bool) -> Any:
    """A copy with `new` at the path; into a list it is inserted, or put over what is there."""
    if not path:
        return new
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if rest and step not in value:
            raise _Misfit
        return Obj({**value, step: _set(value.get(step), rest, new, insert=insert)})
    if not isinstance(value, list):
        raise _Misfit
    out = list(value)
    if rest or not insert:
        at = _index(step, len(out))
        if not 0 <= at < len(out):
            raise _Misfit
        out[at] = _set(out[at], rest, new, insert=insert)
        return Arr(out)
    at = len(out) if step == "-" else _index(step, len(out) + 1)
    if not 0 <= at <= len(out):
        raise _Misfit
    out.insert(at, new)
    return Arr(out)


def _remove(value: Any, path: list[str]) -> Any:
    if not path:
        raise _Misfit
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        if step not in value:
            raise _Misfit
        if rest:
            return Obj({**value, step: _remove(value[step], rest)})
        return Obj({key: item for key, item in value.items() if key != step})
    if not isinstance(value, list):
        raise _Misfit
    at = _index(step, len(value))
    if not 0 <= at < len(value):
        raise _Misfit
    out = list(value)
    if rest:
        out[at] = _remove(out[at], rest)
    else:
        del out[at]
    return Arr(out)
