"""What a step costs: bytes for the page, and memory left behind."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from kubelab import Cluster, views
from kubelab.views.stage import Live
from tests.browser.cast import client, deployment, service
from tests.views.stand_in import StandIn, node, pod
from tests.views.test_stage import Page

STEP_BYTES = 50_000
# Of a thousand steps at most 50 MB may be left behind; a part of them is measured.
STEPS, LEFT_BYTES = 200, 10_000_000


@pytest.fixture(scope="module")
def built() -> Any:
    """A cluster of three nodes with a small shop in it, at rest."""
    cluster = Cluster(nodes=3)
    cluster.settle()
    cluster.apply([deployment("web"), service("web"), client()])
    cluster.settle()
    return cluster


def looking(cluster: Any) -> list[Any]:
    """A view of each kind."""
    name = cluster.list("Pod", "default", "app=web")[0]["metadata"]["name"]
    return [
        views.cluster(cluster), views.scheduler(cluster, name), views.etcd(cluster),
        views.controllers(cluster), views.dns(cluster, "web"), views.owners(cluster),
        views.traffic(cluster, "client", "http://web/"), views.kubelet(cluster, name),
        views.timeline(cluster), views.raft(cluster), views.dashboard(cluster),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(11))
def test_a_step_is_small(built: Any, number: int) -> None:
    """In every view a step or a way back sends at most 50 kB."""
    view = looking(built.fork())[number]
    page = Page()
    view.live = Live(view, page)
    for command in ("back",) * 8 + ("step",) * 8:
        page.press(command)
    sizes = [len(json.dumps(message)) for message in page.sent]
    assert max(sizes) <= STEP_BYTES, view.kind.name


def test_a_step_among_a_thousand_nodes_is_small() -> None:
    """Of a mosaic only the cells that changed are sent, and not the order of all."""
    cluster = StandIn()
    for number in range(1000):
        cluster.writes_object(f"/registry/minions/node-{number}", node(f"node-{number}"))
    for number in range(30):
        name = f"web-{number}"
        key = f"/registry/pods/default/{name}"
        cluster.writes_object(key, pod(name, "3", f"node-{number * 7}"))
    cluster.step(1000)
    view = views.cluster(cluster, by="message")
    page = Page()
    view.live = Live(view, page)
    sizes = [len(json.dumps(page.press("step"))) for _ in range(6)]
    assert max(sizes) <= STEP_BYTES
    assert "order" not in page.sent[-1]["update"]


@pytest.mark.slow
def test_steps_leave_little_behind(built: Any) -> None:
    """Moves in a shown view leave no more than 50 kB each."""
    view = views.cluster(built.fork(), by="message")
    page = Page()
    view.live = Live(view, page)
    page.press("back")
    tracemalloc.start()
    try:
        for number in range(STEPS):
            page.press("back" if number // 50 % 2 == 0 else "step")
            page.sent.clear()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert left <= LEFT_BYTES
