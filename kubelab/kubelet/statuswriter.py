"""Writes one pod's status to the API server: one request at a time, the latest state wins.

In Kubernetes: pkg/kubelet/status/status_manager.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import EMPTY, Obj, get, name_of, namespace_of
from kubelab.api.rest import Response
from kubelab.kubelet.resizing import TYPES

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

RETRY_SECONDS = 10.0
# Fields that are taken away when they are no longer said.
PASSING = ("reason", "message")


class StatusWriter:
    """The status of one pod as it was last said, and whether that is under way."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        self.status: Obj = EMPTY
        self.sent: Obj = EMPTY
        self.busy = False
        self.stale = False

    def write(self, status: Obj) -> None:
        """Says this status from now on."""
        worker = self.worker
        if status == self.status or worker.ending.object_gone:
            return
        before, self.status = self.status, status
        worker.kubelet.note(pod=worker.key, status=_short(status))
        if not before or self.busy:
            self.sent = before if not self.busy else self.sent
        if self.busy:
            self.stale = True
            return
        self._send(before)

    def reconcile(self, pod: Obj) -> None:
        """Somebody else wrote our conditions (a silent node is doubted): say ours again."""
        if self.busy or not self.status or self.worker.ending.object_gone:
            return
        held = {row["type"]: row["status"] for row in get(pod, "status", "conditions", default=())}
        for row in get(self.status, "conditions", default=()):
            if held.get(row["type"]) != row["status"]:
                self.worker.kubelet.note(again=row["type"])
                self._send(self.status)
                return

    def _send(self, before: Obj) -> None:
        worker, status = self.worker, dict(self.status)
        uid = worker.kubelet.static.uid_in_api(worker)
        if not uid:
            # Nobody sees the pod yet; its mirror will get all of it.
            return
        self.busy, self.stale = True, False
        for field in PASSING:
            if field in before and field not in status:
                status[field] = None
        old = [row["ip"] for row in get(before, "podIPs", default=())]
        new = [row["ip"] for row in status.get("podIPs") or ()]
        gone = [{"$patch": "delete", "ip": ip} for ip in old if ip not in new]
        if gone and new:
            status["podIPs"] = [*status["podIPs"], *gone]
        if "conditions" in status:
            status["conditions"] = [
                _without_passed(row, before, get(worker.pod, "status", default=EMPTY))
                for row in status["conditions"]
            ]
        held = [row["type"] for row in get(worker.pod, "status", "conditions", default=())]
        own = [row["type"] for row in status.get("conditions") or ()]
        over = [type_ for type_ in TYPES if type_ in held and type_ not in own]
        if over:
            deleted = [{"$patch": "delete", "type": type_} for type_ in over]
            status["conditions"] = [*status["conditions"], *deleted]
        foreign = [type_ for type_ in held if type_ not in (*own, *over)]
        status["$setElementOrder/conditions"] = [{"type": type_} for type_ in [*foreign, *own]]
        self.sent = self.status
        body = {"metadata": {"uid": uid}, "status": status}
        worker.kubelet.promote()
        worker.kubelet.patch(
            "v1/Pod", namespace_of(worker.pod), name_of(worker.pod), body, "status",
            reply="worker_answer", context=(worker.uid, "writer.written"),
        )  # fmt: skip

    def written(self, response: Response) -> None:
        """The answer; what was said meanwhile is written now."""
        worker = self.worker
        self.busy = False
        if not response.ok and response.status not in (404, 409):
            worker.kubelet.after(
                RETRY_SECONDS, "worker_retry", worker.uid, "writer.again", background=True
            )
            return
        if self.stale:
            self._send(self.sent)
            return
        worker.ending.written()

    def begin_anew(self) -> None:
        """A new object shows the pod: it gets the whole status."""
        if self.status and not self.busy:
            self._send(EMPTY)

    def again(self) -> None:
        """Tries once more."""
        if not self.busy:
            self._send(self.sent)


def _without_passed(row: Obj, *earlier: Obj) -> Any:
    """A condition for a patch: a reason or message that it had before and has no more is null."""
    gone = {
        field: None
        for status in earlier
        for old in get(status, "conditions", default=())
        if old["type"] == row["type"]
        for field in PASSING
        if old.get(field) and not row.get(field)
    }
    return {**row, **gone} if gone else row


def _short(status: Obj) -> dict[str, Any]:
    """What a learner sees of a status in the trace."""
    rows = get(status, "containerStatuses", default=())
    waiting = {
        row["name"]: row["state"]["waiting"].get("reason", "")
        for row in rows
        if "waiting" in row["state"]
    }
    ready = [
        row["type"] for row in get(status, "conditions", default=()) if row["status"] == "True"
    ]
    out = {"phase": status.get("phase"), "true": ready}
    if waiting:
        out["waiting"] = waiting
    ended = {
        row["name"]: row["state"]["terminated"].get("reason", "")
        for row in rows
        if "terminated" in row["state"]
    }
    if ended:
        out["ended"] = ended
    return out
