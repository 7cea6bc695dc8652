"""The Job controller: pods that are to end, counted exactly once.

As many pods run as parallelism allows and completions still ask for. A pod that has ended is
counted by its finalizer: its UID is first written into `status.uncountedTerminatedPods`, then the
finalizer is taken from the pod, then the count goes up and the UID goes out; a crash between any
two of these neither loses a pod nor counts one twice. After a failure the next pod waits 10 s,
then 20 s, 40 s and so on; what ends a Job, and how, is decided in `jobrules.py`.

In Kubernetes: pkg/controller/job (job_controller.go, backoff_utils.go). Left out: elastic
indexed Jobs' gate.
"""

from __future__ import annotations

from typing import Any

from kubelab.api.objects import Obj, freeze, get, key_of, name_of, namespace_of, uid_of, with_
from kubelab.api.rest import MERGE_PATCH, Response
from kubelab.client.informer import by_owner
from kubelab.controllers import conditions
from kubelab.controllers.batches import Failure, PodBatches
from kubelab.controllers.jobrules import (
    FINALIZER,
    INDEX,
    Ending,
    Tally,
    active_order,
    backoff_seconds,
    condition_of,
    free_indexes,
    is_finished,
    is_indexed,
    is_managed_elsewhere,
    judge,
    missing,
    tally_of,
)
from kubelab.controllers.pods import PodCounts, from_template, is_terminating, restarts_of

BATCH_SECONDS = 1
BURST = 500


class JobController(PodBatches):
    """Runs Jobs to their end."""

    name = "job"

    def begin(self) -> None:
        self.counts = PodCounts()
        self.by_uid: dict[str, str] = {}
        self.jobs = self.watch("batch/v1/Job", "on_job")
        self.pods = self.watch("v1/Pod", "on_pod")
        self.pods.index("owner", by_owner)

    def on_job(self, old: Obj | None, new: Obj | None) -> None:
        """A Job has changed."""
        if new is None:
            assert old is not None
            self.by_uid.pop(uid_of(old), None)
            self.enqueue(key_of(old))
            return
        self.by_uid[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_pod(self, old: Obj | None, new: Obj | None) -> None:
        """A pod has changed: its Job is looked at soon, with what else changes until then."""
        moved = self.counts.move(old, new)
        if old is not None and new is not None and restarts_of(old) != restarts_of(new):
            # Restarts in place are failures too: there may have been too many.
            moved = tuple(dict.fromkeys((*moved, by_owner(new))))
        pod = new if new is not None else old
        assert pod is not None
        for uid in moved:
            if uid in self.by_uid:
                self.enqueue_after(self.by_uid[uid], BATCH_SECONDS)
        owner = by_owner(pod)
        if owner and owner not in self.by_uid and new is not None and _is_tracked(new):
            # A pod whose Job is gone must not be held by a count that nobody makes any more.
            self.enqueue(f"{namespace_of(pod)}/{get(pod, 'metadata', 'labels', 'job-name')}")

    # One turn.

    def sync(self, key: str) -> None:
        """One step of one Job: count what has ended, decide, then make or delete pods."""
        job = self.jobs.get(key)
        if job is None:
            self._free_orphans(key)
            return
        if is_managed_elsewhere(job):
            self.note(act="leave it to " + job["spec"]["managedBy"])
            return
        if is_finished(job):
            self._uncount(job)
            return
        pods = self.pods.indexed("owner", uid_of(job))
        if not self._begun(job):
            return
        tally = tally_of(job, pods)
        if self._count(job, pods, tally):
            return
        ending = self._ending(job, pods, tally)
        wish = job["spec"].get("parallelism", 1)
        self.note(wish=wish, seen=len(tally.active), act="—",
                  succeeded=tally.succeeded, failed=tally.failed)  # fmt: skip
        if ending is not None:
            self._end(job, tally, ending)
        elif job["spec"].get("suspend"):
            self.note(wish=0, act=f"delete {len(tally.active)}" if tally.active else "—")
            self.act(job, delete=tally.active)
        elif not is_terminating(job):
            self._manage(job, pods, tally)

    def _begun(self, job: Obj) -> bool:
        """Sees to startTime and the condition Suspended; False if something was written."""
        suspended = bool(job["spec"].get("suspend"))
        status: dict[str, Any] = dict(job.get("status") or {})
        held = list(conditions.of(job))
        marked = conditions.is_true(job, "Suspended")
        event = None
        if suspended and not marked:
            held = _flip(
                held, condition_of("Suspended", "JobSuspended", "Job suspended", self._now)
            )
            status.pop("startTime", None)
            event = ("Suspended", "Job suspended")
        elif not suspended and marked:
            resumed = condition_of("Suspended", "JobResumed", "Job resumed", self._now)
            held = _flip(held, {**resumed, "status": "False"})
            status["startTime"] = self._now
            event = ("Resumed", "Job resumed")
        elif not suspended and not status.get("startTime"):
            status["startTime"] = self._now
        else:
            return True
        if held:
            status["conditions"] = held
        status.setdefault("uncountedTerminatedPods", {})
        status |= {"terminating": 0, "ready": 0}
        self.note(act="suspend" if suspended else "begin")
        if event is not None:
            self.recorder.event(job, "Normal", *event)
        self.update_status(with_(job, ("status",), status))
        return False

    @property
    def _now(self) -> str:
        return self.process.timestamp

    # Counting.

    def _count(self, job: Obj, pods: list[Obj], tally: Tally) -> bool:
        """One of the three steps by which ended pods are counted; True if one was taken."""
        if tally.fresh_succeeded or tally.fresh_failed:
            self.note(act=f"note {len(tally.fresh_succeeded) + len(tally.fresh_failed)} ended")
            uncounted = {
                "succeeded": [*tally.noted_succeeded, *tally.fresh_succeeded],
                "failed": [*tally.noted_failed, *tally.fresh_failed],
            }
            rows = {name: uids for name, uids in uncounted.items() if uids}
            self.update_status(with_(job, ("status", "uncountedTerminatedPods"), rows))
            return True
        noted = {*tally.noted_succeeded, *tally.noted_failed}
        held = [pod for pod in pods if uid_of(pod) in noted and _is_tracked(pod)]
        if held:
            self.note(act=f"release {len(held)}")
            for pod in held:
                self._release(pod)
            return True
        if noted:
            self._book(job, pods, tally)
            return True
        return False

    def _release(self, pod: Obj) -> None:
        """Takes the finalizer from a pod."""
        left = [name for name in pod["metadata"]["finalizers"] if name != FINALIZER]
        patch = {"metadata": {"uid": uid_of(pod), "finalizers": left or None}}
        space, name = namespace_of(pod), name_of(pod)
        self.patch("v1/Pod", space, name, patch, "released", style=MERGE_PATCH)

    def released(self, response: Response) -> None:
        """The pod is free; its count comes next."""
        self.enqueue(self.key)

    def _book(self, job: Obj, pods: list[Obj], tally: Tally) -> None:
        """Raises the counts by what was noted; a Job that this ends is ended in the same write."""
        status: dict[str, Any] = dict(job["status"])
        status["uncountedTerminatedPods"] = {}
        numbers = {"succeeded": tally.succeeded, "failed": tally.failed}
        rows = {"completedIndexes": tally.done, "failedIndexes": tally.lost}
        status |= {name: value for name, value in (numbers | rows).items() if value}
        self.note(act=f"count {tally.succeeded} succeeded, {tally.failed} failed")
        self._write(job, status, tally)

    def _write(self, job: Obj, status: dict[str, Any], tally: Tally) -> None:
        numbers = {"active": len(tally.active)} if tally.active else {}
        status.pop("active", None)
        status |= {"ready": tally.ready, "terminating": tally.terminating, **numbers}
        if freeze(status) != job["status"]:
            self.update_status(with_(job, ("status",), status))

    # The end.

    def _ending(self, job: Obj, pods: list[Obj], tally: Tally) -> Ending | None:
        ending, seconds = judge(job, pods, tally, self.process.now)
        if seconds is not None:
            self.enqueue_after(self.key, seconds)
        return ending

    def _end(self, job: Obj, tally: Tally, ending: Ending) -> None:
        """First the target is written, then the pods go, and when they have ended the Job has."""
        status: dict[str, Any] = dict(job["status"])
        first = "SuccessCriteriaMet" if ending.success else "FailureTarget"
        last = "Complete" if ending.success else "Failed"
        held = list(conditions.of(job))
        if conditions.find(held, first) is None:
            held.append(Obj(condition_of(first, ending.reason, ending.message, self._now)))
        over = not tally.active and not tally.terminating
        if over:
            held.append(Obj(condition_of(last, ending.reason, ending.message, self._now)))
            if ending.success:
                status["completionTime"] = self._now
                self.recorder.event(job, "Normal", "Completed", "Job completed")
            else:
                self.recorder.event(job, "Warning", ending.reason, ending.message)
        status["conditions"] = held
        self.note(act=last.lower() if over else f"end {len(tally.active)} pods", why=ending.reason)
        if held != list(conditions.of(job)):
            self._write(job, status, tally)
        elif tally.active:
            self.act(job, delete=tally.active)
        else:
            self._write(job, status, tally)

    def _uncount(self, job: Obj) -> None:
        """A finished Job holds no pod back."""
        for pod in self.pods.indexed("owner", uid_of(job)):
            if _is_tracked(pod):
                self._release(pod)

    def _free_orphans(self, key: str) -> None:
        for pod in self.pods.list(key.partition("/")[0]):
            owner = by_owner(pod)
            name = get(pod, "metadata", "labels", "job-name", default="")
            if (
                f"{namespace_of(pod)}/{name}" == key
                and owner not in self.by_uid
                and _is_tracked(pod)
            ):
                self._release(pod)

    # Pods.

    def _manage(self, job: Obj, pods: list[Obj], tally: Tally) -> None:
        """Makes pods that are missing, after the back-off, or deletes those beyond the wish."""
        count = missing(job, tally)
        if count < 0:
            doomed = active_order(tally.active)[:-count]
            self.note(act=f"delete {len(doomed)}")
            self.act(job, delete=doomed)
            return
        wait = backoff_seconds(job, pods, tally, self.process.now)
        if count and wait > 0:
            self.note(act=f"wait {wait:.0f} s after a failure")
            self.enqueue_after(self.key, wait)
            count = 0
        if count:
            self.note(act=f"create {min(count, BURST)}")
        self.act(job, create=self._new_pods(job, tally, min(count, BURST)))

    def _new_pods(self, job: Obj, tally: Tally, count: int) -> list[Obj]:
        template, finalizers = job["spec"]["template"], [FINALIZER]
        if not is_indexed(job):
            return [from_template(template, job, finalizers=finalizers)] * count
        made = []
        for index in free_indexes(job, tally)[:count]:
            pod = from_template(
                template, job, finalizers=finalizers,
                labels={INDEX: str(index)}, annotations={INDEX: str(index)},
            )  # fmt: skip
            pod = with_(pod, ("metadata", "generateName"), f"{name_of(job)}-{index}-")
            pod = with_(pod, ("spec", "hostname"), f"{name_of(job)}-{index}")
            made.append(_with_index(pod))
        return made

    def finish(self, owner: Obj, failure: Failure) -> None:
        """Writes the numbers of pods that run."""
        job = self.jobs.get(self.key)
        if job is None or uid_of(job) != uid_of(owner):
            return
        tally = tally_of(job, self.pods.indexed("owner", uid_of(job)))
        self._write(job, dict(job["status"]), tally)


def _is_tracked(pod: Obj) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def _flip(held: list[Obj], new: dict[str, Any]) -> list[Obj]:
    """The conditions with one set in its place."""
    if conditions.find(held, new["type"]) is None:
        return [*held, Obj(new)]
    return [Obj(new) if item["type"] == new["type"] else item for item in held]


def _with_index(pod: Obj) -> Obj:
    """A pod whose containers know their index."""
    path = f"metadata.labels['{INDEX}']"
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}},
    }
    spec = dict(pod["spec"])
    for field in ("initContainers", "containers"):
        if spec.get(field):
            spec[field] = [{**c, "env": [*(c.get("env") or ()), variable]} for c in spec[field]]
    return with_(pod, ("spec",), spec)  # type: ignore[no-any-return]
