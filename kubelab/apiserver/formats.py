"""The forms of names, labels, ports and percentages, and what is said of one that is wrong.

Each function takes a value and gives the complaints about it, in Kubernetes' words; none means that
it is well formed.

In Kubernetes: k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Any

LARGEST_INT32 = (1 << 31) - 1

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

LABEL_MESSAGE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', "
    f"regex used for validation is '{_LABEL}')"
)
SUBDOMAIN_MESSAGE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', "
    f"regex used for validation is '{_SUBDOMAIN}')"
)
_QUALIFIED_MESSAGE = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
    f"regex used for validation is '{_QUALIFIED}')"
)
_VALUE_MESSAGE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    f"'12345', regex used for validation is '({_QUALIFIED})?')"
)
_CONFIG_KEY_MESSAGE = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
ENV_NAME_MESSAGE = (
    "a valid environment variable name must consist only of printable ASCII characters other than "
    "'='"
)
PERCENT_MESSAGE = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')"
)
IP_MESSAGE = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
CIDR_MESSAGE = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
NO_DOTS = "must not contain dots"

_IS_LABEL = re.compile(_LABEL)
_IS_SUBDOMAIN = re.compile(_SUBDOMAIN)
_IS_QUALIFIED = re.compile(_QUALIFIED)
_IS_CONFIG_KEY = re.compile(r"[-._a-zA-Z0-9]+")


def longer(limit: int, unit: str = "characters") -> str:
    """What is said of a text that is too long."""
    return f"must be no more than {limit} {unit}"


def between(low: int, high: int) -> str:
    """What is said of a number out of its range."""
    return f"must be between {low} and {high}, inclusive"


@lru_cache(maxsize=8192)
def label(name: str) -> tuple[str, ...]:
    """RFC 1123 label: names of namespaces, containers, ports of services."""
    out = [longer(63)] if len(name) > 63 else []
    if not _IS_LABEL.fullmatch(name):
        out.append(NO_DOTS if _IS_SUBDOMAIN.fullmatch(name) else LABEL_MESSAGE)
    return tuple(out)


@lru_cache(maxsize=8192)
def subdomain(name: str) -> tuple[str, ...]:
    """RFC 1123 subdomain: the names of most kinds."""
    out = [longer(253)] if len(name) > 253 else []
    if not _IS_SUBDOMAIN.fullmatch(name):
        out.append(SUBDOMAIN_MESSAGE)
    return tuple(out)


@lru_cache(maxsize=8192)
def path_segment(name: str) -> tuple[str, ...]:
    """What may stand in a path: the names of roles and bindings."""
    if name in (".", ".."):
        return (f"may not be '{name}'",)
    return tuple(f"may not contain '{char}'" for char in "/%" if char in name)


@lru_cache(maxsize=8192)
def qualified(name: str) -> tuple[str, ...]:
    """A key of labels and annotations: `app`, `example.com/app`."""
    parts = name.split("/")
    if len(parts) > 2:
        return (
            f"a valid label key {_QUALIFIED_MESSAGE} with an optional DNS subdomain prefix and "
            "'/' (e.g. 'example.com/MyName')",
        )
    out = []
    if len(parts) == 2:
        if not parts[0]:
            out.append("prefix part must be non-empty")
        else:
            out += [f"prefix part {text}" for text in subdomain(parts[0])]
    last = parts[-1]
    if not last:
        out.append("name part must be non-empty")
    elif len(last) > 63:
        out.append(f"name part {longer(63, 'bytes')}")
    if not _IS_QUALIFIED.fullmatch(last):
        out.append(f"name part {_QUALIFIED_MESSAGE}")
    return tuple(out)


@lru_cache(maxsize=8192)
def label_value(value: str) -> tuple[str, ...]:
    """The value of a label."""
    out = [longer(63, "bytes")] if len(value.encode()) > 63 else []
    if value and not _IS_QUALIFIED.fullmatch(value):
        out.append(_VALUE_MESSAGE)
    return tuple(out)


def config_key(key: str) -> tuple[str, ...]:
    """A key in the data of a ConfigMap or Secret."""
    out = [longer(253)] if len(key) > 253 else []
    if not _IS_CONFIG_KEY.fullmatch(key):
        out.append(_CONFIG_KEY_MESSAGE)
    elif key == ".":
        out.append("must not be '.'")
    elif key == "..":
        out.append("must not be '..'")
    elif key.startswith(".."):
        out.append("must not start with '..'")
    return tuple(out)


def env_name(name: str) -> tuple[str, ...]:
    """The name of an environment variable."""
    good = all(" " <= char <= "~" and char != "=" for char in name)
    return () if good else (ENV_NAME_MESSAGE,)


@lru_cache(maxsize=4096)
def port_name(name: str) -> tuple[str, ...]:
    """An IANA service name."""
    out = [longer(15)] if len(name) > 15 else []
    if not re.fullmatch(r"[-a-z0-9]+", name):
        out.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        out.append("must contain at least one letter (a-z)")
    if "--" in name:
        out.append("must not contain consecutive hyphens")
    if name and "-" in (name[0], name[-1]):
        out.append("must not begin or end with a hyphen")
    return tuple(out)


def port_number(port: Any) -> tuple[str, ...]:
    """The number of a port."""
    return () if isinstance(port, int) and 1 <= port <= 65535 else (between(1, 65535),)


def port(value: Any) -> tuple[str, ...]:
    """The number or the name of a port."""
    return port_name(value) if isinstance(value, str) else port_number(value)


@lru_cache(maxsize=8192)
def ip_address(text: str) -> tuple[str, ...]:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (IP_MESSAGE,)
    return ()


def cidr(text: str) -> tuple[str, ...]:
    """A range of addresses; bits beyond the prefix may be set."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return (CIDR_MESSAGE,)
    return () if "/" in text else (CIDR_MESSAGE,)


def user_id(value: int) -> tuple[str, ...]:
    """The id of a user or group."""
    return () if 0 <= value <= LARGEST_INT32 else (between(0, LARGEST_INT32),)


def count_or_percent(value: Any) -> tuple[str, ...]:
    """`3` or `25%`."""
    if isinstance(value, str):
        return () if re.fullmatch("[0-9]+%", value) else (PERCENT_MESSAGE,)
    return () if value >= 0 else (NOT_NEGATIVE,)


def too_much_percent(value: Any) -> tuple[str, ...]:
    """More than all."""
    over = isinstance(value, str) and re.fullmatch("[0-9]+%", value) and int(value[:-1]) > 100
    return ("must not be greater than 100%",) if over else ()
