"""The functions of CEL expressions: the language's own and those that Kubernetes adds.

A function is found by its name, a method by a dot and its name; its first argument is then what
stands before the dot. A wrong number or type of arguments is `no such overload`.

In Kubernetes: cel-go's standard library and strings extension, k8s.io/apiserver/pkg/cel/library.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

from kubelab.api import quantity
from kubelab.apiserver import formats, schema_words
from kubelab.apiserver.cel_eval import (
    Amount,
    CelError,
    Instant,
    Maybe,
    Span,
    Verdict,
    equal,
    is_number,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS = {"ns": 1, "us": 1000, "µs": 1000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9,
          "h": 3600 * 10**9}  # fmt: skip


def call(name: str, arguments: list[Any]) -> Any:
    """What a function gives. Raises CelError."""
    function = FUNCTIONS.get(name)
    if function is None:
        raise CelError(f"undeclared reference to '{name.lstrip('.')}' (in container '')")
    try:
        return function(*arguments)
    except (TypeError, AttributeError):
        raise CelError("no such overload") from None
    except (ValueError, IndexError, OverflowError) as error:
        if isinstance(error, CelError):
            raise
        raise CelError(str(error)) from None


def size(value: Any) -> int:
    """The length of a text, a list or a map."""
    if not isinstance(value, (str, bytes, list, dict)):
        raise CelError("no such overload")
    return len(value)


def matches(text: str, pattern: str) -> bool:
    """Whether a regular expression is found in a text."""
    return _pattern(pattern).search(text) is not None


def _pattern(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern.replace("\\z", "\\Z"))
    except re.error as error:
        raise CelError(f"error parsing regexp: {error}") from None


def to_int(value: Any) -> int:
    """`int(x)`."""
    if isinstance(value, Instant):
        return value.at_ns // 10**9
    if isinstance(value, str) or is_number(value):
        return int(value)
    raise CelError("no such overload")


def to_double(value: Any) -> float:
    """`double(x)`."""
    return float(value)


def to_text(value: Any) -> str:
    """`string(x)`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, Span):
        return f"{value.ns / 10**9:g}s"
    if isinstance(value, Instant):
        moment = _EPOCH + timedelta(microseconds=value.at_ns // 1000)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.decode() if isinstance(value, bytes) else str(value)


def to_bool(value: Any) -> bool:
    """`bool(x)`."""
    known = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in known:
        raise CelError("type conversion error from 'string' to 'bool'")
    return known[str(value).lower()]


def type_of(value: Any) -> str:
    """`type(x)`."""
    names = {bool: "bool", int: "int", float: "double", str: "string", bytes: "bytes",
             type(None): "null_type"}  # fmt: skip
    return names.get(type(value)) or ("list" if isinstance(value, list) else "map")


def duration(text: Any) -> Span:
    """`duration("1h30m")`."""
    if isinstance(text, Span):
        return text
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if "".join(number + unit for number, unit in parts) != text.lstrip("-+") or not parts:
        raise CelError(f'time: invalid duration "{text}"')
    total = sum(round(float(number) * _UNITS[unit]) for number, unit in parts)
    return Span(-total if text.startswith("-") else total)


def timestamp(text: Any) -> Instant:
    """`timestamp("2026-01-01T00:00:00Z")`."""
    if isinstance(text, Instant):
        return text
    moment = schema_words.parse_time(text)
    if moment is None:
        raise CelError(f'parsing time "{text}"')
    return Instant(round((moment - _EPOCH) / timedelta(microseconds=1)) * 1000)


def _moment(value: Instant) -> datetime:
    return _EPOCH + timedelta(microseconds=value.at_ns // 1000)


def _clock(part: Callable[[datetime], int], span_ns: int) -> Callable[..., int]:
    """A method of both points in time and durations (`getHours`)."""

    def look(value: Any, *zone: Any) -> int:
        if isinstance(value, Span):
            return int(value.ns / span_ns)
        return part(_moment(value))

    return look


def amount(text: Any) -> Amount:
    """`quantity("500m")`."""
    try:
        return Amount(quantity.parse(text))
    except (quantity.QuantityError, ValueError) as error:
        raise CelError(str(error)) from None


def _can(function: Callable[[Any], Any]) -> Callable[[Any], bool]:
    def look(value: Any) -> bool:
        try:
            function(value)
        except (CelError, ValueError):
            return False
        return True

    return look


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def split(text: str, by: str, limit: int = -1) -> list[str]:
    """`"a,b".split(",")`."""
    if limit == 0:
        return []
    if not by:
        return list(text) if limit < 0 else [*text[: limit - 1], text[limit - 1 :]]
    return text.split(by) if limit < 0 else text.split(by, limit - 1)


def substring(text: str, start: int, end: int | None = None) -> str:
    """`"hello".substring(1, 3)`."""
    last = len(text) if end is None else end
    if not 0 <= start <= last <= len(text):
        raise CelError(f"index out of range: {start if start > len(text) else last}")
    return text[start:last]


def char_at(text: str, at: int) -> str:
    """`"hello".charAt(1)`."""
    if not 0 <= at <= len(text):
        raise CelError(f"index out of range: {at}")
    return text[at : at + 1]


def form(text: str, arguments: list[Any]) -> str:
    """`"%s is %d".format([a, b])`."""
    left = list(arguments)

    def fill(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = left.pop(0)
        kind = found[2]
        if kind in "dxXob":
            return format(value, "d" if kind == "d" else kind)
        if kind in "fe":
            return format(float(value), f"{found[1] or '.6'}{kind}")
        return _shown(value)

    return re.sub(r"%(\.\d+)?([sdfexXob%])", fill, text)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_shown(k)}: {_shown(value[k])}" for k in sorted(value)) + "}"
    return "null" if value is None else to_text(value)


def index_of(holder: Any, item: Any, *start: int) -> int:
    """The first place of an item or a text, or -1."""
    if isinstance(holder, str):
        return holder.find(item, *start)
    return next((at for at, held in enumerate(holder) if equal(held, item)), -1)


def last_index_of(holder: Any, item: Any) -> int:
    """The last place of an item or a text, or -1."""
    if isinstance(holder, str):
        return holder.rfind(item)
    return next((at for at in range(len(holder) - 1, -1, -1) if equal(holder[at], item)), -1)


def distinct(items: list[Any]) -> list[Any]:
    """A list without repetitions."""
    out: list[Any] = []
    for item in items:
        if not any(equal(item, held) for held in out):
            out.append(item)
    return out


def flatten(items: list[Any]) -> list[Any]:
    """Lists within a list, one level down."""
    return [part for item in items for part in (item if isinstance(item, list) else [item])]


def within(all_: list[Any], some: list[Any]) -> bool:
    """Whether each of some is among all."""
    return all(any(equal(item, held) for held in all_) for item in some)


def or_value(maybe: Any, other: Any) -> Any:
    """An optional's value, or another."""
    return maybe.items[0] if maybe.items else other


def value(maybe: Any) -> Any:
    """An optional's value."""
    if not maybe.items:
        raise CelError("optional.none() dereference")
    return maybe.items[0]


def _named(check: Callable[[str], Any]) -> Callable[[str], Maybe]:
    def look(text: str) -> Maybe:
        said = check(text)
        return Maybe((list(said),)) if said else Maybe(())

    return look


FORMS: dict[str, Callable[[str], Any]] = {
    "dns1123Label": formats.label, "dns1123Subdomain": formats.subdomain,
    "qualifiedName": formats.qualified, "labelValue": formats.label_value,
}  # fmt: skip


def named_format(name: str) -> Maybe:
    """`format.named("dns1123Label")`."""
    return Maybe((name,)) if name in FORMS else Maybe(())


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "size": size, ".size": size, "matches": matches, ".matches": matches, "int": to_int,
    "uint": to_int, "double": to_double, "string": to_text, "bool": to_bool, "type": type_of,
    "dyn": lambda value: value, "bytes": lambda text: text.encode(), "duration": duration,
    "timestamp": timestamp, "quantity": amount, "isQuantity": _can(amount),
    ".contains": lambda text, part: part in text, ".startsWith": str.startswith,
    ".endsWith": str.endswith, ".charAt": char_at, ".indexOf": index_of,
    ".lastIndexOf": last_index_of, ".join": lambda items, by="": by.join(items),
    ".lowerAscii": str.lower, ".upperAscii": str.upper, ".trim": str.strip, ".split": split,
    ".replace": lambda text, old, new, count=-1: text.replace(old, new, count),
    ".substring": substring, ".reverse": lambda held: held[::-1], ".format": form,
    ".find": lambda text, pattern: (_pattern(pattern).search(text) or [""])[0],
    ".findAll": lambda text, pattern, limit=-1: [
        found[0] for found in _pattern(pattern).finditer(text)
    ][: None if limit < 0 else limit],
    ".isSorted": lambda items: all(one <= two for one, two in pairwise(items)),
    ".sum": sum, ".min": min, ".max": max, ".distinct": distinct, ".flatten": flatten,
    ".sort": sorted, ".slice": lambda items, start, end: items[start:end],
    "lists.range": lambda count: list(range(count)),
    "math.greatest": lambda *items: max(flatten(list(items))),
    "math.least": lambda *items: min(flatten(list(items))), "math.abs": abs,
    "sets.contains": within, "sets.intersects": lambda a, b: any(within(a, [x]) for x in b),
    "sets.equivalent": lambda a, b: within(a, b) and within(b, a),
    "optional.of": lambda item: Maybe((item,)), "optional.none": lambda: Maybe(()),
    "optional.ofNonZeroValue": lambda item: Maybe((item,) if item else ()),
    ".hasValue": lambda maybe: bool(maybe.items), ".orValue": or_value, ".value": value,
    ".or": lambda maybe, other: maybe if maybe.items else other,
    ".compareTo": lambda one, other: _sign(one, other),
    ".isGreaterThan": lambda one, other: one > other,
    ".isLessThan": lambda one, other: one < other,
    ".add": lambda one, other: Amount(one.number + other.number),
    ".sub": lambda one, other: Amount(one.number - other.number),
    ".sign": lambda one: _sign(one.number, 0),
    ".isInteger": lambda one: one.number.denominator == 1,
    ".asInteger": lambda one: int(one.number), ".asApproximateFloat": lambda one: float(one.number),
    ".getFullYear": lambda at, *zone: _moment(at).year,
    ".getMonth": lambda at, *zone: _moment(at).month - 1,
    ".getDate": lambda at, *zone: _moment(at).day,
    ".getDayOfMonth": lambda at, *zone: _moment(at).day - 1,
    ".getDayOfWeek": lambda at, *zone: (_moment(at).weekday() + 1) % 7,
    ".getHours": _clock(lambda at: at.hour, 3600 * 10**9),
    ".getMinutes": _clock(lambda at: at.minute, 60 * 10**9),
    ".getSeconds": _clock(lambda at: at.second, 10**9),
    ".getMilliseconds": _clock(lambda at: at.microsecond // 1000, 10**6),
    "isURL": _can(lambda text: urlsplit(text).scheme or int("")), "url": urlsplit,
    ".getScheme": lambda url: url.scheme, ".getHost": lambda url: url.netloc,
    ".getHostname": lambda url: url.hostname or "", ".getPort": lambda url: str(url.port or ""),
    ".getEscapedPath": lambda url: url.path, ".getQuery": lambda url: parse_qs(url.query),
    "isIP": _can(ipaddress.ip_address), "ip": ipaddress.ip_address,
    "isCIDR": _can(lambda text: ipaddress.ip_interface(text) if "/" in text else int("")),
    "cidr": ipaddress.ip_interface, ".family": lambda held: held.version,
    ".isLoopback": lambda held: held.is_loopback, ".prefixLength": lambda h: h.network.prefixlen,
    ".containsIP": lambda held, one: ipaddress.ip_address(str(one)) in held.network,
    "format.named": named_format,
    "jsonpatch.escapeKey": lambda key: key.replace("~", "~0").replace("/", "~1"),
    ".group": lambda held, name: held._replace(group=name),
    ".resource": lambda held, name: held._replace(resource=name),
    ".subresource": lambda held, name: held._replace(subresource=name),
    ".namespace": lambda held, name: held._replace(namespace=name),
    ".name": lambda held, name: held._replace(name=name),
    ".path": lambda held, path: held._replace(path=path),
    ".serviceAccount": lambda held, space, name: held._replace(
        user=f"system:serviceaccount:{space}:{name}"
    ),
    ".check": lambda held, verb: Verdict(*held.allows(held, verb)),
    ".allowed": lambda verdict: verdict.allowed, ".reason": lambda verdict: verdict.reason,
    ".errored": lambda verdict: False,
    ".validate": lambda name, text: _named(FORMS[name])(text),
}  # fmt: skip
