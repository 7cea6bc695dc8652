"""A network is data: it can be copied in the middle of anything and goes on the same."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import freeze
from kubelab.sim import fork
from tests.network.lab import Lab, endpoint, service, slices, with_dns

ENDINGS = ["default.svc.cluster.local"]
CONF = freeze({"nameservers": ["10.96.0.10"], "searches": ENDINGS, "options": ["ndots:5"]})


def busy() -> Lab:
    """A network with a service, DNS, and three programs under way."""
    lab = Lab(2)
    with_dns(lab)
    here, there = lab.pod("web-1", 1, 8080), lab.pod("web-2", 2, 8080)
    lab.server.put(service("web", "10.97.3.4", 80))
    lab.server.put(slices("web", [endpoint(here, 1), endpoint(there, 2)], 8080))
    lab.settle()
    client = lab.pod("client")
    for url in ("http://web/", "http://example.com/", "http://10.97.3.4:81/"):
        message: tuple[Any, ...] = ("client", url, "default/client", client, CONF, url)
        lab.world.send("client", "tools/node-1", "curl", message)
    return lab


@given(st.integers(0, 60))
def test_fork_goes_on_as_the_original(steps: int) -> None:
    """Copied after any event, both worlds handle the same events to the end."""
    lab = busy()
    for _ in range(steps):
        lab.world.step()
    twin = fork.copy(lab.world)
    while lab.world.step() is not None:
        pass
    while twin.step() is not None:
        pass
    assert list(lab.world.trace) == list(twin.trace)
    first, second = lab.world.components["client"], twin.components["client"]
    assert first.results == second.results  # type: ignore[attr-defined]
    assert first.results is not second.results  # type: ignore[attr-defined]
    assert len(first.results) == 3  # type: ignore[attr-defined]
