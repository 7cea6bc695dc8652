"""The lines that CoreDNS writes to the log of its container.

In Kubernetes: CoreDNS' plugin/log, plugin/errors, plugin/reload and coremain.
"""

from __future__ import annotations

import hashlib
from typing import Any

from kubelab.dns.corefile import Block
from kubelab.dns.forwarding import DNS_PORT, Pending
from kubelab.network.addresses import text_of

VERSION = "1.14.2"
BUILD = "linux/amd64, go1.25.7, 1d2b3c4"


def running(corefile: str) -> str:
    """What the plugin `reload` says of a Corefile that is in force."""
    digest = hashlib.sha512(corefile.encode()).hexdigest()
    return f"[INFO] plugin/reload: Running configuration SHA512 = {digest}"


def started(corefile: str, blocks: tuple[Block, ...]) -> list[str]:
    """The first lines of a log."""
    lines = [f"{zone}:{DNS_PORT}" for block in blocks for zone in block.zones]
    if any(block.reloads for block in blocks):
        lines.append(running(corefile))
    return [*lines, f"CoreDNS-{VERSION}", BUILD]


def answered(job: Pending, flow: Any, rcode: str, message: bytes, now: int) -> str:
    """A question and its answer, in the format that the plugin `log` calls combined."""
    query = job.query
    client = text_of(flow.packet.source, flow.packet.source_port) if flow is not None else "-"
    size = query.size if job.protocol == "UDP" else 65535
    asked = (
        f"{query.type} {query.class_} {query.name} {job.protocol.lower()} {query.bytes} "
        f"{str(query.dnssec).lower()} {size}"
    )
    word = int.from_bytes(message[2:4], "big")
    flags = ",".join(
        name
        for name, bit in (
            ("qr", 0x8000), ("aa", 0x400), ("tc", 0x200), ("rd", 0x100), ("ra", 0x80), ("ad", 0x20),
            ("cd", 0x10),
        )
        if word & bit
    )  # fmt: skip
    seconds = (now - flow.arrived_ns) / 1e9 if flow is not None else 0.0
    return f'[INFO] {client} - {query.id} "{asked}" {rcode} {flags} {len(message)} {seconds:.9f}s'
