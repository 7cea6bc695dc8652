"""The immutable JSON tree: what messages, objects and details are made of.

JSON is dicts, lists, strings, numbers, booleans and None. Here dicts are `Obj` and lists are `Arr`,
which look and read like dict and list but refuse every write. So one tree can be shared by the
store, the watch caches, the trace, the views and every fork, and a change copies only the path from
the root to the changed leaf (`with_`); everything beside the path stays shared. Writing into a
cache by mistake is an error with a name instead of a bug without one.

In Kubernetes: k8s.io/apimachinery's `runtime.Object` and `unstructured.Unstructured`; sharing takes
the place of `DeepCopy`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

Path = Sequence["str | int"]


class Immutable(TypeError):
    """Raised by every write into an `Obj` or `Arr`; make a changed copy with `with_` instead."""


def _refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise Immutable(
        f"{type(self).__name__} cannot be changed; with_(object, path, value) makes a changed copy"
    )


class Obj(dict):  # type: ignore[type-arg]
    """An immutable JSON object. Build one from plain JSON with `freeze`."""

    __slots__ = ()
    __setitem__ = __delitem__ = _refuse
    clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def copy(self) -> Obj:
        return self

    def __copy__(self) -> Obj:
        return self

    def __deepcopy__(self, memo: Any) -> Obj:
        return self

    def __reduce__(self) -> Any:
        return Obj, (dict(self),)


class Arr(list):  # type: ignore[type-arg]
    """An immutable JSON array. Build one from plain JSON with `freeze`."""

    __slots__ = ()
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def copy(self) -> Arr:
        return self

    def __copy__(self) -> Arr:
        return self

    def __deepcopy__(self, memo: Any) -> Arr:
        return self

    def __reduce__(self) -> Any:
        return Arr, (list(self),)


EMPTY = Obj()
NOTHING = Arr()


# What needs no freezing: values that cannot change.
_FROZEN = frozenset((Obj, Arr, str, int, bool, float, type(None)))


def freeze(value: Any) -> Any:
    """The immutable form of a JSON value; what is frozen already is shared, not copied.

    Tuples become arrays. Raises TypeError for what is no JSON (with the type's name).
    """
    kind = type(value)
    if kind in _FROZEN:
        return value
    if kind is dict:
        return Obj(
            {
                key if type(key) is str else str(key): (
                    item if type(item) in _FROZEN else freeze(item)
                )
                for key, item in value.items()
            }
        )
    if kind is list or kind is tuple:
        return Arr([item if type(item) in _FROZEN else freeze(item) for item in value])
    if isinstance(value, Mapping):
        return freeze(dict(value))
    if isinstance(value, (list, tuple)):
        return freeze(list(value))
    if isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{kind.__name__} is no JSON value")


def thaw(value: Any) -> Any:
    """A plain, changeable copy: dicts and lists all the way down."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value


def get(value: Any, *path: str | int, default: Any = None) -> Any:
    """The value at a path, or `default` where the path ends early (a missing key, a null)."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return default
    return default if value is None else value


def with_(value: Any, path: Path, new: Any) -> Any:
    """A copy of the tree with `new` at `path`; what lies beside the path is shared.

    Missing or null objects on the way are made. An integer step replaces an item of an array, or
    appends when it equals the array's length. `new` is frozen.
    """
    if not path:
        return freeze(new)
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = list(value or ())
        if step == len(items):
            items.append(with_(None, rest, new))
        else:
            items[step] = with_(items[step], rest, new)
        return Arr(items)
    fields = dict(value or ())
    fields[step] = with_(fields.get(step), rest, new)
    return Obj(fields)


def without(value: Any, path: Path) -> Any:
    """A copy of the tree with nothing at `path`; the tree itself where nothing was there."""
    step, rest = path[0], path[1:]
    if rest:
        inner = get(value, step)
        if inner is None:
            return value
        changed = without(inner, rest)
        return value if changed is inner else with_(value, (step,), changed)
    if isinstance(value, Arr) and isinstance(step, int):
        return Arr([item for index, item in enumerate(value) if index != step])
    if not isinstance(value, dict) or step not in value:
        return value
    return Obj({key: item for key, item in value.items() if key != step})


def merged(value: Any, **fields: Any) -> Obj:
    """A copy of an object with the given top-level fields set; a field given as None is dropped."""
    out = dict(value or ())
    for key, item in fields.items():
        if item is None:
            out.pop(key, None)
        else:
            out[key] = freeze(item)
    return Obj(out)


def walk(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every leaf of the tree with its path, in document order."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, (*path, index))
    else:
        yield path, value
