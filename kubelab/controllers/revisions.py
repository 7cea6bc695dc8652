"""The hash of a pod template: by it ReplicaSets and revisions get their names.

Equal templates must have equal hashes, and the hash must make a name: FNV-1a of the template, 32
bits, written in decimal, each digit as one of the letters that generated names use.

In Kubernetes: ComputeHash in pkg/controller/controller_utils.go and SafeEncodeString in
k8s.io/apimachinery/pkg/util/rand. What is hashed there is Go's printed form of the structure; here
it is JSON with sorted keys.
"""

from __future__ import annotations

import json
from typing import Any

from kubelab.sim.chance import ALPHABET


def fnv32a(data: bytes, start: int = 0x811C9DC5) -> int:
    """FNV-1a, 32 bits."""
    value = start
    for byte in data:
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def fnv32(data: bytes) -> int:
    """FNV-1, 32 bits: multiply first."""
    value = 0x811C9DC5
    for byte in data:
        value = ((value * 0x01000193) & 0xFFFFFFFF) ^ byte
    return value


def encode(number: int) -> str:
    """A number in the letters of generated names."""
    return "".join(ALPHABET[ord(digit) % len(ALPHABET)] for digit in str(number))


def template_hash(template: Any, collisions: int | None = None) -> str:
    """The hash of a pod template; `collisions` makes another one of the same template."""
    data = json.dumps(template, sort_keys=True, separators=(",", ":")).encode()
    value = fnv32a(data)
    if collisions is not None:
        value = fnv32a(collisions.to_bytes(4, "little") + b"\0\0\0\0", value)
    return encode(value)
