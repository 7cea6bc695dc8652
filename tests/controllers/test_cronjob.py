"""The CronJob controller alone, and schedules."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from kubelab.api.objects import get, name_of
from kubelab.controllers import cron
from kubelab.controllers.cronjob import CronJobController
from tests.controllers.stub import Scene, template


class Crons(Scene):
    """A CronJob `tick` of every minute, beginning at second 0.1 of a minute."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(CronJobController)
        self.make({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"},
            "spec": {
                "schedule": "* * * * *", "concurrencyPolicy": "Allow",
                "jobTemplate": {"spec": {"template": template()}}, **spec,
            },
        })  # fmt: skip

    def jobs(self) -> list[str]:
        return [
            name_of(job)
            for job in self.list("jobs")
            if not job["metadata"].get("deletionTimestamp")
        ]

    def end(self, name: str, type_: str = "Complete") -> None:
        status = {
            "startTime": self.server.timestamp, "completionTime": self.server.timestamp,
            "conditions": [{"type": type_, "status": "True"}],
        }  # fmt: skip
        self.change("jobs", f"default/{name}", ("status",), status)
        self.run(0.5)

    @property
    def status(self) -> dict[str, Any]:
        return self.get("cronjobs", "default/tick").get("status", {})  # type: ignore[no-any-return]


def test_a_job_at_the_full_minute_named_after_it() -> None:
    """Within 0.2 s of the minute; the name is the minute since 1970."""
    scene = Crons()
    scene.run(59.5)
    assert scene.jobs() == []
    scene.run(1)
    (name,) = scene.jobs()
    minute = int(datetime(2026, 1, 1, 0, 1, tzinfo=timezone.utc).timestamp()) // 60
    assert name == f"tick-{minute}"
    notes = scene.get("jobs", f"default/{name}")["metadata"]["annotations"]
    assert notes == {"batch.kubernetes.io/cronjob-scheduled-timestamp": "2026-01-01T00:01:00Z"}
    assert scene.status["active"][0]["name"] == name
    assert scene.status["lastScheduleTime"] == "2026-01-01T00:01:00Z"
    assert scene.events("tick") == [f"SuccessfulCreate Created job {name}"]


def test_an_ended_job_is_seen() -> None:
    """It leaves the active list, and a success is dated."""
    scene = Crons()
    scene.run(61)
    (name,) = scene.jobs()
    scene.end(name)
    assert "active" not in scene.status
    assert scene.status["lastSuccessfulTime"] == "2026-01-01T00:01:01Z"
    assert scene.events("tick")[-1] == (
        f"SawCompletedJob Saw completed job: {name}, condition: Complete"
    )


def test_forbid_waits_for_the_job_before() -> None:
    """While one runs no other is made; an Event says so."""
    scene = Crons(concurrencyPolicy="Forbid")
    scene.run(121)
    assert len(scene.jobs()) == 1
    assert scene.events("tick")[-1].startswith("JobAlreadyActive Not starting job because prior")


def test_replace_deletes_the_job_before() -> None:
    """The running Job makes room for the next."""
    scene = Crons(concurrencyPolicy="Replace")
    scene.run(61)
    (first,) = scene.jobs()
    scene.run(60)
    (second,) = scene.jobs()
    assert first != second
    assert f"SuccessfulDelete Deleted job {first}" in scene.events("tick")


def test_of_missed_times_only_the_last_is_made_up_for() -> None:
    """Suspended for five minutes: one Job afterwards."""
    scene = Crons(suspend=True)
    scene.run(300.5)
    assert scene.jobs() == []
    scene.change("cronjobs", "default/tick", ("spec", "suspend"), False)
    scene.run(1)
    assert len(scene.jobs()) == 1


def test_a_time_that_is_too_old_is_not_served() -> None:
    """startingDeadlineSeconds 10: half a minute late is too late."""
    scene = Crons(suspend=True, startingDeadlineSeconds=10)
    scene.run(90)
    scene.change("cronjobs", "default/tick", ("spec", "suspend"), False)
    scene.run(1)
    assert scene.jobs() == []
    scene.run(30)
    assert len(scene.jobs()) == 1


def test_history_keeps_three_successes_and_one_failure() -> None:
    """Older Jobs are deleted."""
    scene = Crons()
    for turn in range(8):
        scene.run(60)
        for job in scene.list("jobs"):
            if not get(job, "status", "conditions"):
                scene.end(name_of(job), "Failed" if turn % 2 else "Complete")
    assert len(scene.jobs()) == 4


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("schedule", "after", "wanted"),
    [
        ("*/15 * * * *", "2026-01-01 00:16", "2026-01-01 00:30"),
        ("0 3 * * mon", "2026-01-01 00:00", "2026-01-05 03:00"),
        ("0 0 13 * 5", "2026-01-01 00:00", "2026-01-02 00:00"),
        ("30 4 1,15 * *", "2026-01-01 05:00", "2026-01-15 04:30"),
        ("0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"),
        ("@hourly", "2026-01-01 00:00", "2026-01-01 01:00"),
        ("5-10/2 8 * jan-mar *", "2026-04-01 00:00", "2027-01-01 08:05"),
    ],
)
def test_the_next_time_of_a_schedule(schedule: str, after: str, wanted: str) -> None:
    """Steps, ranges, names, lists, leap days; restricted days of both sorts are alternatives."""
    assert cron.parse(schedule).next_after(moment(after)) == moment(wanted)


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *"]
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    """Wrong counts, bounds and words."""
    with pytest.raises(cron.ScheduleError):
        cron.parse(text)
