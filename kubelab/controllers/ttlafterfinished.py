"""TTL after finished: Jobs that ask for it are deleted some time after their end.

In Kubernetes: pkg/controller/ttlafterfinished. The Job's pods follow it by the garbage collector.
What must hold: a Job that is not finished, or does not set ttlSecondsAfterFinished, is never
touched.
"""

from __future__ import annotations

from kubelab.api.objects import Obj, key_of, name_of, namespace_of, uid_of
from kubelab.client.controller import Controller
from kubelab.controllers import conditions
from kubelab.controllers.pods import is_terminating
from kubelab.sim.kernel import SECOND, parse_timestamp


def ended_at(job: Obj) -> str | None:
    """When a Job became complete or failed."""
    for type_ in ("Complete", "Failed"):
        condition = conditions.find(conditions.of(job), type_)
        if condition is not None and condition["status"] == "True":
            return str(condition["lastTransitionTime"])
    return None


class TTLAfterFinishedController(Controller):
    """Deletes finished Jobs in time."""

    name = "ttl-after-finished"

    def begin(self) -> None:
        self.jobs = self.watch("batch/v1/Job", "on_job")

    def on_job(self, old: Obj | None, new: Obj | None) -> None:
        """A Job has changed; one that is over and has a time to live is looked at."""
        if new is not None and "ttlSecondsAfterFinished" in new["spec"] and ended_at(new):
            self.enqueue(key_of(new))

    def sync(self, key: str) -> None:
        """Deletes a Job whose time is over, or comes back then."""
        job = self.jobs.get(key)
        end = ended_at(job) if job is not None else None
        if job is None or end is None or is_terminating(job):
            return
        seconds = job["spec"].get("ttlSecondsAfterFinished")
        if seconds is None:
            return
        left = parse_timestamp(end) + seconds * SECOND - self.process.now
        if left > 0:
            self.note(act=f"wait {left / SECOND:.0f} s")
            self.enqueue_after(key, left / SECOND)
            return
        self.note(act="delete 1")
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid_of(job)}}
        self.delete("batch/v1/Job", namespace_of(job), name_of(job), body=body)
