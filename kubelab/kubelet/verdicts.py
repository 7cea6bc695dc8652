"""What the answer to a probe means, in Kubernetes' words.

A pure function of the probe and of what came of its request: success, or failure with the text that
the Unhealthy Event carries.

In Kubernetes: pkg/probe/http, pkg/probe/tcp, pkg/probe/grpc.
"""

from __future__ import annotations

from typing import NamedTuple

from kubelab.api.objects import EMPTY, Obj
from kubelab.kubelet import hooks
from kubelab.network.payloads import HttpResponse, Outcome

HEADERS_TIMEOUT = "(Client.Timeout exceeded while awaiting headers)"


class Result(NamedTuple):
    """One outcome: success, failure, or unknown (which changes nothing)."""

    outcome: str
    output: str = ""


def judge(spec: Obj, pod_ip: str, container: Obj, outcome: Outcome) -> Result:
    """Whether an outcome is a success, and what Kubernetes says if not."""
    action = spec.get("httpGet") or spec.get("tcpSocket") or spec.get("grpc") or EMPTY
    port = hooks.port_of(action.get("port"), container)
    host = action.get("host") or pod_ip
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if "httpGet" in spec:
        scheme = action.get("scheme", "HTTP").lower()
        path = action.get("path") or "/"
        url = f"{scheme}://{where}{path if path.startswith('/') else '/' + path}"
        if outcome.error == "refused":
            text = f'Get "{url}": dial tcp {where}: connect: connection refused'
            return Result("failure", text)
        if not outcome.ok:
            text = f'Get "{url}": context deadline exceeded {HEADERS_TIMEOUT}'
            return Result("failure", text)
        status = outcome.payload.status if isinstance(outcome.payload, HttpResponse) else 0
        if 200 <= status < 400:
            return Result("success")
        if not status:
            return Result("failure", f'Get "{url}": net/http: HTTP/1.x transport connection broken')
        return Result("failure", f"HTTP probe failed with statuscode: {status}")
    if "tcpSocket" in spec:
        if outcome.ok:
            return Result("success")
        if outcome.error == "refused":
            return Result("failure", f"dial tcp {where}: connect: connection refused")
        return Result("failure", f"dial tcp {where}: i/o timeout")
    seconds = int(spec.get("timeoutSeconds") or 1)
    if outcome.ok and outcome.payload == "SERVING":
        return Result("success")
    if outcome.ok:
        text = f'error: this server does not implement the grpc health protocol: "{where}"'
        return Result("failure", text)
    text = (
        f'timeout: failed to connect service "{where}" within {seconds}s: context deadline exceeded'
    )
    return Result("failure", text)
