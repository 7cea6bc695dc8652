"""Sets of fields: which part of an object somebody owns, in the form of FieldsV1.

A set is a tree: `f:spec` is a field, `k:{"name":"c"}` an item of a list with keys, `v:"x"` an item
of a set, and `.` says that a field or item itself belongs to the set beside what is in it. A leaf
is an empty tree; the empty set is None. How an object is taken apart follows from its schema: a
list or map that is atomic is one leaf. Two trees that are the same object are never walked.

In Kubernetes: sigs.k8s.io/structured-merge-diff/fieldpath and typed.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any

from kubelab.api.kinds import CustomKind, Kind
from kubelab.api.schema import openapi
from kubelab.sim.tree import EMPTY, Obj

Tree = Any
MISSING: Any = None
METADATA = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
# Structures that Go writes even where they are empty, so that nobody owns them as such.
PRESENT = frozenset((
    "metadata", "spec", "status", "strategy", "updateStrategy", "template", "jobTemplate",
    "containers", "loadBalancer", "scaleTargetRef", "daemonEndpoints", "kubeletEndpoint",
    "nodeInfo", "involvedObject", "source", "roleRef",
))  # fmt: skip


class Type:
    """How a value is taken apart: `form` is leaf, struct, map, list or set."""

    __slots__ = ("_children", "_schema", "form", "keys", "typed")

    def __init__(
        self, schema: openapi.Schema, above: openapi.Schema | None = None, *, typed: bool = True
    ) -> None:
        self._schema = schema
        # Whether Go has a structure for it, which is written though it be empty.
        self.typed = typed
        self._children: dict[str, Type] = {}
        self.keys: tuple[str, ...] = ()
        outer = above or schema
        atomic = "atomic" in (
            schema.get("x-kubernetes-map-type"),
            outer.get("x-kubernetes-map-type"),
        )
        self.form = "leaf"
        if schema.get("type") == "array":
            kind = openapi.list_type(outer if "x-kubernetes-list-type" in outer else schema)
            if kind == "map":
                self.form, self.keys = "list", openapi.map_keys(outer) or openapi.map_keys(schema)
            elif kind == "set":
                self.form = "set"
        elif not atomic and "properties" in schema:
            self.form = "struct"
        elif not atomic and schema.get("type", "object") == "object":
            self.form = "map"

    def declares(self, field: str) -> bool:
        """Whether a field is named by the schema, and not just the key of a map."""
        return field in self._schema.get("properties", EMPTY)

    def child(self, field: str) -> Type:
        """The type of a field, of a map's values, or (any name) of a list's items."""
        name = field if self.form == "struct" else ""
        known = self._children.get(name)
        if known is None:
            if self.form == "list":
                schema = self._schema.get("items", EMPTY)
            else:
                schema = self._schema.get("properties", EMPTY).get(field)
                if schema is None:
                    extra = self._schema.get("additionalProperties")
                    schema = extra if isinstance(extra, dict) else EMPTY
            known = self._children[name] = Type(openapi.resolve(schema), schema, typed=self.typed)
        return known


ANY = Type({"type": "object"})


def type_of(kind: Kind) -> Type:
    """The type of a kind's objects."""
    return _custom_type(kind) if isinstance(kind, CustomKind) else _built_in_type(kind)


@lru_cache(maxsize=256)
def _custom_type(kind: CustomKind) -> Type:
    properties = {
        "apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": METADATA,
    }  # fmt: skip
    known = {**(kind.schema.get("properties") or EMPTY), **properties}
    return Type({**kind.schema, "type": "object", "properties": known}, typed=False)


@cache
def _built_in_type(kind: Kind) -> Type:
    schema = openapi.definition(kind.api_version, kind.kind)
    return Type(schema) if schema else ANY


# Trees.


def is_member(tree: Tree) -> bool:
    """Whether the place itself is in the set."""
    return tree is not None and (not tree or "." in tree)


def node(member: bool, children: dict[str, Tree]) -> Tree:
    """A tree from its parts: `.` first, then the rest in order."""
    if not children:
        return EMPTY if member else None
    if len(children) == 1:
        return Obj({".": EMPTY, **children}) if member else Obj(children)
    ordered = {key: children[key] for key in sorted(children)}
    return Obj({".": EMPTY, **ordered}) if member else Obj(ordered)


def _children(tree: Tree) -> dict[str, Tree]:
    return {key: item for key, item in tree.items() if key != "."}


def union(one: Tree, other: Tree) -> Tree:
    """What is in one or the other; `one` itself where that is all."""
    if other is None or one is other:
        return one
    if one is None:
        return other
    more = {}
    for key, item in other.items():
        if key != ".":
            held = one.get(key)
            new = union(held, item)
            if new is not held:
                more[key] = new
    member = is_member(one) or is_member(other)
    return node(member, {**_children(one), **more}) if more or member != is_member(one) else one


def minus(one: Tree, other: Tree) -> Tree:
    """What is in one but not in the other; `one` itself where that is all."""
    if one is None or other is None:
        return one
    less = {}
    for key, item in other.items():
        if key != "." and key in one:
            new = minus(one[key], item)
            if new is not one[key]:
                less[key] = new
    if not less and not (is_member(one) and is_member(other)):
        return one
    rest = {key: less.get(key, item) for key, item in _children(one).items()}
    children = {key: item for key, item in rest.items() if item is not None}
    return node(is_member(one) and not is_member(other), children)


def with_holders(tree: Tree) -> Tree:
    """The set with every field that holds some of it: who owns a part keeps the whole in being."""
    if not tree:
        return tree
    children = {}
    for key, item in _children(tree).items():
        below = with_holders(item)
        children[key] = union(below, EMPTY) if below and key.startswith("f:") else below
    return node(is_member(tree), children)


def common(one: Tree, other: Tree) -> Tree:
    """What is in both."""
    if one is None or other is None:
        return None
    children = {}
    for key, item in one.items():
        if key != "." and key in other:
            both = common(item, other[key])
            if both is not None:
                children[key] = both
    return node(is_member(one) and is_member(other), children)


def paths(tree: Tree, lead: str = "") -> list[str]:
    """The members as paths (`.spec.containers[name="c"].image`)."""
    if tree is None:
        return []
    found = [lead] if lead and is_member(tree) else []
    for key, item in tree.items():
        if key != ".":
            found += paths(item, lead + step(key))
    return found


def step(key: str) -> str:
    """One step of a path as conflicts show it."""
    kind, _, rest = key.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        fields = json.loads(rest)
        return "[" + ",".join(f"{k}={json.dumps(fields[k])}" for k in sorted(fields)) + "]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


# Values.


def item_key(type_: Type, item: Any) -> str:
    """The name of an item of a list in a set."""
    if type_.form == "set":
        return f"v:{json.dumps(item, separators=(',', ':'), sort_keys=True)}"
    if len(type_.keys) == 1:
        value = item.get(type_.keys[0])
        if type(value) is str:
            return f'k:{{"{type_.keys[0]}":{encode_basestring_ascii(value)}}}'
    fields = {}
    for key in type_.keys:
        value = item.get(key)
        if value is None and key == "protocol":
            value = "TCP"
        if value is not None:
            fields[key] = value
    return f"k:{json.dumps(fields, separators=(',', ':'), sort_keys=True)}"


def parts(type_: Type, value: Any) -> dict[str, Any]:
    """A value that is no leaf by the names of its parts."""
    if not value:
        return {}
    if type_.form in ("list", "set"):
        return {item_key(type_, item): item for item in value}
    return {f"f:{key}": item for key, item in value.items()}


def is_leaf(type_: Type, value: Any) -> bool:
    """Whether a value is not taken apart further."""
    if type_.form in ("list", "set"):
        return not isinstance(value, list)
    return type_.form == "leaf" or not isinstance(value, dict)


def part_type(type_: Type, key: str) -> Type:
    """The type of a part."""
    return LEAF if type_.form == "set" else type_.child(key[2:])


LEAF = Type({"type": "string"})


def fields_of(type_: Type, value: Any) -> Tree:
    """The set of all fields that a value gives (structures count only by what is in them)."""
    if is_leaf(type_, value) or not value:
        return EMPTY
    children = {}
    for key, item in parts(type_, value).items():
        below = fields_of(part_type(type_, key), item)
        if below is None:
            continue
        own = type_.form in ("list", "set") or not type_.declares(key[2:])
        children[key] = union(below, EMPTY) if own and below else below
    return node(False, children)


def compare(
    type_: Type, old: Any, new: Any, skip: frozenset[str] = frozenset()
) -> tuple[Tree, Tree]:
    """What is new or has another value, and what is gone, from one value to the next.

    `skip` names fields of the value itself that are not looked at.
    """
    if old is new:
        return None, None
    old_leaf = old is None or is_leaf(type_, old)
    new_leaf = new is None or is_leaf(type_, new)
    if (old_leaf and new_leaf) or (not old and not new):
        if old is None:
            return EMPTY, None
        if new is None:
            return None, EMPTY
        return (None, None) if old == new else (EMPTY, None)
    before = EMPTY if old_leaf else old
    after = EMPTY if new_leaf else new
    if type_.form in ("list", "set"):
        fresh, gone = _compare_items(type_, parts(type_, before), parts(type_, after))
    else:
        fresh, gone = _compare_fields(type_, before, after, skip, present=old is not None)
    return node(old is None, fresh), node(new is None, gone)


def _compare_items(
    type_: Type, before: dict[str, Any], after: dict[str, Any]
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    fresh, gone = {}, {}
    for key, item in after.items():
        one, two = compare(part_type(type_, key), before.get(key), item)
        if one is not None:
            fresh[key] = one
        if two is not None:
            gone[key] = two
    for key, item in before.items():
        if key not in after:
            gone[key] = compare(part_type(type_, key), item, None)[1]
    return fresh, gone


def _compare_fields(
    type_: Type, before: Any, after: Any, skip: frozenset[str], *, present: bool
) -> tuple[dict[str, Tree], dict[str, Tree]]:
    fresh: dict[str, Tree] = {}
    gone: dict[str, Tree] = {}
    for name, item in after.items():
        held = before.get(name)
        if held is item or name in skip:
            continue
        kind = type(item)
        if kind is str or kind is int or kind is bool:
            # Nearly all fields: nothing below can differ, so the schema is not asked.
            if held != item and not isinstance(held, (dict, list)):
                fresh[f"f:{name}"] = EMPTY
                continue
            if held == item:
                continue
        if held is None and present and type_.typed and name in PRESENT:
            held = EMPTY if isinstance(item, dict) else ()
        one, two = compare(type_.child(name), held, item)
        if one is not None:
            fresh[f"f:{name}"] = one
        if two is not None:
            gone[f"f:{name}"] = two
    for name, item in before.items():
        if name not in after and name not in skip:
            below = compare(type_.child(name), item, None)[1]
            if below is not None:
                gone[f"f:{name}"] = below
    return fresh, gone
