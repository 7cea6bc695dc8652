"""The CronJob controller: a Job at every time of a schedule.

A turn first takes note of Jobs that have ended, then asks for the most recent time of the schedule
since the last one that was served. If there is one, and it is not too old, and the concurrency
policy allows it, a Job is made whose name follows from that time, so that no time is served twice.
Then the key is put off until the next time. Of missed times only the last is made up for.

In Kubernetes: pkg/controller/cronjob (cronjob_controllerv2.go, utils.go).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubelab.api.objects import Obj, freeze, get, key_of, name_of, namespace_of, uid_of, with_
from kubelab.api.rest import Response
from kubelab.client.controller import Controller
from kubelab.client.informer import by_owner
from kubelab.controllers import conditions, cron
from kubelab.controllers.jobrules import is_finished
from kubelab.controllers.pods import is_terminating, reference_to
from kubelab.sim.kernel import SECOND, UNIX, parse_timestamp, timestamp, to_datetime

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
# After the minute, so that no rounding of clocks brings a key too early.
DELAY_SECONDS = 0.1
TOO_MANY = 100
# Condition, the field that limits the Jobs which have it, and that field's default.
HISTORY = (("Complete", "successfulJobsHistoryLimit", 3), ("Failed", "failedJobsHistoryLimit", 1))
TOO_MANY_TEXT = (
    "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
)
FORBID_TEXT = "Not starting job because prior execution is running and concurrency policy is Forbid"


def to_ns(moment: datetime) -> int:
    """Nanoseconds since 1970."""
    return int((moment - UNIX).total_seconds()) * SECOND


class CronJobController(Controller):
    """Makes Jobs by schedules."""

    name = "cronjob"

    def begin(self) -> None:
        self.by_uid: dict[str, str] = {}
        self.crons = self.watch("batch/v1/CronJob", "on_cron")
        self.jobs = self.watch("batch/v1/Job", "on_job")
        self.jobs.index("owner", by_owner)

    def on_cron(self, old: Obj | None, new: Obj | None) -> None:
        """A CronJob has changed."""
        if new is None:
            assert old is not None
            self.by_uid.pop(uid_of(old), None)
            return
        self.by_uid[uid_of(new)] = key_of(new)
        self.enqueue(key_of(new))

    def on_job(self, old: Obj | None, new: Obj | None) -> None:
        """A Job of ours has changed."""
        for item in (old, new):
            key = self.by_uid.get(by_owner(item)) if item is not None else None
            if key:
                self.enqueue(key)

    # One turn.

    def sync(self, key: str) -> None:
        """Ended Jobs first, then the time that is due."""
        owner = self.crons.get(key)
        if owner is None:
            return
        jobs = self.jobs.indexed("owner", uid_of(owner))
        status = self._follow(owner, jobs)
        if status != (owner.get("status") or Obj()):
            self.update_status(with_(owner, ("status",), status))
            return
        self._clean_up(owner, jobs)
        if is_terminating(owner) or owner["spec"].get("suspend"):
            self.note(act="—", suspended=bool(owner["spec"].get("suspend")))
            return
        try:
            schedule = cron.parse(owner["spec"]["schedule"])
            zone = cron.zone(owner["spec"].get("timeZone"))
        except cron.ScheduleError as error:
            text = f"unparseable schedule: {owner['spec']['schedule']} : {error}"
            self.recorder.event(owner, "Warning", "UnparseableSchedule", text)
            return
        now = to_datetime(self.process.now).astimezone(zone)
        due = self._due(owner, schedule, now)
        if due is not None:
            self._serve(owner, due)
        following = schedule.next_after(now)
        if following is not None:
            wait = (to_ns(following) - self.process.now) / SECOND + DELAY_SECONDS
            self.note(next=timestamp(to_ns(following)))
            self.enqueue_after(key, wait, background=True)

    def _follow(self, owner: Obj, jobs: list[Obj]) -> Obj:
        """The status with ended Jobs taken out, and the last success."""
        status: dict[str, Any] = dict(owner.get("status") or {})
        named = {uid_of(job): job for job in jobs}
        active = []
        for ref in status.get("active") or ():
            job = named.get(ref["uid"])
            if job is None:
                text = f"Active job went missing: {ref['name']}"
                self.recorder.event(owner, "Normal", "MissingJob", text)
            elif is_finished(job):
                word = "Complete" if conditions.is_true(job, "Complete") else "Failed"
                text = f"Saw completed job: {name_of(job)}, condition: {word}"
                self.recorder.event(owner, "Normal", "SawCompletedJob", text)
                end = get(job, "status", "completionTime")
                if word == "Complete" and end:
                    status["lastSuccessfulTime"] = max(end, status.get("lastSuccessfulTime", ""))
            else:
                active.append(ref)
        status.pop("active", None)
        if active:
            status["active"] = active
        return freeze(status)  # type: ignore[no-any-return]

    def _due(self, owner: Obj, schedule: cron.Schedule, now: datetime) -> datetime | None:
        """The most recent time that is not served yet."""
        since = get(owner, "status", "lastScheduleTime") or owner["metadata"]["creationTimestamp"]
        earliest = parse_timestamp(since)
        deadline = owner["spec"].get("startingDeadlineSeconds")
        if deadline is not None:
            earliest = max(earliest, self.process.now - deadline * SECOND)
        moment, due, missed = to_datetime(earliest).astimezone(now.tzinfo), None, -1
        while True:
            following = schedule.next_after(moment)
            if following is None or following > now:
                break
            moment = due = following
            missed += 1
        if missed > TOO_MANY:
            self.recorder.event(owner, "Warning", "TooManyMissedTimes", TOO_MANY_TEXT)
        return due

    def _serve(self, owner: Obj, due: datetime) -> None:
        """Makes the Job of a time, if nothing speaks against it."""
        active = get(owner, "status", "active", default=())
        policy = owner["spec"].get("concurrencyPolicy", "Allow")
        if active and policy == "Forbid":
            self.note(act="skip: the Job before still runs")
            self.recorder.event(owner, "Normal", "JobAlreadyActive", FORBID_TEXT)
            return
        self.process.promote()
        if policy == "Replace":
            for ref in active:
                body = {"propagationPolicy": "Background"}
                space, name = namespace_of(owner), ref["name"]
                self.delete("batch/v1/Job", space, name, "dropped", name, body=body)
        template = owner["spec"]["jobTemplate"]
        name = f"{name_of(owner)}-{to_ns(due) // SECOND // 60}"
        metadata = {
            "name": name,
            "namespace": namespace_of(owner),
            "annotations": {
                **get(template, "metadata", "annotations", default={}),
                SCHEDULED_AT: due.isoformat().replace("+00:00", "Z"),
            },
            "ownerReferences": [reference_to(owner)],
        }
        labels = get(template, "metadata", "labels")
        if labels:
            metadata["labels"] = labels
        made = {
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"],
        }  # fmt: skip
        self.note(act=f"create {name}", due=timestamp(to_ns(due)))
        self.create(freeze(made), "made", timestamp(to_ns(due)))

    def made(self, response: Response, due: str) -> bool:
        """The Job is there: it is active now, and its time is served."""
        owner = self.crons.get(self.key)
        if owner is None:
            return True
        if response.ok:
            job = response.body
            text = f"Created job {name_of(job)}"
            self.recorder.event(owner, "Normal", "SuccessfulCreate", text)
            ref = {
                "apiVersion": "batch/v1", "kind": "Job", "name": name_of(job),
                "namespace": namespace_of(job), "uid": uid_of(job),
                "resourceVersion": job["metadata"]["resourceVersion"],
            }  # fmt: skip
            replaced = owner["spec"].get("concurrencyPolicy") == "Replace"
            held = [] if replaced else list(get(owner, "status", "active", default=()))
            status = {**(owner.get("status") or {}), "active": [*held, ref]}
            self.update_status(with_(owner, ("status",), {**status, "lastScheduleTime": due}))
            return True
        if response.status == 409:
            self.update_status(with_(owner, ("status", "lastScheduleTime"), due))
            return True
        text = f"Error creating job: {response.message}"
        self.recorder.event(owner, "Warning", "FailedCreate", text)
        return False

    def dropped(self, response: Response, name: str) -> None:
        """A Job is deleted: because another replaces it, or because it is history."""
        owner = self.crons.get(self.key)
        if owner is not None and response.ok:
            self.recorder.event(owner, "Normal", "SuccessfulDelete", f"Deleted job {name}")

    def _clean_up(self, owner: Obj, jobs: list[Obj]) -> None:
        """Keeps as many ended Jobs as the history limits say."""
        limits = (
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        )
        for type_, field, default in limits:
            ended = [job for job in jobs if conditions.is_true(job, type_)]
            ended.sort(key=lambda job: (get(job, "status", "startTime", default=""), name_of(job)))
            keep = owner["spec"].get(field, default)
            for job in ended[: max(0, len(ended) - keep)]:
                if not is_terminating(job):
                    body = {"propagationPolicy": "Background"}
                    space, name = namespace_of(job), name_of(job)
                    self.delete("batch/v1/Job", space, name, "dropped", name, body=body)
