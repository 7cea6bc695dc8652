"""Evaluates the trees of CEL expressions.

Values are JSON values, bytes, `Span` (a duration), `Instant` (a point in time), `Amount` (a
quantity) and `Maybe` (an optional value). Numbers of both kinds compare with each other; nothing
else is ever converted by itself.

In Kubernetes: cel-go's interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

Values = Mapping[str, Any]


class CelError(ValueError):
    """An expression is none, or has no value; the message is CEL's."""


class Span(NamedTuple):
    """A duration."""

    ns: int


class Instant(NamedTuple):
    """A point in time, in nanoseconds since 1970."""

    at_ns: int


class Amount(NamedTuple):
    """A quantity (`500m`)."""

    number: Fraction


class Maybe(NamedTuple):
    """A value that may be missing: no item or one."""

    items: tuple[Any, ...]


class Authorizer(NamedTuple):
    """What an expression may ask about permissions: `authorizer.group("").resource("pods")…`.

    `allows` answers for a verb; `request` is the authorizer of the request's own resource.
    """

    allows: Callable[[Authorizer, str], tuple[bool, str]]
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    user: str = ""
    request: Any = None


class Verdict(NamedTuple):
    """What an authorizer has answered."""

    allowed: bool
    reason: str


def value_of(tree: Any, values: Values) -> Any:
    """The value of a tree. Raises CelError."""
    return _FORMS[tree[0]](tree, values)


def _is(tree: Any, values: Values) -> Any:
    return tree[1]


def _name(tree: Any, values: Values) -> Any:
    try:
        return values[tree[1]]
    except KeyError:
        raise CelError(f"undeclared reference to '{tree[1]}' (in container '')") from None


def _field(tree: Any, values: Values) -> Any:
    return field(value_of(tree[1], values), tree[2])


def field(holder: Any, name: str) -> Any:
    """A field of an object."""
    if isinstance(holder, Maybe):
        return Maybe((holder.items[0][name],)) if holder.items and name in holder.items[0] \
            else Maybe(())  # fmt: skip
    if isinstance(holder, Authorizer) and name == "requestResource":
        return holder.request
    if not isinstance(holder, Mapping):
        raise CelError("no such overload" if holder is not None else f"no such key: {name}")
    if name not in holder:
        raise CelError(f"no such key: {name}")
    return holder[name]


def _try(tree: Any, values: Values) -> Any:
    holder = value_of(tree[1], values)
    if isinstance(holder, Maybe):
        holder = holder.items[0] if holder.items else {}
    return Maybe((holder[tree[2]],)) if isinstance(holder, Mapping) and tree[2] in holder \
        else Maybe(())  # fmt: skip


def _has(tree: Any, values: Values) -> Any:
    holder = value_of(tree[1], values)
    if isinstance(holder, Maybe):
        holder = holder.items[0] if holder.items else {}
    if not isinstance(holder, Mapping):
        raise CelError("no such overload")
    return tree[2] in holder


def _at(tree: Any, values: Values) -> Any:
    return item(value_of(tree[1], values), value_of(tree[2], values))


def item(holder: Any, key: Any) -> Any:
    """An item of a list or map."""
    if isinstance(holder, Mapping):
        if key not in holder:
            raise CelError(f"no such key: {key}")
        return holder[key]
    if isinstance(holder, list) and isinstance(key, (int, float)) and not isinstance(key, bool):
        if not 0 <= key < len(holder):
            raise CelError(f"index out of bounds: {key}")
        return holder[int(key)]
    raise CelError("no such overload")


def _try_at(tree: Any, values: Values) -> Any:
    try:
        holder = value_of(tree[1], values)
        if isinstance(holder, Maybe):
            holder = holder.items[0] if holder.items else {}
        return Maybe((item(holder, value_of(tree[2], values)),))
    except CelError:
        return Maybe(())


def _if(tree: Any, values: Values) -> Any:
    return value_of(tree[2] if truth(value_of(tree[1], values)) else tree[3], values)


def truth(value: Any) -> bool:
    """A boolean; nothing else is one."""
    if not isinstance(value, bool):
        raise CelError("no such overload")
    return value


def _not(tree: Any, values: Values) -> Any:
    return not truth(value_of(tree[1], values))


def _negative(tree: Any, values: Values) -> Any:
    value = value_of(tree[1], values)
    if isinstance(value, Span):
        return Span(-value.ns)
    if not is_number(value):
        raise CelError("no such overload")
    return -value


def is_number(value: Any) -> bool:
    """Whether a value is an int or a double."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _operator(tree: Any, values: Values) -> Any:
    _, operator, left, right = tree
    if operator in ("&&", "||"):
        return _junction(operator == "||", left, right, values)
    one, other = value_of(left, values), value_of(right, values)
    if operator == "==":
        return equal(one, other)
    if operator == "!=":
        return not equal(one, other)
    if operator == "in":
        if isinstance(other, Mapping):
            return not isinstance(one, (dict, list)) and one in other
        if isinstance(other, list):
            return any(equal(one, held) for held in other)
        raise CelError("no such overload")
    if operator in ("<", "<=", ">", ">="):
        return compare(operator, one, other)
    return arithmetic(operator, one, other)


def _junction(absorbs: bool, left: Any, right: Any, values: Values) -> bool:
    """`||` (absorbed by true) or `&&` (by false): an error counts only if nothing decides."""
    problem = None
    for side in (left, right):
        try:
            if truth(value_of(side, values)) is absorbs:
                return absorbs
        except CelError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return not absorbs


def equal(one: Any, other: Any) -> bool:
    """CEL's equality: across kinds of numbers, never across other types."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return (type(one) is type(other) and one == other) or (
        is_number(one) and is_number(other) and one == other
    )


def compare(operator: str, one: Any, other: Any) -> bool:
    """An order exists between numbers and between two values of one type."""
    both_numbers = is_number(one) and is_number(other)
    ordered = (str, bytes, bool, Span, Instant, Amount)
    if not both_numbers and (type(one) is not type(other) or not isinstance(one, ordered)):
        raise CelError("no such overload")
    if operator == "<":
        return bool(one < other)
    if operator == "<=":
        return bool(one <= other)
    return bool(one > other) if operator == ">" else bool(one >= other)


def arithmetic(operator: str, one: Any, other: Any) -> Any:
    """`+ - * / %`."""
    if is_number(one) and type(one) is type(other):
        return _calculate(operator, one, other)
    if operator == "+":
        if isinstance(one, (str, bytes)) and type(one) is type(other):
            return one + other  # type: ignore[operator]
        if isinstance(one, list) and isinstance(other, list):
            return [*one, *other]
        if isinstance(one, Span) and isinstance(other, Span):
            return Span(one.ns + other.ns)
        if isinstance(one, Instant) and isinstance(other, Span):
            return Instant(one.at_ns + other.ns)
        if isinstance(one, Span) and isinstance(other, Instant):
            return Instant(one.ns + other.at_ns)
    if operator == "-":
        if isinstance(one, Span) and isinstance(other, Span):
            return Span(one.ns - other.ns)
        if isinstance(one, Instant):
            if isinstance(other, Instant):
                return Span(one.at_ns - other.at_ns)
            if isinstance(other, Span):
                return Instant(one.at_ns - other.ns)
    raise CelError("no such overload")


def _calculate(operator: str, one: Any, other: Any) -> Any:
    if operator in "/%" and isinstance(one, int) and other == 0:
        raise CelError("division by zero" if operator == "/" else "modulus by zero")
    if operator == "+":
        result = one + other
    elif operator == "-":
        result = one - other
    elif operator == "*":
        result = one * other
    elif isinstance(one, float):
        if operator == "%":
            raise CelError("no such overload")
        result = one / other if other else float("inf") if one > 0 else float("-inf")
    else:
        result = abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)
        if operator == "%":
            result = one - result * other
    if isinstance(result, int) and not -(1 << 63) <= result < 1 << 63:
        raise CelError("integer overflow")
    return result


def _list(tree: Any, values: Values) -> Any:
    return [value_of(part, values) for part in tree[1]]


def _map(tree: Any, values: Values) -> Any:
    made = {}
    for key, value, optional in tree[1]:
        found = value_of(value, values)
        if optional:
            if not found.items:
                continue
            found = found.items[0]
        made[value_of(key, values)] = found
    return made


def _bind(tree: Any, values: Values) -> Any:
    return value_of(tree[3], {**values, tree[1]: value_of(tree[2], values)})


def _loop(tree: Any, values: Values) -> Any:
    """The macros that look at each item of a list, or at each key of a map."""
    _, macro, target, names, body, more = tree
    holder = value_of(target, values)
    if isinstance(holder, Mapping):
        pairs = list(holder.items())
        rounds = [(key, value) if len(names) > 1 else (key,) for key, value in pairs]
    elif isinstance(holder, list):
        rounds = [(at, one) if len(names) > 1 else (one,) for at, one in enumerate(holder)]
    else:
        raise CelError("no such overload")
    inner = [{**values, **dict(zip(names, given, strict=False))} for given in rounds]
    if macro in ("all", "exists"):
        return _decide(macro == "exists", body, inner)
    if macro in ("exists_one", "existsOne"):
        return sum(1 for each in inner if truth(value_of(body, each))) == 1
    if macro in ("map", "transformList"):
        return [value_of(body, each) for each in inner]
    if macro == "mapif":
        return [value_of(more, each) for each in inner if truth(value_of(body, each))]
    if macro == "transformMap":
        return {given[0]: value_of(body, each) for given, each in zip(rounds, inner, strict=True)}
    if macro == "sortBy":
        order = sorted(range(len(inner)), key=lambda at: value_of(body, inner[at]))
        return [rounds[at][0] for at in order]
    kept = [given for given, each in zip(rounds, inner, strict=True) if truth(value_of(body, each))]
    return [given[-1] for given in kept]


def _decide(absorbs: bool, body: Any, inner: list[dict[str, Any]]) -> bool:
    problem = None
    for each in inner:
        try:
            if truth(value_of(body, each)) is absorbs:
                return absorbs
        except CelError as error:
            problem = problem or error
    if problem is not None:
        raise problem
    return not absorbs


def _call(tree: Any, values: Values) -> Any:
    from kubelab.apiserver import cel_library

    _, function, target, arguments = tree
    given = [value_of(part, values) for part in arguments]
    space = f"{target[1]}.{function}" if target and target[0] == "name" else ""
    if space in cel_library.FUNCTIONS and target[1] not in values:
        return cel_library.call(space, given)
    if target is not None:
        given.insert(0, value_of(target, values))
        return cel_library.call(f".{function}", given)
    return cel_library.call(function, given)


_FORMS: dict[str, Callable[[Any, Values], Any]] = {
    "is": _is, "name": _name, "field": _field, "try": _try, "has": _has, "at": _at,
    "tryat": _try_at, "if": _if, "not": _not, "negative": _negative, "op": _operator,
    "list": _list, "map": _map, "bind": _bind, "loop": _loop, "call": _call,
}  # fmt: skip
