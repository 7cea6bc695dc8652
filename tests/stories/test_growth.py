"""What a pod costs does not grow with how many there are."""

from __future__ import annotations

from kubelab import Cluster
from tests.fuzz.world import deployment


def events_per_pod(pods: int) -> float:
    """Events until a Deployment of so many pods is settled, by pod."""
    c = Cluster(nodes=3)
    c.settle()
    before = len(c.trace)
    c.apply(deployment("many", pods, "kubelab/sleep:1", "1m"))
    assert c.settle()
    return (len(c.trace) - before) / pods


def test_events_per_pod_do_not_grow() -> None:
    """A Deployment four times as large takes no more events for each pod."""
    assert events_per_pod(120) <= 1.1 * events_per_pod(30)
