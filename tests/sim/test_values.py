"""Trees that refuse writes, logs that forks share, and draws that are the same everywhere."""

from __future__ import annotations

import copy
import json
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.sim.chance import Chance
from kubelab.sim.log import Log
from kubelab.sim.tree import Arr, Immutable, Obj, freeze, get, thaw, walk, with_, without

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(json_values)
def test_freeze_and_thaw_keep_the_value(value: object) -> None:
    """A frozen tree equals the plain one, is JSON, and thaws into an equal plain one."""
    frozen = freeze(value)
    assert frozen == value
    assert json.loads(json.dumps(frozen)) == value
    assert thaw(frozen) == value
    assert freeze(frozen) is frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen


def test_every_write_is_refused() -> None:
    """No writer of dict or list works on a tree."""
    obj, arr = freeze({"a": {"b": 1}}), freeze([1, 2])
    for write in (
        lambda: obj.update(a=1), lambda: obj.pop("a"), lambda: obj.clear(), lambda: obj.popitem(),
        lambda: obj.setdefault("x", 1), lambda: arr.append(1), lambda: arr.sort(),
        lambda: arr.extend([1]), lambda: arr.insert(0, 1), lambda: arr.reverse(), lambda: arr.pop(),
        lambda: arr.remove(1), lambda: arr.clear(), lambda: obj.__setitem__("a", 1),
        lambda: obj.__delitem__("a"), lambda: arr.__setitem__(0, 1), lambda: arr.__delitem__(0),
        lambda: obj.__ior__({}), lambda: arr.__iadd__([1]), lambda: arr.__imul__(2),
    ):  # fmt: skip
        with pytest.raises(Immutable):
            write()
    assert copy.deepcopy(obj) is obj
    assert obj == {"a": {"b": 1}} and arr == [1, 2]


def test_with_copies_the_path_and_shares_the_rest() -> None:
    """A change copies what lies on its path; what lies beside is the same object."""
    old = freeze({"a": {"b": [1, {"c": 2}]}, "x": {"y": 1}})
    new = with_(old, ("a", "b", 1, "c"), 3)
    assert new == {"a": {"b": [1, {"c": 3}]}, "x": {"y": 1}}
    assert old["a"]["b"][1]["c"] == 2
    assert new["x"] is old["x"]
    assert with_(None, ("a", "b"), 1) == {"a": {"b": 1}}
    assert without(new, ("a", "b")) == {"a": {}, "x": {"y": 1}}
    assert without(new, ("no", "where")) is new
    assert get(new, "a", "b", 7, default="-") == "-"
    assert list(walk(freeze({"a": [1, {"b": 2}]}))) == [(("a", 0), 1), (("a", 1, "b"), 2)]
    assert isinstance(new["a"]["b"], Arr) and isinstance(new, Obj)


@given(st.lists(st.integers(), max_size=60), st.lists(st.integers()), st.lists(st.integers()))
def test_forked_logs_share_the_past_and_grow_apart(
    past: list[int], left: list[int], right: list[int]
) -> None:
    """What is appended to a fork of a log is not seen by the other."""
    log: Log[int] = Log()
    old, Log.CHUNK = Log.CHUNK, 7
    try:
        for item in past:
            log.append(item)
        twin = log.fork()
        for item in left:
            log.append(item)
        for item in right:
            twin.append(item)
        assert list(log) == past + left == log[:]
        assert list(twin) == past + right == twin[:]
        assert log == past + left
        if past:
            assert log[0] == past[0] and twin[-len(past + right)] == past[0]
    finally:
        Log.CHUNK = old


def test_draws_are_the_same_on_every_python() -> None:
    """The first draws of a stream are these, wherever it runs."""
    stream = Chance(7, "scheduler")
    assert [stream.below(1000) for _ in range(5)] == DRAWS
    other = Chance(7, "kubelet")
    assert [other.below(1000) for _ in range(5)] != DRAWS
    assert sorted(Chance(1, "x").shuffled(range(10))) == list(range(10))
    uids = [other.uid() for _ in range(100)]
    assert len(dict.fromkeys(uids)) == 100
    assert all(re.fullmatch(UUID4, uid) for uid in uids)


UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
DRAWS = [636, 793, 854, 724, 129]
