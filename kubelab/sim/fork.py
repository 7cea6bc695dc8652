"""An independent copy of a world.

State is either a container (dict, list, set, deque, an object of ours) or an atom that can never
change (numbers, strings, tuples, `Obj`, `Arr`, named tuples, frozen records, classes). Containers
are copied, atoms and the log's full chunks are shared; what was one container in the original is
one in the copy. No component writes a copy function of its own.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta, timezone
from types import BuiltinFunctionType, FunctionType
from typing import Any

from kubelab.sim.log import Log
from kubelab.sim.tree import Arr, Obj

ATOMS: set[type] = {
    int, float, str, bytes, bool, type(None), complex, tuple, frozenset, range, type,
    Obj, Arr, FunctionType, BuiltinFunctionType, datetime, timedelta, timezone,
}  # fmt: skip

# Types that were found to be none of these.
_CHANGEABLE: set[type] = {dict, list, set, deque, Log}
_SLOTS: dict[type, tuple[str, ...]] = {}


def is_atom(kind: type) -> bool:
    """Whether values of this type can never change, so that copies may share them."""
    if kind in ATOMS:
        return True
    if kind in _CHANGEABLE:
        return False
    parameters = getattr(kind, "__dataclass_params__", None)
    frozen = parameters is not None and parameters.frozen
    if frozen or issubclass(kind, (tuple, type, str, int, Obj, Arr)):
        ATOMS.add(kind)
        return True
    _CHANGEABLE.add(kind)
    return False


def slots_of(kind: type) -> tuple[str, ...]:
    """The names of all slots of a class and its bases."""
    known = _SLOTS.get(kind)
    if known is None:
        names: list[str] = []
        for base in kind.__mro__:
            own = base.__dict__.get("__slots__", ())
            names += [own] if isinstance(own, str) else own
        known = _SLOTS[kind] = tuple(n for n in names if n not in ("__dict__", "__weakref__"))
    return known


def copy(value: Any, memo: dict[int, Any] | None = None) -> Any:
    """A copy of `value` that shares nothing changeable with it."""
    return _copy(value, {} if memo is None else memo)


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if kind in ATOMS or is_atom(kind):
        return value
    twin: Any = None
    known = memo.get(id(value))
    if known is not None:
        return known
    if kind is dict:
        atoms = all(k in ATOMS or is_atom(k) for k in set(map(type, value.values())))
        twin = value.copy()
        memo[id(value)] = twin
        if not atoms:
            for key, item in value.items():
                twin[key] = _copy(item, memo)
        return twin
    if kind is list:
        twin = value.copy()
        memo[id(value)] = twin
        if not all(k in ATOMS or is_atom(k) for k in set(map(type, value))):
            twin[:] = [_copy(item, memo) for item in value]
        return twin
    if kind is Log:
        twin = value.fork()
    elif kind is set:
        twin = value.copy()
    elif kind is deque:
        twin = deque((_copy(item, memo) for item in value), value.maxlen)
    elif issubclass(kind, BaseException) or callable(value):
        raise TypeError(f"a {kind.__name__} cannot be part of a world's state: it cannot be copied")
    else:
        return _copy_instance(value, kind, memo)
    memo[id(value)] = twin
    return twin


def _copy_instance(value: Any, kind: type, memo: dict[int, Any]) -> Any:
    """An object of ours: its attributes and slots, one by one."""
    twin: Any = object.__new__(kind)
    memo[id(value)] = twin
    state = getattr(value, "__dict__", None)
    if state is not None:
        own = twin.__dict__
        for name, item in state.items():
            own[name] = item if type(item) in ATOMS else _copy(item, memo)
    for name in slots_of(kind):
        if hasattr(value, name):
            object.__setattr__(twin, name, _copy(getattr(value, name), memo))
    return twin
