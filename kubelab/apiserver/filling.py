"""The verbs in which defaults are written; each returns its argument where nothing is missing.

A field counts as unset where it is missing, null or, for a text, empty; a number or flag of zero is
a wish like any other, except where Go cannot tell it from no wish (`filled_zero`).

In Kubernetes: the conditions in pkg/apis/*/*/defaults.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kubelab.sim.tree import Arr, Obj


def filled(obj: Any, defaults: Mapping[str, Any]) -> Any:
    """The object with each default whose field is unset."""
    out: dict[str, Any] | None = None
    for key, value in defaults.items():
        held = obj.get(key)
        if held is None:
            if value is None and key in obj:
                continue
        elif held != "" or value == "" or type(value) is not str:
            continue
        if out is None:
            out = dict(obj)
        out[key] = value
    return obj if out is None else Obj(out)


def filled_zero(obj: Any, defaults: Mapping[str, Any]) -> Any:
    """The same for fields of which zero and false mean that nothing was said."""
    missing = {key: value for key, value in defaults.items() if not obj.get(key)}
    return Obj({**obj, **missing}) if missing else obj


def put(obj: Any, key: str, value: Any) -> Any:
    """The object with a field set; itself where the field has this very value."""
    if obj.get(key) is value and value is not None:
        return obj
    return Obj({**obj, key: value})


def within(obj: Any, key: str, change: Callable[[Any], Any]) -> Any:
    """The object with a field changed by a function, if the field is there."""
    held = obj.get(key)
    if held is None:
        return obj
    new = change(held)
    return obj if new is held else Obj({**obj, key: new})


def each(obj: Any, key: str, change: Callable[[Any], Any]) -> Any:
    """The object with every item of a list changed by a function."""
    held = obj.get(key)
    if not held:
        return obj
    new = [change(item) for item in held]
    if all(one is other for one, other in zip(new, held, strict=True)):
        return obj
    return Obj({**obj, key: Arr(new)})
