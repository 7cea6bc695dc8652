"""Who owns which field (managedFields), and server-side apply on top of it.

Each writer of an object is a manager with an entry in `metadata.managedFields`: the set of fields
whose values it gave. A plain write takes the fields that it changes from everybody else
(`updated`). An apply says what one manager wants (`applied`): its fields are merged into the
object, what it wanted before and wants no longer goes unless another owns it, and a field of
another manager with another value is a conflict unless the apply is forced.

A write costs what it changes: shared parts of the old and the new object are not looked at, and a
set that does not change stays the same tree.

In Kubernetes: k8s.io/apimachinery/pkg/util/managedfields and structured-merge-diff/merge. Left out:
conversion between versions; up to ten plain managers are kept, older ones become `ancient-changes`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api import errors, fieldsets
from kubelab.api.fieldsets import Tree, Type
from kubelab.sim.tree import EMPTY, NOTHING, Arr, Obj, freeze, get, merged, without

MOST_UPDATERS = 10
_UNOWNED = (
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink",
    "managedFields", "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
_NEVER = frozenset(_UNOWNED)
_NEVER_FIELDS = frozenset(f"f:{name}" for name in _UNOWNED)
_MAIN = frozenset(("apiVersion", "kind", "metadata"))
_MAIN_WITH_STATUS = _MAIN | {"status"}
_STATUS = _MAIN | {"spec"}


class Manager(NamedTuple):
    """Who writes: one entry of managedFields, but for its fields and time."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    def owns(self, entry: Obj) -> bool:
        """Whether an entry is this manager's."""
        return (
            entry.get("manager") == self.name
            and entry.get("operation") == self.operation
            and entry.get("apiVersion") == self.api_version
            and (entry.get("subresource") or "") == self.subresource
        )


def _change(type_: Type, old: Obj, new: Obj, subresource: str) -> tuple[Tree, Tree]:
    """What a write changes, without what nobody owns and what its door does not let through."""
    skip = _MAIN_WITH_STATUS if type_.declares("status") else _MAIN
    if subresource == "status":
        skip = _STATUS
    fresh, gone = fieldsets.compare(type_, old, new, skip)
    before, after = old.get("metadata") or EMPTY, new.get("metadata") or EMPTY
    one, two = fieldsets.compare(type_.child("metadata"), before, after, _NEVER)
    if one is not None:
        fresh = fieldsets.union(fresh, Obj({"f:metadata": one}))
    if two is not None:
        gone = fieldsets.union(gone, Obj({"f:metadata": two}))
    return fresh, gone


def entries_of(obj: Obj) -> Arr:
    """The entries of an object's managedFields that say something."""
    held = get(obj, "metadata", "managedFields", default=NOTHING) or NOTHING
    return Arr(e for e in held if e.get("fieldsV1") is not None)


def updated(type_: Type, old: Obj, new: Obj, who: Manager, time: str) -> Arr:
    """managedFields after a plain write of `who` that makes `new` of `old`."""
    given = get(new, "metadata", "managedFields")
    entries = entries_of(old)
    if given is not None and given is not get(old, "metadata", "managedFields"):
        # Whoever sends managedFields of its own sets them; what says nothing clears them.
        entries = entries_of(new)
    fresh, gone = _change(type_, old, new, who.subresource)
    if fresh is None and gone is None:
        return entries
    taken = fieldsets.union(fresh, gone)
    out: list[Obj] = []
    own = None
    for entry in entries:
        fields = entry["fieldsV1"]
        if who.owns(entry):
            own = entry
            kept = fieldsets.union(fieldsets.minus(fields, gone), fresh)
            moment = time if fresh is not None else entry.get("time")
        else:
            kept, moment = fieldsets.minus(fields, taken), entry.get("time")
        if kept is fields and moment == entry.get("time"):
            out.append(entry)
        elif kept is not None:
            out.append(merged(entry, fieldsV1=kept, time=moment))
    if own is None and fresh is not None:
        out.append(_entry(who, fresh, time))
    return _bounded(_ordered(out))


def _entry(who: Manager, fields: Tree, time: str | None) -> Obj:
    entry: dict[str, Any] = {
        "manager": who.name, "operation": who.operation, "apiVersion": who.api_version,
    }  # fmt: skip
    if time:
        entry["time"] = time
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": fields}
    if who.subresource:
        entry["subresource"] = who.subresource
    return Obj(entry)


def _ordered(entries: list[Obj]) -> Arr:
    def order(entry: Obj) -> tuple[str, str, str, str, str]:
        return (
            entry.get("operation") or "", entry.get("time") or "", entry.get("manager") or "",
            entry.get("apiVersion") or "", entry.get("subresource") or "",
        )  # fmt: skip

    return Arr(entries) if len(entries) < 2 else Arr(sorted(entries, key=order))


def _bounded(entries: Arr) -> Arr:
    """Of many plain managers the oldest are merged into one."""
    plain = [entry for entry in entries if entry["operation"] == "Update"]
    spare = len(plain) - MOST_UPDATERS
    if spare <= 0:
        return entries
    old = plain[: spare + 1]
    fields = None
    for entry in old:
        fields = fieldsets.union(fields, entry["fieldsV1"])
    ancient = _entry(
        Manager("ancient-changes", "Update", old[-1]["apiVersion"]), fields, old[-1].get("time")
    )
    rest = [entry for entry in entries if not any(entry is gone for gone in old)]
    return _ordered([*rest, ancient])


# Apply.


def applied(
    type_: Type, live: Obj | None, wish: Obj, said: Any, who: Manager, time: str, *, force: bool
) -> tuple[Obj, Arr]:
    """The object after an apply, and its managedFields. Raises 409 for conflicts.

    `wish` is what was applied; `said` the same as it was sent, nulls included.
    """
    fields = _owned(type_, said, who.subresource)
    if live is None:
        return wish, Arr([_entry(who, fields, time)] if fields is not None else [])
    entries = list(entries_of(live))
    if not entries:
        everything = _change(type_, EMPTY, live, who.subresource)[0]
        if everything is not None:
            first = Manager("before-first-apply", "Update", who.api_version)
            moment = get(live, "metadata", "creationTimestamp")
            entries.append(_entry(first, everything, moment))
    own = next((entry for entry in entries if who.owns(entry)), None)
    others = [entry for entry in entries if entry is not own]
    new = _merge(type_, live, _through(wish, who.subresource))
    if own is not None:
        left = fieldsets.minus(own["fieldsV1"], fieldsets.with_holders(fields))
        for entry in others:
            left = fieldsets.minus(left, fieldsets.with_holders(entry["fieldsV1"]))
        if left is not None:
            new = _removed(type_, new, left)
    fresh, gone = _change(type_, live, new, who.subresource)
    fresh = fieldsets.union(fresh, _empty_wishes(type_, said, live))
    conflicts = []
    kept = []
    for entry in others:
        clash = fieldsets.common(entry["fieldsV1"], fresh)
        if clash is not None:
            conflicts.append((entry, clash))
        rest = fieldsets.minus(fieldsets.minus(entry["fieldsV1"], clash), gone)
        if rest is not None:
            kept.append(entry if rest is entry["fieldsV1"] else merged(entry, fieldsV1=rest))
    if conflicts and not force:
        raise _conflict(conflicts)
    if fields is not None:
        changed = fresh is not None or gone is not None
        moment = time if changed else own.get("time") if own is not None else None
        kept.append(_entry(who, fields, moment))
    return new, _ordered(kept)


def _empty_wishes(type_: Type, said: Any, live: Any) -> Tree:
    """What was asked for as an empty map or list where there is none: Go does not keep that, so
    that to the comparison it is a change each time."""
    if not isinstance(said, dict) or fieldsets.is_leaf(type_, said):
        return None
    children: dict[str, Tree] = {}
    for key, item in said.items():
        held = live.get(key) if isinstance(live, dict) else None
        if isinstance(item, (dict, list)) and not item and held is None and type_.typed:
            children[f"f:{key}"] = EMPTY
        elif isinstance(item, dict) and held is not None:
            below = _empty_wishes(type_.child(key), item, held)
            if below is not None:
                children[f"f:{key}"] = below
    return fieldsets.node(False, children)


def _through(wish: Obj, subresource: str) -> Obj:
    """The part of a wish that its door lets through."""
    if subresource == "status":
        return without(wish, ("spec",))  # type: ignore[no-any-return]
    return without(wish, ("status",))  # type: ignore[no-any-return]


def _owned(type_: Type, said: Any, subresource: str) -> Tree:
    fields = fieldsets.fields_of(type_, _through(freeze(said), subresource))
    nobody = Obj({"f:apiVersion": EMPTY, "f:kind": EMPTY})
    fields = fieldsets.minus(fields, nobody) if fields else None
    metadata = fields.get("f:metadata") if fields else None
    if metadata is not None and fields is not None:
        children = {k: v for k, v in metadata.items() if k not in _NEVER_FIELDS}
        rest = {k: v for k, v in fields.items() if k != "f:metadata"}
        if children:
            rest["f:metadata"] = fieldsets.node(False, children)
        fields = fieldsets.node(False, rest)
    return fields


def laid_over(type_: Type, live: Obj, wish: Obj) -> Obj:
    """A wish merged into an object as an apply would, with nobody's ownership in it."""
    merged_: Obj = _merge(type_, live, wish)
    return merged_


def _merge(type_: Type, live: Any, wish: Any) -> Any:
    """A wish laid over what there is."""
    if fieldsets.is_leaf(type_, wish) or live is None or fieldsets.is_leaf(type_, live):
        return wish
    if type_.form in ("list", "set"):
        return _merge_list(type_, live, wish)
    out = dict(live)
    for key, item in wish.items():
        out[key] = _merge(type_.child(key), live.get(key), item)
    return Obj(out)


def _merge_list(type_: Type, live: Any, wish: Any) -> Arr:
    """Both lists in one: what both have is in the order of the wish; before what only it has
    comes what only the live list has there."""
    held, wanted = fieldsets.parts(type_, live), fieldsets.parts(type_, wish)
    mine, theirs = list(held), list(wanted)
    out: dict[str, Any] = {}
    left = right = 0
    while left < len(mine) or right < len(theirs):
        if left < len(mine) and mine[left] not in wanted:
            out[mine[left]] = held[mine[left]]
            left += 1
        elif right < len(theirs):
            key = theirs[right]
            if key not in held:
                out[key] = wanted[key]
            else:
                out[key] = _merge(fieldsets.part_type(type_, key), held[key], wanted[key])
                if left < len(mine) and mine[left] == key:
                    left += 1
            right += 1
        else:
            left += 1
    return Arr(out.values())


def _removed(type_: Type, value: Any, fields: Tree) -> Any:
    """A value without the fields of a set; None where nothing is left."""
    if fieldsets.is_leaf(type_, value):
        return value
    out = {}
    for key, item in fieldsets.parts(type_, value).items():
        below = fields.get(key)
        if below is not None:
            whole = fieldsets.is_member(below)
            leaf = fieldsets.is_leaf(fieldsets.part_type(type_, key), item)
            if whole and (leaf or not below or type_.form in ("list", "set")):
                continue
            item = _removed(fieldsets.part_type(type_, key), item, below)
            if item is None:
                continue
        out[key] = item
    if not out and value:
        return None
    if type_.form in ("list", "set"):
        return Arr(out.values())
    return Obj({key[2:]: item for key, item in out.items()})


def _conflict(conflicts: list[tuple[Obj, Tree]]) -> errors.ApiError:
    causes: list[Obj] = []
    sections: list[tuple[str, list[str]]] = []
    for entry, clash in conflicts:
        name = _named(entry)
        found = fieldsets.paths(clash)
        sections.append((name, found))
        causes += [
            Obj(reason="FieldManagerConflict", message=f"conflict with {name}", field=path)
            for path in found
        ]
    sections.sort()
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: conflict with {sections[0][0]}: {causes[0]['field']}"
    else:
        lines = [
            f"conflicts with {name}:\n" + "\n".join(f"- {path}" for path in found)
            for name, found in sections
        ]
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return errors.failure(409, text, "Conflict", {"causes": causes})


def _named(entry: Obj) -> str:
    text = f'"{entry["manager"]}"'
    if entry.get("subresource"):
        text += f' with subresource "{entry["subresource"]}"'
    if entry["operation"] == "Update":
        text += f" using {entry['apiVersion']}"
    return text
