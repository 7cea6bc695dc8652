"""Hours pass quickly: what is passed over changes nothing that comes later."""

from __future__ import annotations

from typing import Any

from kubelab import Cluster

MANIFEST = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: nginx
    livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 7}
    readinessProbe: {httpGet: {path: /, port: 80}}
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  containers:
  - name: late
    image: kubelab/http
    env: [{name: FAIL_AFTER, value: "4000"}]
    livenessProbe: {httpGet: {path: /healthz, port: 8080}}
---
apiVersion: v1
kind: Pod
metadata: {name: loop}
spec:
  containers: [{name: loop, image: kubelab/crash, env: [{name: CRASH_AFTER, value: "600"}]}]
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "*/20 * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: tick, image: kubelab/job}]
"""


def ran(seconds: float, *, quick: bool) -> Cluster:
    """A cluster with things that happen at their own times, after so long."""
    cluster = Cluster(nodes=2, seed=4)
    cluster.apply(MANIFEST)
    cluster.run(seconds, quick=quick)
    return cluster


# What counts the writes of the store.
COUNTS = ("resourceVersion", "managedFields")


def plain(value: Any) -> Any:
    """A copy without what counts writes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items() if key not in COUNTS}
    return [plain(item) for item in value] if isinstance(value, list) else value


def seen(cluster: Cluster) -> list[Any]:
    """All that a user can see, but for what counts writes."""
    kinds = ("Pod", "Job", "CronJob", "Node", "Lease", "Event")
    return [plain(obj) for kind in kinds for obj in cluster.list(kind, namespace=None)]


def test_what_comes_later_is_the_same() -> None:
    """Two hours in a lapse and two hours played end in the same objects at the same times."""
    quick, played = ran(7300, quick=True), ran(7300, quick=False)
    passed = [event for event in quick.trace if event.verb == "lapse"]
    assert passed and len(quick.trace) < len(played.trace) / 2
    for left, right in zip(seen(quick), seen(played), strict=True):
        assert left == right


def test_a_lapse_can_be_gone_back_over() -> None:
    """A cluster that went through a lapse is at an earlier event what it was then."""
    cluster = ran(3700, quick=True)
    middle = next(event for event in cluster.trace if event.verb == "lapse").id + 50
    past = cluster.fork()
    past.rewind(middle)
    assert list(past.trace) == list(cluster.trace)[:middle]
    lapses = [event for event in cluster.trace if event.verb == "lapse"]
    assert len(lapses) > len([event for event in past.trace if event.verb == "lapse"])


def test_nothing_passes_while_somebody_is_missing() -> None:
    """A node that went silent is missed after 50 seconds, in an hour that is asked for at once."""
    cluster = Cluster(nodes=2, dns=False)
    cluster.settle()
    cluster.faults.stop("kubelet/node-2")
    cluster.run(3600)
    assert not [event for event in cluster.trace if event.verb == "lapse"]
    assert "NotReady" in cluster.kubectl("get nodes").splitlines()[2]


def test_minutes_are_played() -> None:
    """A run of some minutes shows every heartbeat."""
    cluster = Cluster(nodes=1, dns=False)
    cluster.settle()
    cluster.run(600)
    beats = [event for event in cluster.trace if event.verb == "renew_lease"]
    assert 59 <= len(beats) <= 62
    cluster.run(600, quick=True)
    told = [cluster.tell(event) for event in cluster.trace if event.verb == "lapse"]
    assert told and told[0].startswith("Time passes over ")
