"""A real etcd server for a test, in a directory of its own, on free ports."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubelab.etcd import records
from kubelab.etcd.external import Gateway
from kubelab.etcd.records import Failure

START_SECONDS = 15


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def real_etcd() -> Iterator[str]:
    """The address of a fresh server; skips the test where there is no etcd to run."""
    binary = shutil.which("etcd")
    if binary is None:
        pytest.skip("no etcd here to compare with: apt-get install etcd-server")
    memory = Path("/dev/shm")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    place = memory if memory.is_dir() else None
    with tempfile.TemporaryDirectory(dir=place) as directory:
        command = [
            binary, "--data-dir", directory, "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
        ]  # fmt: skip
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = client.removeprefix("http://")
            _await(address)
            yield address
        finally:
            server.terminate()
            server.wait(10)


def _await(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    gateway = Gateway(address)
    while isinstance(gateway.call("range", records.RangeRequest(b"\0")), Failure):
        assert time.monotonic() < deadline, "etcd does not come up"
        time.sleep(0.05)
    gateway.close()
