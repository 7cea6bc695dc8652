"""Strategic merge patch: a merge patch that knows which lists are maps.

The schema says of each list whether a patch replaces or merges it, and by which key of its items.
Directives in the patch say more: `$patch` (delete, replace, merge), `$retainKeys`,
`$deleteFromPrimitiveList/X` and `$setElementOrder/X`. Items of the patch keep the order that they
have in it; items that only the object has stay where they were as far as that goes.

`three_way` makes the patch that `kubectl apply` sends: from what was applied last, what is applied
now, and what is there.

In Kubernetes: k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from operator import is_
from typing import Any

from kubelab.api import errors
from kubelab.api.kinds import Kind
from kubelab.api.schema import openapi
from kubelab.api.schema.openapi import NO_SCHEMA, Schema
from kubelab.sim.tree import Arr, Obj, freeze

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList/"
ORDER = "$setElementOrder/"


def strategic_merge_patch(obj: Obj, patch: Any, kind: Kind) -> Obj:
    """An object with a strategic merge patch applied. Raises ApiError."""
    schema = openapi.definition(kind.api_version, kind.kind) or NO_SCHEMA
    return _merge_map(obj, freeze(patch), schema)


def _merge_map(original: Any, patch: Any, schema: Schema) -> Obj:
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return _bare_map({key: item for key, item in patch.items() if key != DIRECTIVE})
    if directive == "delete":
        return Obj()
    if directive not in (None, "merge"):
        raise errors.failure(500, f"unknown patch type: {directive} in map: {go_text(patch)}")
    out = dict(original)
    if RETAIN in patch:
        kept = patch[RETAIN]
        out = {key: item for key, item in out.items() if key in kept}
    orders = {}
    for key, value in patch.items():
        kind = type(value)
        if kind is str or kind is int or kind is bool:
            if key != DIRECTIVE:
                out[key] = value
        elif value is None:
            out.pop(key, None)
        elif key[:1] != "$":
            out[key] = _merge_field(out.get(key), value, openapi.field(schema, key))
        elif key.startswith(ORDER):
            orders[key[len(ORDER) :]] = value
        elif key.startswith(DELETE_FROM):
            field = key[len(DELETE_FROM) :]
            if isinstance(out.get(field), list):
                out[field] = Arr([item for item in out[field] if item not in value])
    for field, order in orders.items():
        if isinstance(out.get(field), list):
            key = openapi.merge_key(openapi.field(schema, field))
            out[field] = _in_order(list(out[field]), order, original.get(field) or (), key)
    if out == original and type(original) is Obj:
        return original
    return Obj(out)


def _merge_field(held: Any, value: Any, schema: Schema) -> Any:
    strategy = openapi.patch_strategy(schema)
    if isinstance(value, dict):
        if isinstance(held, dict) and "replace" not in strategy:
            return _merge_map(held, value, schema)
        if DIRECTIVE in value:
            return _merge_map(Obj(), value, schema)
        return _bare(value)
    if isinstance(value, list):
        if "merge" in strategy and isinstance(held, list):
            return _merge_list(held, value, schema)
        return _bare(value)
    return value


def _has_maps(items: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in items)


def _bare(value: Any) -> Any:
    """A part of a patch as it is stored where nothing was: without nulls and directives."""
    if isinstance(value, dict):
        return _bare_map(value)
    if not isinstance(value, list):
        return value
    plain = [item for item in value if not (isinstance(item, dict) and DIRECTIVE in item)]
    out = [_bare(item) for item in plain]
    if len(out) == len(value) and all(map(is_, out, value)):
        return value
    return Arr(out)


def _bare_map(value: dict[str, Any]) -> Obj:
    out = {
        key: _bare(item)
        for key, item in value.items()
        if item is not None
        and key not in (DIRECTIVE, RETAIN)
        and not key.startswith((ORDER, DELETE_FROM))
    }
    if (
        type(value) is Obj
        and len(out) == len(value)
        and all(map(is_, out.values(), value.values()))
    ):
        return value
    return Obj(out)


def _merge_list(held: list[Any], patch: list[Any], schema: Schema) -> Any:
    key = openapi.merge_key(schema)
    if not _has_maps(patch) and not _has_maps(held):
        merged = list(held)
        for item in patch:
            if item not in merged:
                merged.append(item)
        return _in_order(merged, patch, held, "")
    items = []
    replace = False
    gone: list[Any] = []
    for item in patch:
        directive = item.get(DIRECTIVE) if isinstance(item, dict) else None
        if directive == "replace":
            replace = True
        elif directive == "delete":
            gone.append(_key_of(item, key))
        elif directive not in (None, "merge"):
            raise errors.failure(500, f"unknown patch type: {directive} in map: {go_text(item)}")
        else:
            items.append(item)
    if replace:
        return Arr([_bare(item) for item in items])
    merged = [item for item in held if _key_of(item, key) not in gone]
    places = {_key_of(item, key): place for place, item in enumerate(merged)}
    inner = openapi.items(schema)
    for item in items:
        name = _key_of(item, key)
        if name in places:
            merged[places[name]] = _merge_map(merged[places[name]], item, inner)
        else:
            places[name] = len(merged)
            merged.append(_bare(item))
    return _in_order(merged, items, held, key)


def _key_of(item: Any, key: str) -> Any:
    if not isinstance(item, dict) or key not in item:
        raise errors.failure(
            500, f"map: {go_text(item)} does not contain declared merge key: {key}"
        )
    return item[key]


def _in_order(merged: list[Any], wanted: Any, before: Any, key: str) -> Arr:
    """Items of the patch in the patch's order, the others among them as they stood before."""

    def name(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    wanted_names = [name(item) for item in wanted]
    if [name(item) for item in merged] == wanted_names:
        return _shared(merged, before)
    before_names = [name(item) for item in before]
    patched = [item for item in merged if name(item) in wanted_names]
    patched.sort(key=lambda item: wanted_names.index(name(item)))
    others = [item for item in merged if name(item) not in wanted_names]
    out = []
    while patched and others:
        left, right = name(others[0]), name(patched[0])
        known = left in before_names and right in before_names
        first = known and before_names.index(left) < before_names.index(right)
        out.append(others.pop(0) if first else patched.pop(0))
    return _shared([*out, *patched, *others], before)


def _shared(items: list[Any], before: Any) -> Arr:
    """The list as it was before, where it has the very same items."""
    if type(before) is Arr and len(items) == len(before) and all(map(is_, items, before)):
        return before
    return Arr(items)


def go_text(value: Any) -> str:
    """A value as Go's %v prints it: `map[a:1 b:[x y]]`."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{go_text(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(go_text(item) for item in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


# The patch that kubectl apply makes.


def three_way(original: Obj, modified: Obj, current: Obj, kind: Kind) -> Obj:
    """The patch from `current` to `modified` that also deletes what `original` alone has.

    Empty if nothing is to be changed. A kind without a schema gets a merge patch.
    """
    schema = openapi.definition(kind.api_version, kind.kind)
    if schema is None:
        return merge_difference(original, modified, current)
    return _difference(original, modified, current, schema)


def _difference(original: Any, modified: Any, current: Any, schema: Schema) -> Obj:
    out: dict[str, Any] = {}
    for key in sorted({**original, **modified}):
        field = openapi.field(schema, key)
        strategy = openapi.patch_strategy(field)
        if key not in modified:
            if key in current:
                out[key] = None
            continue
        new, held = modified[key], current.get(key)
        if key not in current or type(new) is not type(held) or "replace" in strategy:
            if new != held:
                out[key] = new
        elif isinstance(new, dict):
            before = original.get(key)
            inner = _difference(before if isinstance(before, dict) else {}, new, held, field)
            if inner:
                kept = {RETAIN: Arr(sorted(new))} if "retainKeys" in strategy else {}
                out[key] = Obj({**kept, **inner})
        elif isinstance(new, list) and "merge" in strategy:
            before = original.get(key)
            earlier = before if isinstance(before, list) else []
            out.update(_list_difference(key, earlier, new, held, field))
        elif new != held:
            out[key] = new
    return Obj(out)


def _list_difference(
    field: str, original: list[Any], modified: list[Any], current: list[Any], schema: Schema
) -> dict[str, Any]:
    key = openapi.merge_key(schema)
    if not key:
        return _primitive_difference(field, original, modified, current)
    held = {item.get(key): item for item in current}
    before = {item.get(key): item for item in original}
    inner = openapi.items(schema)
    changes: list[Any] = []
    retain = "retainKeys" in openapi.patch_strategy(schema)
    for item in modified:
        name = item.get(key)
        if name not in held:
            changes.append(item)
            continue
        change = _difference(before.get(name, {}), item, held[name], inner)
        if change:
            kept = {RETAIN: Arr(sorted(item))} if retain else {}
            changes.append(Obj({**kept, **change, key: name}))
    names = [item.get(key) for item in modified]
    changes += [
        Obj({DIRECTIVE: "delete", key: name})
        for name in before
        if name not in names and name in held
    ]
    order = [Obj({key: name}) for name in names]
    present = [name for name in held if name in names]
    if not changes and present == names:
        return {}
    changed = {field: Arr(changes)} if changes else {}
    return {f"{ORDER}{field}": Arr(order), **changed}


def _primitive_difference(
    field: str, original: list[Any], modified: list[Any], current: list[Any]
) -> dict[str, Any]:
    gone = [item for item in original if item not in modified and item in current]
    new = [item for item in modified if item not in current]
    out: dict[str, Any] = {}
    if gone:
        out[f"{DELETE_FROM}{field}"] = Arr(gone)
    if new or gone:
        out[f"{ORDER}{field}"] = Arr(modified)
    if new:
        out[field] = Arr(new)
    return out


def merge_difference(original: Any, modified: Any, current: Any) -> Obj:
    """The merge patch that kubectl apply sends for a kind without a schema.

    What the user has now is put over what is there; what he had before and left out is deleted.
    """
    out: dict[str, Any] = {}
    for key in sorted(modified):
        new, held = modified[key], current.get(key)
        if isinstance(new, dict) and isinstance(held, dict):
            before = original.get(key)
            inner = merge_difference(before if isinstance(before, dict) else {}, new, held)
            if inner:
                out[key] = inner
        elif key not in current or new != held:
            out[key] = new
    for key in sorted(original):
        if key not in modified and key in current:
            out[key] = None
    return Obj(out)
