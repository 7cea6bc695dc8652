"""The pages of a kubelet's own server that people read: health, pods, statistics, metrics, logs.

`kubectl get --raw /api/v1/nodes/NODE/proxy/PATH` brings them. What containers use is what their
environment or their pod's annotations say (`usage.py`); the cpu time that counters show is that
use since the container's start.

In Kubernetes: pkg/kubelet/server (server.go, stats) and cAdvisor behind it. Left out: file systems
and networks in the statistics, and most counters.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from kubelab.api.objects import Obj, get, merged, name_of, namespace_of, uid_of
from kubelab.kubelet import usage
from kubelab.network.payloads import HttpRequest, HttpResponse
from kubelab.runtime.container import Container
from kubelab.sim.kernel import SECOND, timestamp

if TYPE_CHECKING:
    from kubelab.kubelet.kubelet import Kubelet
    from kubelab.kubelet.podworker import PodWorker

JSON = (("Content-Type", "application/json"),)
PLAIN = (("Content-Type", "text/plain; charset=utf-8"),)
HTML = (("Content-Type", "text/html; charset=utf-8"),)
METRICS = (("Content-Type", "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),)
NOT_FOUND = HttpResponse(404, "404 page not found\n", PLAIN)
# What a machine uses beside its pods.
SYSTEM_CPU, SYSTEM_BYTES = 20_000_000, 200 * 1024 * 1024


def page(kubelet: Kubelet, request: HttpRequest) -> HttpResponse:
    """The answer to a request of the kubelet's port."""
    path, _, query = request.path.partition("?")
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(405, "405: Method Not Allowed", PLAIN)
    if path in ("/healthz", "/healthz/ping", "/healthz/log", "/healthz/syncloop"):
        return HttpResponse(200, "ok", PLAIN)
    if path in ("/pods", "/pods/", "/runningpods/"):
        pods = [_shown(worker) for worker in kubelet.workers.values()]
        return _json({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods})
    if path == "/stats/summary":
        return _json(_summary(kubelet))
    if path in ("/metrics", "/metrics/resource", "/metrics/cadvisor", "/metrics/probes"):
        lines = {"/metrics": _counters, "/metrics/probes": _probes}.get(path, _resources)(kubelet)
        return HttpResponse(200, "".join(f"{line}\n" for line in lines), METRICS)
    if path == "/configz":
        return _json({"kubeletconfig": _config()})
    if path == "/logs/":
        return HttpResponse(200, '<pre>\n<a href="pods/">pods/</a>\n</pre>\n', HTML)
    if path.startswith("/containerLogs/"):
        return _log(kubelet, path.split("/")[2:], dict(parse_qsl(query)))
    return NOT_FOUND


def _json(body: Any) -> HttpResponse:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(200, text, JSON)


def _shown(worker: PodWorker) -> Obj:
    """A pod as the kubelet knows it: with its newest status, written or not."""
    return merged(worker.pod, status=worker.writer.status)


def _running(kubelet: Kubelet, worker: PodWorker) -> list[Container]:
    held = kubelet.runtime.containers
    records = (held[record.id] for record in worker.records() if record.id in held)
    return [container for container in records if container.running]


def _log(kubelet: Kubelet, where: list[str], query: dict[str, str]) -> HttpResponse:
    """The log of a container: namespace, pod, container."""
    from kubelab.kubelet.serving import log_source, render

    if len(where) != 3:
        return NOT_FOUND
    workers = kubelet.workers.values()
    worker = next((w for w in workers if w.key == f"{where[0]}/{where[1]}"), None)
    if worker is None:
        return HttpResponse(404, f'pod "{where[1]}" does not exist\n', PLAIN)
    found = log_source(worker, where[2], previous=query.get("previous") == "true")
    if isinstance(found, str):
        return HttpResponse(404, f"{found}\n", PLAIN)
    chosen = {key: value for key, value in query.items() if key == "tailLines"}
    return HttpResponse(200, render(kubelet.runtime.logs(found.id), Obj(chosen), kubelet.now))


# Statistics.


def _cpu(now_ns: int, nano: int, since_ns: int) -> dict[str, Any]:
    used = nano * (now_ns - since_ns) // SECOND
    return {"time": timestamp(now_ns), "usageNanoCores": nano, "usageCoreNanoSeconds": used}


def _memory(now_ns: int, size: int) -> dict[str, Any]:
    return {"time": timestamp(now_ns), "usageBytes": size, "workingSetBytes": size,
            "rssBytes": size, "pageFaults": 0, "majorPageFaults": 0}  # fmt: skip


def _summary(kubelet: Kubelet) -> dict[str, Any]:
    """stats.k8s.io/v1alpha1 Summary: the node and its pods."""
    now, pods = kubelet.now, []
    nano, size = SYSTEM_CPU, SYSTEM_BYTES
    for worker in kubelet.workers.values():
        rows: list[dict[str, Any]] = []
        for held in _running(kubelet, worker):
            cpu, memory = usage.cpu(worker.pod, held), usage.memory(worker.pod, held)
            began = held.status.started_ns
            rows.append({
                "name": held.config.name, "startTime": timestamp(began),
                "cpu": _cpu(now, cpu, began), "memory": _memory(now, memory),
            })  # fmt: skip
            nano, size = nano + cpu, size + memory
        pod = worker.pod
        reference = {"name": name_of(pod), "namespace": namespace_of(pod), "uid": uid_of(pod)}
        started = get(worker.writer.status, "startTime", default=timestamp(now))
        pods.append({
            "podRef": reference, "startTime": started, "containers": rows,
            "cpu": {"time": timestamp(now),
                    "usageNanoCores": sum(row["cpu"]["usageNanoCores"] for row in rows)},
            "memory": {"time": timestamp(now),
                       "workingSetBytes": sum(row["memory"]["workingSetBytes"] for row in rows)},
        })  # fmt: skip
    began = kubelet.world.epoch
    node = {
        "nodeName": kubelet.node_name, "startTime": timestamp(began),
        "cpu": _cpu(now, nano, began), "memory": _memory(now, size),
    }  # fmt: skip
    return {"node": node, "pods": pods}


# Metrics, as Prometheus reads them.


def _metric(name: str, kind: str, text: str, *rows: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *rows]


def _counters(kubelet: Kubelet) -> list[str]:
    """What the kubelet counts of itself."""
    workers = list(kubelet.workers.values())
    running = sum(len(_running(kubelet, worker)) for worker in workers)
    boxes = sum(1 for box in kubelet.runtime.sandboxes.values() if box.ready)
    ended = sum(1 for held in kubelet.runtime.containers.values() if not held.running)
    return [
        *_metric("kubelet_node_name", "gauge", "[ALPHA] The node's name. The count is always 1.",
                 f'kubelet_node_name{{node="{kubelet.node_name}"}} 1'),
        *_metric("kubelet_running_containers", "gauge",
                 "[ALPHA] Number of containers currently running",
                 f'kubelet_running_containers{{container_state="exited"}} {ended}',
                 f'kubelet_running_containers{{container_state="running"}} {running}'),
        *_metric("kubelet_running_pods", "gauge",
                 "[ALPHA] Number of pods that have a running pod sandbox",
                 f"kubelet_running_pods {boxes}"),
    ]  # fmt: skip


def _probes(kubelet: Kubelet) -> list[str]:
    """Probes are not counted."""
    del kubelet
    return []


def _resources(kubelet: Kubelet) -> list[str]:
    """What containers, pods and the node use."""
    at = kubelet.now // 1_000_000
    cpu_rows, memory_rows, starts = [], [], []
    total_seconds, total_bytes = 0.0, SYSTEM_BYTES
    for worker in kubelet.workers.values():
        namespace, _, pod = worker.key.partition("/")
        for held in _running(kubelet, worker):
            labels = f'container="{held.config.name}",namespace="{namespace}",pod="{pod}"'
            lived = (kubelet.now - held.status.started_ns) / SECOND
            seconds = usage.cpu(worker.pod, held) / 1e9 * lived
            size = usage.memory(worker.pod, held)
            total_seconds, total_bytes = total_seconds + seconds, total_bytes + size
            cpu_rows.append(f"container_cpu_usage_seconds_total{{{labels}}} {seconds:g} {at}")
            memory_rows.append(f"container_memory_working_set_bytes{{{labels}}} {size} {at}")
            started = held.status.started_ns / SECOND
            starts.append(f"container_start_time_seconds{{{labels}}} {started:.3f}")
    return [
        *_metric("container_cpu_usage_seconds_total", "counter",
                 "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
                 *cpu_rows),
        *_metric("container_memory_working_set_bytes", "gauge",
                 "[STABLE] Current working set of the container in bytes", *memory_rows),
        *_metric("container_start_time_seconds", "gauge",
                 "[STABLE] Start time of the container since unix epoch in seconds", *starts),
        *_metric("node_cpu_usage_seconds_total", "counter",
                 "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
                 f"node_cpu_usage_seconds_total {total_seconds:g} {at}"),
        *_metric("node_memory_working_set_bytes", "gauge",
                 "[STABLE] Current working set of the node in bytes",
                 f"node_memory_working_set_bytes {total_bytes} {at}"),
        *_metric("resource_scrape_error", "gauge",
                 "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
                 "resource_scrape_error 0"),
    ]  # fmt: skip


def _config() -> dict[str, Any]:
    """Those settings of a kubelet that are simulated, with their values."""
    return {
        "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "staticPodPath": "/etc/kubernetes/manifests", "address": "0.0.0.0", "port": 10250,
        "clusterDomain": "cluster.local", "clusterDNS": ["10.96.0.10"],
        "nodeStatusUpdateFrequency": "10s", "nodeStatusReportFrequency": "5m0s",
        "nodeLeaseDurationSeconds": 40, "maxPods": 110, "podPidsLimit": -1,
        "imageGCHighThresholdPercent": 85, "imageGCLowThresholdPercent": 80,
        "evictionHard": {"imagefs.available": "15%", "memory.available": "100Mi",
                         "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
        "evictionPressureTransitionPeriod": "5m0s", "cgroupDriver": "systemd",
    }  # fmt: skip
