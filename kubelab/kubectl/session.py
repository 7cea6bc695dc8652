"""One run of kubectl: its command line, its way to the cluster, and what it prints.

The way to the cluster is anything that has `request(method, path, body, headers)`: a `Cluster`
in this process, or a server far away (`remote.py`). Waiting moves virtual time in the first case
and watches in the second; nothing else differs. Errors of one object do not keep the command from
the next: they are collected, and the exit code says so at the end.

In Kubernetes: k8s.io/cli-runtime/pkg/genericclioptions and pkg/resource.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from kubelab.api.errors import ApiError
from kubelab.api.kinds import Kind
from kubelab.api.objects import Obj, with_
from kubelab.api.rest import url
from kubelab.kubectl.errors import Failed, server_text
from kubelab.kubectl.flags import Flags
from kubelab.sim.kernel import SECOND

AGENT = "kubectl/v1.37.1 (linux/amd64) kubernetes/f78e722"
UNIX = datetime(1970, 1, 1, tzinfo=timezone.utc)
FOREVER_SECONDS = 7 * 24 * 3600.0


class Session:
    """What a command works with."""

    def __init__(self, cluster: Any, flags: Flags, stdin: str = "", namespace: str = "") -> None:
        self.cluster = cluster
        self.flags = flags
        self.stdin = stdin
        self.out: list[str] = []
        self.err: list[str] = []
        self.failed = 0
        self.namespace = flags.text("namespace", namespace) or "default"
        self.found: dict[str, Kind | None] = {}

    # Printing.

    def print(self, text: str = "") -> None:
        """A line on stdout."""
        self.out.append(text + "\n")

    def warn(self, text: str) -> None:
        """A line on stderr that does not fail the command."""
        self.err.append(text + "\n")

    def fail(self, error: ApiError | Failed, doing: str = "") -> None:
        """Notes a failure and goes on."""
        text = server_text(error, doing) if isinstance(error, ApiError) else error.text
        if text:
            self.err.append(text + "\n")
        self.failed = max(self.failed, error.code if isinstance(error, Failed) else 1)

    # Asking.

    def call(self, method: str, path: str, body: Any = None, headers: Any = None) -> Any:
        """A request; the answer's body. Raises ApiError; warnings are printed."""
        sent = {"User-Agent": AGENT, "Accept": "application/json", **dict(headers or {})}
        if self.flags.has("as"):
            sent["Impersonate-User"] = self.flags.text("as")
        if self.flags.has("as-group"):
            sent["Impersonate-Group"] = ",".join(self.flags.many("as-group"))
        response = self.cluster.request(method, path, body, sent)
        for line in str(response.headers.get("Warning") or "").splitlines():
            text = f"Warning: {json.loads(line.partition('- ')[2])}"
            if text + "\n" not in self.err:
                self.warn(text)
        if not response.ok:
            raise ApiError(_status(response))
        return response.body

    def get(self, kind: Kind, namespace: str, name: str, subresource: str = "") -> Obj:
        """One object. Raises ApiError."""
        body: Obj = self.call("GET", url(kind, namespace, name, subresource))
        return body

    def find(self, kind: Kind, namespace: str, name: str) -> Obj | None:
        """One object, or None."""
        try:
            return self.get(kind, namespace, name)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind: Kind, namespace: str = "", labels: str = "", fields: str = "") -> Any:
        """The objects of a kind, each with apiVersion and kind."""
        query = []
        if labels:
            query.append(f"labelSelector={quote(labels)}")
        if fields:
            query.append(f"fieldSelector={quote(fields)}")
        path = url(kind, namespace)
        body = self.call("GET", f"{path}?{'&'.join(query)}" if query else path)
        head = {"apiVersion": kind.api_version, "kind": kind.kind}
        return [Obj({**head, **item}) for item in body["items"]]

    # Time.

    @property
    def now_ns(self) -> int:
        """The cluster's time."""
        delta: timedelta = self.cluster.now - UNIX
        return (delta.days * 86400 + delta.seconds) * SECOND + delta.microseconds * 1000

    def wait(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        holds: Callable[[Obj | None], bool],
        timeout_seconds: float,
    ) -> bool:
        """Lets time pass until something holds of an object (None: it is not there)."""
        if not hasattr(self.cluster, "moment"):
            path = url(kind, namespace, name)
            return bool(self.cluster.wait_for(path, holds, timeout_seconds))
        seen: list[Any] = [-1, False]

        def look(cluster: Any) -> bool:
            moment = cluster.moment()
            if moment.revision != seen[0]:
                obj = moment.find(kind, name, namespace if kind.namespaced else "")
                seen[:] = [moment.revision, holds(obj)]
            return bool(seen[1])

        return bool(self.cluster.run_until(look, timeout_seconds))


def _status(response: Any) -> Obj:
    """The Status of a failure; one is made where the answer is mere text."""
    if isinstance(response.body, dict) and response.body.get("kind") == "Status":
        return with_(response.body, ("code",), response.status)  # type: ignore[no-any-return]
    reason = {404: "NotFound", 401: "Unauthorized"}.get(response.status, "")
    text = "the server could not find the requested resource"
    if response.status != 404:
        text = str(response.body or "an error on the server")
    return Obj(status="Failure", reason=reason, message=text, code=response.status)


def quote(text: str) -> str:
    """A text for a query."""
    from urllib.parse import quote as escape

    return escape(text, safe="")
