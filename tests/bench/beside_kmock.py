"""`python -m tests.bench.beside_kmock [COUNT]`: the served API beside kmock's emulator, in one run.

kmock, from PyPI, mocks the API for tests: objects in memory behind a socket, without defaults,
validation, guards or controllers. Both are asked the same over plain HTTP by the same client, one
call after the other on one connection, each from a server in a thread of this process. What is
measured is the time that the caller waits. kmock keeps every request and looks through all of them
at each new one, so it becomes slower with COUNT. It is no dependency of the tests: install it to
run this.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from kubelab import Cluster

USUAL = 200
LISTED = 1_000
PATIENCE_SECONDS = 30
PATH = "/api/v1/namespaces/default/configmaps"


class Row(NamedTuple):
    """One kind of work: its unit, and how it went here and there."""

    what: str
    unit: str
    kubelab: float
    kmock: float


class Client:
    """A connection that stays open."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """A request and the JSON of its answer."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        self.connection.request(method, path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status < 300, text[:300]
        return json.loads(text)


def config_map(number: int) -> dict[str, Any]:
    """An object of some 200 bytes."""
    return {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{number}"},
        "data": {"text": "x" * 100},
    }  # fmt: skip


def work(url: str, count: int, listed: int) -> list[tuple[str, str, float]]:
    """All kinds of work on one server, in which so many objects are already."""
    client = Client(url)
    rows = []
    begin = time.perf_counter()
    for number in range(count):
        client.call("POST", PATH, config_map(listed + number))
    rows.append(("creates", "/s", count / (time.perf_counter() - begin)))
    waits = []
    for number in range(count):
        begin = time.perf_counter()
        client.call("GET", f"{PATH}/m{number % listed}")
        waits.append(time.perf_counter() - begin)
    rows.append(("gets", "/s", count / sum(waits)))
    rows.append(("p99 of a get", "ms", sorted(waits)[int(count * 0.99)] * 1000))
    begin, lists = time.perf_counter(), max(count // 50, 1)
    for _ in range(lists):
        assert len(client.call("GET", PATH)["items"]) >= listed
    rows.append((f"lists of {listed:,}", "/s", lists / (time.perf_counter() - begin)))
    rows.append(("watch deliveries", "/s", deliveries(url, client, count)))
    client.connection.close()
    return rows


def deliveries(url: str, client: Client, count: int) -> float:
    """Objects made a second, each seen by a watch; 0 where the watch does not hear of them."""
    seen = threading.Semaphore(0)
    watcher = Client(url)
    watcher.connection.request("GET", f"{PATH}?watch=true")
    answer = watcher.connection.getresponse()

    def lines() -> Iterator[bytes]:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            yield from answer

    def read() -> None:
        for line in lines():
            name = json.loads(line)["object"]["metadata"]["name"] if line.strip() else ""
            if name.startswith("w"):
                seen.release()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    begin = time.perf_counter()
    for number in range(count):
        client.call("POST", PATH, {**config_map(number), "metadata": {"name": f"w{number}"}})
    all_seen = all(seen.acquire(timeout=PATIENCE_SECONDS) for _ in range(count))
    rate = count / (time.perf_counter() - begin) if all_seen else 0.0
    # A reader that waits for more hears the end of the connection.
    socket_ = watcher.connection.sock
    if socket_ is not None:
        socket_.shutdown(socket.SHUT_RDWR)
    reader.join(PATIENCE_SECONDS)
    answer.close()
    watcher.connection.close()
    return rate


@contextmanager
def kubelab_url(listed: int) -> Iterator[str]:
    """A served cluster that holds so many objects."""
    cluster = Cluster(nodes=1, dns=False)
    for number in range(listed):
        assert cluster.request("POST", PATH, config_map(number)).status == 201
    with cluster.serve(http=True) as server:
        yield server.url


@contextmanager
def kmock_url(listed: int) -> Iterator[str]:
    """A running emulator that holds so many objects."""
    import kmock

    ready, ended, urls = threading.Event(), threading.Event(), []

    async def run() -> None:
        async with kmock.KubernetesEmulator() as emulator, kmock.Server(emulator) as server:
            emulator.resources["configmaps.v1"] = {
                "namespaced": True, "kind": "ConfigMap"
            }  # fmt: skip
            for number in range(listed):
                emulator.objects["configmaps.v1", "default", f"m{number}"] = config_map(number)
            urls.append(str(server.url))
            ready.set()
            while not ended.is_set():
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(20)
    yield urls[0]
    ended.set()
    thread.join(5)


def measure(count: int, listed: int = LISTED) -> list[Row]:
    """All kinds of work on both."""
    with kubelab_url(listed) as url:
        ours = work(url, count, listed)
    with kmock_url(listed) as url:
        theirs = work(url, count, listed)
    return [
        Row(what, unit, here, there)
        for (what, unit, here), (_, _, there) in zip(ours, theirs, strict=True)
    ]


def main(count: int = USUAL) -> None:
    """Prints one table."""
    print(f"{count:,} of each over plain HTTP, one caller, {LISTED:,} objects")
    print(f"{'':20}{'kubelab':>10}{'kmock':>10}")
    for row in measure(count):
        print(f"{row.what:20}{row.kubelab:10,.1f}{row.kmock:10,.1f} {row.unit}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
