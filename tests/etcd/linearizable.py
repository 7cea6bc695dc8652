"""Is a history of reads and writes linearizable? A small checker for one register a key.

Wing and Gong's search with memory (Lowe, "Testing for linearizability", 2017): take any operation
that no unfinished one must precede, see whether it fits the register, go on. An operation whose
answer never came may have happened at any time after its call, or not at all. Keys are checked one
by one, which is enough: linearizability is local (Herlihy and Wing, 1990).
"""

from __future__ import annotations

from typing import Any, NamedTuple

FOREVER = 1 << 62


class Operation(NamedTuple):
    """A call on one key: from `begin` to `end` (FOREVER if its answer never came).

    `kind` is `put` (of `value`), `get` (that saw `value`) or `cas` (from `expected` to `value`;
    `done` says whether it succeeded, None if nobody knows).
    """

    kind: str
    key: bytes
    value: Any
    begin: int
    end: int
    expected: Any = None
    done: bool | None = True


def after(operation: Operation, state: Any) -> list[Any]:
    """The states that an operation may leave behind; none if it does not fit."""
    if operation.kind == "get":
        return [state] if state == operation.value else []
    if operation.kind == "put":
        return [operation.value]
    fits = state == operation.expected
    if operation.done is None:
        return [operation.value] if fits else [state]
    if operation.done != fits:
        return []
    return [operation.value if fits else state]


def is_linearizable(operations: list[Operation]) -> bool:
    """Whether there is an order of all operations that explains every answer."""
    by_key: dict[bytes, list[Operation]] = {}
    for operation in operations:
        by_key.setdefault(operation.key, []).append(operation)
    return all(_fits(sorted(found, key=lambda o: o.begin)) for found in by_key.values())


def _fits(operations: list[Operation]) -> bool:
    needed = 0
    for number, operation in enumerate(operations):
        if operation.end < FOREVER:
            needed |= 1 << number
    tried: dict[tuple[int, Any], None] = {}
    stack: list[tuple[int, Any]] = [(0, None)]
    while stack:
        done, state = stack.pop()
        if done & needed == needed:
            return True
        if (done, state) in tried:
            continue
        tried[done, state] = None
        # Whatever begins after the first end among the open ones must wait.
        limit = min(o.end for n, o in enumerate(operations) if not done >> n & 1)
        for number, operation in enumerate(operations):
            if operation.begin > limit:
                break
            if not done >> number & 1:
                stack += [(done | 1 << number, s) for s in after(operation, state)]
    return False
