"""Who owns which field, and what an apply does with it."""

from __future__ import annotations

import pytest

from kubelab.api import apply, errors, fieldsets, kinds
from kubelab.api.objects import EMPTY, freeze, get

KIND = kinds.named("v1/ConfigMap")
TYPE = fieldsets.type_of(KIND)
DEPLOYMENT = fieldsets.type_of(kinds.named("apps/v1/Deployment"))


def who(name, operation="Apply"):
    return apply.Manager(name, operation, "v1")


def config(**data):
    return freeze(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
    )


def applied(live, wish, name, *, force=False):
    new, managers = apply.applied(TYPE, live, wish, wish, who(name), "T", force=force)
    return freeze({**new, "metadata": {**new["metadata"], "managedFields": managers}})


def test_a_field_left_out_goes():
    """What a manager applied before and leaves out goes, unless another owns it."""
    one = applied(None, config(x="1", y="2"), "one")
    both = applied(one, config(y="2", z="3"), "two")
    less = applied(both, config(x="1"), "one")
    assert less["data"] == {"x": "1", "y": "2", "z": "3"}
    assert applied(less, config(z="3"), "two")["data"] == {"x": "1", "z": "3"}


def test_another_value_is_a_conflict_unless_forced():
    """Two managers want two values: 409, or with force the field changes hands."""
    one = applied(None, config(x="1"), "one")
    with pytest.raises(errors.ApiError) as refused:
        applied(one, config(x="2"), "two")
    text = 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert refused.value.status["message"] == text
    forced = applied(one, config(x="2"), "two", force=True)
    assert [entry["manager"] for entry in forced["metadata"]["managedFields"]] == ["two"]


def test_a_plain_write_takes_what_it_changes():
    """A plain write owns the fields that it changed, and nobody else owns them any longer."""
    one = applied(None, config(x="1", y="2"), "one")
    new = freeze({**one, "data": {"x": "9", "y": "2"}})
    entries = apply.updated(TYPE, one, new, who("editor", "Update"), "T")
    assert {entry["manager"]: entry["fieldsV1"] for entry in entries} == {
        "one": {"f:data": {"f:y": {}}},
        "editor": {"f:data": {"f:x": {}}},
    }
    assert apply.updated(TYPE, one, one, who("editor", "Update"), "T") == get(
        one, "metadata", "managedFields"
    )


def test_many_writers_are_bounded():
    """Of more than ten plain managers the oldest become one."""
    live = EMPTY
    for number in range(14):
        new = freeze({"data": {**live.get("data", {}), f"k{number}": "v"}})
        entries = apply.updated(TYPE, live, new, who(f"m{number:02}", "Update"), f"T{number:02}")
        live = freeze({**new, "metadata": {"managedFields": entries}})
    assert len(entries) == apply.MOST_UPDATERS
    assert "ancient-changes" in [entry["manager"] for entry in entries]


def test_items_are_found_by_their_keys():
    """An item of a list with keys is named by them, with the defaults that identify it."""
    spec = {"template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}
    fields = fieldsets.fields_of(DEPLOYMENT, freeze({"spec": spec}))
    assert fieldsets.paths(fields) == [
        '.spec.template.spec.containers[name="c"]',
        '.spec.template.spec.containers[name="c"].name',
        '.spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]',
        '.spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]'
        ".containerPort",
    ]  # fmt: skip


def test_sets_add_and_subtract():
    """What is united and taken away again leaves the same set, and the same tree if unchanged."""
    one = freeze({"f:a": {".": {}, "f:b": {}}})
    other = freeze({"f:a": {"f:c": {}}})
    assert fieldsets.minus(fieldsets.union(one, other), other) == one
    assert fieldsets.minus(one, other) is one
    assert fieldsets.common(one, other) is None


def test_a_holder_stays_while_parts_of_it_are_wished() -> None:
    """Who owned a structure itself and now wishes only a part of it does not lose the whole."""
    owned = freeze({"f:spec": {".": {}, "f:size": {}, "f:gone": {}}})
    wished = freeze({"f:spec": {"f:size": {}}})
    left = fieldsets.minus(owned, fieldsets.with_holders(wished))
    assert left == {"f:spec": {"f:gone": {}}}
