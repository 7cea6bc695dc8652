"""Rewind and fork: a copy goes on exactly as the original would have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab.sim import fork
from kubelab.sim.history import History
from tests.sim.worlds import pair, state

Moves = st.lists(
    st.one_of(
        st.tuples(st.just("hit"), st.sampled_from("ab"), st.integers(0, 40)),
        st.tuples(st.just("run"), st.floats(0, 0.2), st.just(0)),
        st.tuples(st.just("step"), st.integers(1, 50), st.just(0)),
    ),
    min_size=1,
    max_size=12,
)


def play(history: History, moves: list[Any]) -> None:
    """Carries out moves from outside."""
    for kind, first, second in moves:
        if kind == "hit":
            history.inject(first, "hit", second)
        elif kind == "run":
            history.run(first)
        else:
            for _ in range(first):
                history.step()


@settings(max_examples=60, deadline=None)
@given(before=Moves, after=Moves)
def test_fork_and_original_go_on_identically(before: list[Any], after: list[Any]) -> None:
    """After a fork at any moment the same moves give the same state and trace in both."""
    history = pair()
    play(history, before)
    twin = history.fork()
    play(twin, after)
    untouched = len(history.world.trace)
    play(history, after)
    assert state(history.world) == state(twin.world)
    assert len(history.world.trace) >= untouched


@settings(max_examples=60, deadline=None)
@given(moves=Moves, data=st.data())
def test_replay_is_exact(moves: list[Any], data: st.DataObject) -> None:
    """A world replayed to any event has that past, and with the same inputs the same future."""
    history = pair()
    history.next_snapshot = 0
    play(history, moves)
    full = list(history.world.trace)
    target = data.draw(st.integers(0, len(full)))
    past = history.replay(target)
    assert list(past.world.trace) == full[:target]
    play(past, [("run", 5, 0)])
    again = history.replay(target)
    play(again, [("run", 5, 0)])
    assert state(past.world) == state(again.world)


def test_snapshots_are_thinned_and_still_serve() -> None:
    """Many snapshots are thinned out; replay to any event still works."""
    history = pair()
    for _ in range(80):
        history.next_snapshot = 0
        history.inject("a", "hit", 9)
        history.run(0.1)
    assert len(history.snapshots) <= 25
    full = list(history.world.trace)
    for target in (0, 5, 77, 400, len(full)):
        assert list(history.replay(target).world.trace) == full[:target]


def test_rewind_forgets_what_came_later() -> None:
    """After a rewind the trace ends at the event, and other moves give another future."""
    history = pair()
    history.inject("a", "hit", 20)
    history.run(1)
    history.rewind(10)
    assert len(history.world.trace) == 10
    history.inject("b", "hit", 0)
    history.run(1)
    assert any(e.actor == "you" and e.target == "b" for e in history.world.trace)
    with pytest.raises(ValueError, match="there is no event 99999"):
        history.rewind(99999)


def test_nothing_changeable_is_shared_by_forks() -> None:
    """No container that can change is reachable from a world and from its fork."""
    history = pair()
    history.inject("a", "hit", 50)
    history.run(0.02)
    twin = history.fork()
    mine = {id(part): part for part in changeable(history.world)}
    shared = [part for part in changeable(twin.world) if id(part) in mine]
    assert shared == []


def changeable(value: Any, seen: dict[int, Any] | None = None) -> list[Any]:
    """Every container that can change and that is reachable (full chunks of logs do not)."""
    seen = {} if seen is None else seen
    if fork.is_atom(type(value)) or id(value) in seen:
        return []
    seen[id(value)] = value
    found = [value]
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, (list, set)):
        parts = list(value)
    elif type(value).__name__ == "Log":
        parts = [value.open]
    else:
        parts = [*vars(value).values()] if hasattr(value, "__dict__") else []
        parts += [
            getattr(value, name) for name in fork.slots_of(type(value)) if hasattr(value, name)
        ]
    for part in parts:
        found += changeable(part, seen)
    return found


def test_state_that_cannot_be_copied_is_refused() -> None:
    """A bound method in a component's state is an error with a name, not a silent alias."""
    history = pair()
    component = history.world.components["a"]
    component.bad = component.start  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="cannot be part of a world's state"):
        history.fork()
