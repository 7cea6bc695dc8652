"""Patches change what a real API server changes."""

from __future__ import annotations

import json

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api import errors, kinds, patch
from kubelab.api.kinds import Kind
from kubelab.apiserver import defaults, schema_check
from kubelab.sim.tree import Obj, freeze, thaw
from tests.golden_data import cases

DEPLOYMENT = kinds.named("apps/v1/Deployment")


def stored(kind: Kind, obj: Obj) -> Obj:
    """An object as it is after decoding and defaults; its status is not looked at."""
    clean, _, wrong = schema_check.check(kind, freeze(obj))
    assert wrong is None
    whole = defaults.apply_defaults(kind, clean)
    return Obj({key: value for key, value in whole.items() if key != "status"})


@pytest.mark.parametrize("case", cases("kind_patches"), ids=lambda case: case["name"])
def test_recorded_patches(case):
    """Each kind of patch leaves the object that Kubernetes 1.36.2 left."""
    kind = kinds.named(case["kind"])
    before, change = stored(kind, case["before"]), freeze(case["patch"])
    if "json-patch" in case["type"]:
        after = patch.json_patch(before, change)
    elif "strategic" in case["type"]:
        after = patch.strategic_merge_patch(before, change, kind)
    else:
        after = patch.merge_patch(before, change)
    assert stored(kind, after) == stored(kind, case["after"])


def test_an_unchanged_part_is_shared():
    """A patch copies the path to what it changes and shares the rest."""
    before = freeze({"metadata": {"name": "x"}, "spec": {"a": {"b": 1}, "c": {"d": 2}}})
    after = patch.merge_patch(before, freeze({"spec": {"a": {"b": 3}}}))
    assert after["spec"]["c"] is before["spec"]["c"]
    assert after["metadata"] is before["metadata"]
    assert patch.merge_patch(before, freeze({"spec": {"a": {"b": 1}}})) is before


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([{"op": "foo", "path": "/a"}], 422),
        ([{"op": "test", "path": "/a", "value": 2}], 422),
        ([{"op": "remove", "path": "/b"}], 422),
        ([{"op": "add", "path": "/b/c", "value": 1}], 422),
        ([{"op": "replace", "path": "/l/7", "value": 1}], 422),
        ([{"op": "add"}], 422),
    ],
)
def test_a_json_patch_that_does_not_fit(operations, code):
    """It is refused without causes, and nothing is changed."""
    with pytest.raises(errors.ApiError) as caught:
        patch.json_patch(freeze({"a": 1, "l": [1]}), freeze(operations))
    assert caught.value.code == code
    assert str(caught.value) == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"containers": [{"image": "x"}]},
            "map: map[image:x] does not contain declared merge key: name",
        ),
        (
            {"containers": [{"name": "c", "$patch": "foo"}]},
            "unknown patch type: foo in map: map[$patch:foo name:c]",
        ),
    ],
)
def test_a_strategic_patch_that_cannot_be_followed(change, message):
    """The complaint is Go's, as a failure without a reason."""
    before = freeze({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "y"}]}}}})
    with pytest.raises(errors.ApiError) as caught:
        patch.strategic_merge_patch(before, {"spec": {"template": {"spec": change}}}, DEPLOYMENT)
    assert (caught.value.code, str(caught.value)) == (500, message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "y"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
MAPS = st.dictionaries(st.sampled_from("abcd"), JSON, max_size=4)


@given(MAPS, MAPS)
def test_json_patches_agree_with_another_implementation(before, after):
    """The patch that jsonpatch makes between two objects leads from the one to the other."""
    operations = json.loads(jsonpatch.make_patch(before, after).to_string())
    assert thaw(patch.json_patch(freeze(before), freeze(operations))) == after


NAMED = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.sampled_from(["1", "2"]))


def workload(images: dict[str, str], labels: dict[str, str]) -> Obj:
    """A Deployment with containers and labels."""
    held = [{"name": name, "image": image} for name, image in images.items()]
    return freeze({  # type: ignore[no-any-return]
        "metadata": {"labels": labels},
        "spec": {"template": {"spec": {"containers": held}}},
    })  # fmt: skip


@given(NAMED, NAMED, NAMED, NAMED)
def test_apply_leads_to_what_was_applied(one, other, labels, later):
    """The patch of kubectl apply, applied, gives the new manifest; a second time it is empty."""
    before, after = workload(one, labels), workload(other, later)
    change = patch.three_way(before, after, before, DEPLOYMENT)
    assert patch.strategic_merge_patch(before, change, DEPLOYMENT) == after
    assert patch.three_way(after, after, after, DEPLOYMENT) == {}


def test_apply_leaves_what_others_set():
    """What is there and was never in the manifest stays; what was left out goes."""
    original = workload({"a": "1", "b": "1"}, {"x": "1"})
    current = workload({"a": "1", "b": "1", "injected": "9"}, {"x": "1", "other": "2"})
    change = patch.three_way(original, workload({"a": "2"}, {}), current, DEPLOYMENT)
    after = patch.strategic_merge_patch(current, change, DEPLOYMENT)
    assert after == workload({"a": "2", "injected": "9"}, {"other": "2"})


def test_a_strategic_patch_that_changes_nothing_shares_everything():
    """What is as the patch wants it comes back as the very same object."""
    before = workload({"a": "1", "b": "2"}, {"x": "1"})
    change = freeze({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}]}}}})
    assert patch.strategic_merge_patch(before, change, DEPLOYMENT) is before
    after = patch.strategic_merge_patch(
        before, freeze({"metadata": {"labels": {"x": "2"}}}), DEPLOYMENT
    )
    assert after["spec"] is before["spec"]
