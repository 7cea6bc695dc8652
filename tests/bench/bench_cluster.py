"""What a whole cluster costs: to boot, with many nodes, and with many pods.

The marks are those of the nearest peer, a simulator in a browser: half a second to boot, 2 CPU
seconds for a Deployment of 50 pods and 50 for 500. The nodes of a large Deployment are as many as
its pods need, 100 on each.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

from kubelab import Cluster
from tests.bench.harness import Result, sizes, stopwatch, trace_digest

SEED = 1
HOUR_SECONDS = 3600


def deployment(pods: int) -> dict[str, Any]:
    """A plain Deployment of so many pods."""
    labels = {"app": "web"}
    container = {"name": "web", "image": "nginx:1.27", "ports": [{"containerPort": 80}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "labels": labels},
        "spec": {
            "replicas": pods,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def booted(nodes: int = 3) -> Cluster:
    """A cluster whose system pods run."""
    cluster = Cluster(nodes=nodes, seed=SEED)
    assert cluster.settle(timeout=HOUR_SECONDS) is not False, "the cluster does not settle"
    return cluster


def running(pods: int) -> Cluster:
    """A cluster with a Deployment of so many pods, all of them ready."""
    cluster = booted(max(3, pods // 100))
    deploy(cluster, pods)
    return cluster


def deploy(cluster: Cluster, pods: int) -> None:
    """Applies the Deployment and runs until all its pods are ready."""
    cluster.apply(deployment(pods))
    cluster.settle(timeout=HOUR_SECONDS)
    ready = cluster.get("Deployment", "web")["status"].get("readyReplicas")
    assert ready == pods, f"{ready} of {pods} pods are ready"


@sizes("nodes", small=1, usual=(3, 100), full=(1000,), marks={3: 0.5})
def bench_boot(nodes: int) -> Result:
    """From nothing to all system pods running, by number of nodes."""
    with stopwatch() as watch:
        cluster = booted(nodes)
    return Result(len(cluster.trace), "events", watch.seconds, trace_digest(cluster.trace))


@sizes("pods", small=3, usual=(3, 50, 500), full=(5000,), marks={50: 2.0, 500: 50.0})
def bench_deployment(pods: int) -> Result:
    """A Deployment until all its pods run, in a cluster that has booted."""
    cluster = booted(max(3, pods // 100))
    before = len(cluster.trace)
    with stopwatch() as watch:
        deploy(cluster, pods)
    count = len(cluster.trace) - before
    return Result(count, "events", watch.seconds, trace_digest(cluster.trace))


DAY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 100
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx:1.27
        readinessProbe: {httpGet: {path: /, port: 80}}
        livenessProbe: {httpGet: {path: /, port: 80}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report}
spec:
  schedule: "*/10 * * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{name: report, image: kubelab/job, env: [{name: DURATION, value: "5"}]}]
"""


@sizes("hours", small=1, usual=(24,), marks={24: 60.0})
def bench_day(hours: int) -> Result:
    """Hours of 100 nodes, with heartbeats, 200 probes, and a CronJob every ten minutes.

    The count is of all that happens in them, that which the time lapse passes over among it.
    """
    cluster = booted(100)
    cluster.apply(DAY)
    cluster.settle(timeout=HOUR_SECONDS)
    before = len(cluster.trace)
    with stopwatch() as watch:
        cluster.run(hours * HOUR_SECONDS)
    turns = cluster.world.components["clock"].turns
    assert turns, "no time was passed over"
    count = len(cluster.trace) - before + turns
    return Result(count, "events", watch.seconds, trace_digest(cluster.trace))


@sizes("pods", small=3, usual=(50, 500))
def bench_memory(pods: int) -> Result:
    """Bytes that the pods of a Deployment take in all components and the trace together."""
    cluster = booted(max(3, pods // 100))
    tracemalloc.start()
    try:
        with stopwatch() as watch:
            deploy(cluster, pods)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Result(held // pods, "bytes/pod", watch.seconds, trace_digest(cluster.trace))
