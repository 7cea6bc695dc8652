"""What kubectl puts into its bodies: read as it was meant, and refused where it is broken."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api import kinds
from kubelab.api.protobuf import wire


def varint(value: int) -> bytes:
    """A number in protobuf's variable length; negative ones take ten bytes."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, message: bytes) -> bytes:
    """The envelope around an object."""
    head = field(1, field(1, api_version) + field(2, kind))
    return wire.PREFIX + head + field(2, message) + field(3, "") + field(4, "")


def test_names_come_back():
    """Fields are named as in JSON; maps and nested messages are read."""
    metadata = field(1, "web") + field(3, "shop") + field(11, field(1, "app") + field(2, "web"))
    read = wire.read(body("v1", "ConfigMap", field(1, metadata) + field(2, field(1, "a"))))
    assert read == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "data": {"a": ""},
    }


def test_what_json_would_leave_out_vanishes():
    """A zero that Go writes although nobody set it is no value of the object."""
    metadata = field(1, "a") + field(2, "") + field(7, 0) + field(8, b"")
    read = wire.read(body("v1", "ServiceAccount", field(1, metadata)))
    assert read["metadata"] == {"name": "a"}


def test_a_pointer_to_zero_stays():
    """A field that may be absent is kept at zero when it is there."""
    spec = field(1, 0)
    assert wire.read(body("apps/v1", "Deployment", field(2, spec)))["spec"]["replicas"] == 0


def test_an_embedded_struct_belongs_to_its_parent():
    """The source of a volume is a message of its own on the wire, but not in JSON."""
    volume = field(1, "v") + field(2, field(19, field(1, field(1, "cm"))))
    read = wire.read(body("v1", "Pod", field(2, field(1, volume))))
    assert read["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "cm"}}]


def test_bytes_become_base64():
    """A Secret's values are bytes on the wire."""
    read = wire.read(body("v1", "Secret", field(2, field(1, "p") + field(2, b"q"))))
    assert read["data"] == {"p": "cQ=="}


def test_special_forms():
    """Quantities, times, int-or-strings and negative numbers."""
    port = field(3, 80) + field(4, field(1, 1) + field(2, 0) + field(3, "http"))
    read = wire.read(body("v1", "Service", field(2, field(1, port))))
    assert read["spec"]["ports"][0]["targetPort"] == "http"
    hard = field(1, field(1, "pods") + field(2, field(1, "10")))
    assert wire.read(body("v1", "ResourceQuota", field(2, hard)))["spec"] == {
        "hard": {"pods": "10"}
    }
    metadata = field(9, field(1, 1767225600) + field(2, 0))
    read = wire.read(body("v1", "Pod", field(1, metadata)))
    assert read["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert wire.read(body("scheduling.k8s.io/v1", "PriorityClass", field(2, -5)))["value"] == -5


def test_options_may_come_in_any_groups_name():
    """DeleteOptions are one message under every version."""
    read = wire.read(body("apps/v1", "DeleteOptions", field(1, 0) + field(4, "Orphan")))
    assert read["gracePeriodSeconds"] == 0
    assert read["propagationPolicy"] == "Orphan"


def test_every_kind_is_in_the_table():
    """All built-in kinds but the two that kubectl does not know can be read."""
    missing = {
        row.kind
        for row in kinds.ALL
        if f"{row.group.partition('.')[0] or 'core'}.{row.version}.{row.kind}"
        not in wire.messages()
    }
    assert missing == {"APIService", "CustomResourceDefinition"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        wire.PREFIX,
        body("v1", "Nothing", b""),
        body("v1", "Pod", b"\xff"),
        body("v1", "Pod", field(1, b"\x0a\x7f")),
        body("v1", "Pod", field(1, 7)),
        body("v1", "Pod", varint(1 << 3 | 3)),
        wire.PREFIX + struct.pack("<Q", 1 << 63) * 4,
    ],
)
def test_what_is_no_message_is_refused(data):
    """Broken bytes raise WireError and nothing else."""
    with pytest.raises(wire.WireError):
        wire.read(data)


@given(st.binary(max_size=300), st.sampled_from(["Pod", "Service", "Secret", "ResourceQuota"]))
def test_any_bytes_are_read_or_refused(data, kind):
    """No bytes whatever break the reader."""
    with contextlib.suppress(wire.WireError):
        assert wire.read(body("v1", kind, data))["kind"] == kind
