"""Time lines: at which virtual second what is told, word for word, from a cluster's first moment.

Each line is the second, the object's kind, the Event's reason and its message. Names that chance
makes are left out.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from kubelab import Cluster
from kubelab.sim.kernel import from_datetime, parse_timestamp

NAME = re.compile(r"(?<=-)([0-9a-f]{8,10}-)?[bcdfghjklmnpqrstvwxz2456789]{5}\b")
TEMPLATE = re.compile(r"\b(web)-[0-9a-f]{8,10}\b")


def job(name: str, image: str = "kubelab/job:1", **spec: Any) -> dict[str, Any]:
    """A Job of one container; `policy` and `env` are its pods'."""
    policy, env = spec.pop("policy", "Never"), spec.pop("env", {})
    container = {
        "name": "main", "image": image,
        "env": [{"name": key, "value": value} for key, value in env.items()],
    }  # fmt: skip
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            **spec, "template": {"spec": {"restartPolicy": policy, "containers": [container]}},
        },
    }  # fmt: skip


def cron(name: str, duration: str, **spec: Any) -> dict[str, Any]:
    """A CronJob of every minute whose Jobs take so long."""
    made = job(name, env={"DURATION": duration})
    return {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": made["spec"]}, **spec},
    }  # fmt: skip


def workload(kind: str, name: str, image: str = "kubelab/http:1", **spec: Any) -> dict[str, Any]:
    """A Deployment, StatefulSet or DaemonSet."""
    return {
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}}, **spec,
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }  # fmt: skip


def line(cluster: Cluster, *kinds: str, since: float = 0) -> list[str]:
    """What was told about objects of some kinds, in the order of its first time."""
    epoch = cluster.world.epoch
    events = [
        event for event in cluster.moment().list("Event", "default")
        if event["involvedObject"]["kind"] in kinds
    ]  # fmt: skip
    rows = []
    for event in events:
        second = (parse_timestamp(event["firstTimestamp"] or event["eventTime"]) - epoch) / 1e9
        if second >= since:
            text = TEMPLATE.sub(r"\1-*", NAME.sub("*", event["message"]))
            about = event["involvedObject"]
            rows.append((int(second), int(event["metadata"]["resourceVersion"]),
                         f"{about['kind']} {event['reason']}: {text}"))  # fmt: skip
    return [f"{second} {text}" for second, _, text in sorted(rows, key=lambda row: row[:2])]


def started(*objects: dict[str, Any], nodes: int = 2) -> Cluster:
    """A cluster in which the objects are made at second 1."""
    cluster = Cluster(nodes, dns=False)
    cluster.run(1)
    cluster.apply(list(objects))
    return cluster


FAILS = "Job has reached the specified backoff limit"


def test_a_job_that_fails_at_once_makes_seven_pods() -> None:
    """10, 20, 40, 80, 160 and 320 s after each end; then the Job has failed."""
    cluster = started(job("bad", "kubelab/crash:1"))
    cluster.run(700)
    begun = [1, 13, 33, 73, 153, 315, 635]
    lines = line(cluster, "Job")
    assert [row.partition(" ")[2] for row in lines[:-1]] == [
        "Job SuccessfulCreate: Created pod: bad-*"
    ] * 7
    seconds = [int(row.partition(" ")[0]) for row in lines[:-1]]
    assert all(abs(one - other) <= 2 for one, other in zip(seconds, begun, strict=True)), seconds
    assert lines[-1].partition(" ")[2] == f"Job BackoffLimitExceeded: {FAILS}"
    assert int(lines[-1].partition(" ")[0]) - seconds[-1] <= 3


def test_a_job_whose_pods_restart_in_place() -> None:
    """Two restarts use up a limit of two: the pod is deleted, and its log with it."""
    cluster = started(job("of", "kubelab/crash:1", policy="OnFailure", backoffLimit=2))
    cluster.run(100)
    assert [row.partition(" ")[2] for row in line(cluster, "Job")] == [
        "Job SuccessfulCreate: Created pod: of-*",
        "Job SuccessfulDelete: Deleted pod: of-*",
        f"Job BackoffLimitExceeded: {FAILS}",
    ]
    assert cluster.list("Pod", "default") == []


def test_the_deadline_of_a_job() -> None:
    """Ten seconds after the Job was made its pod is deleted."""
    cluster = started(job("late", env={"DURATION": "100"}, activeDeadlineSeconds=10))
    cluster.run(60)
    assert line(cluster, "Job") == [
        "1 Job SuccessfulCreate: Created pod: late-*",
        "11 Job SuccessfulDelete: Deleted pod: late-*",
        "11 Job DeadlineExceeded: Job was active longer than specified deadline",
    ]


def test_a_cron_job_makes_a_job_each_minute_and_sees_it_end() -> None:
    """Named after the minute of its time; three of those that succeeded are kept."""
    cluster = started(cron("tick", "1"))
    cluster.run(299)
    minutes = cluster.world.epoch // 60_000_000_000
    lines = line(cluster, "CronJob")
    assert lines[0] == f"60 CronJob SuccessfulCreate: Created job tick-{minutes + 1}"
    text = f"Saw completed job: tick-{minutes + 1}, condition: Complete"
    assert lines[1].endswith(f"CronJob SawCompletedJob: {text}")
    assert f"CronJob SuccessfulDelete: Deleted job tick-{minutes + 1}" in lines[-1]
    assert len(cluster.list("Job", "default")) == 3


def test_forbid_tells_why_no_job_is_made() -> None:
    """The minute that was missed is made up for when the Job before has ended."""
    cluster = started(cron("tick", "90", concurrencyPolicy="Forbid"))
    cluster.run(170)
    text = "Not starting job because prior execution is running and concurrency policy is Forbid"
    lines = line(cluster, "CronJob")
    assert lines[0].startswith("60 CronJob SuccessfulCreate")
    assert lines[1] == f"120 CronJob JobAlreadyActive: {text}"
    assert [row.split(": ")[0].split(" ", 1)[1] for row in lines[2:]] == [
        "CronJob SawCompletedJob", "CronJob SuccessfulCreate",
    ]  # fmt: skip
    assert 152 <= int(lines[2].split()[0]) <= 158


@pytest.fixture(scope="module")
def dead_node() -> Cluster:
    """A node loses its power at second 100; everything runs a replica on it."""
    cluster = started(
        workload("StatefulSet", "db", serviceName="db", replicas=1),
        workload("Deployment", "web", replicas=2), workload("DaemonSet", "ds"),
    )  # fmt: skip
    cluster.run(99)
    node = cluster.get("Pod", "db-0")["spec"]["nodeName"]
    cluster.faults.stop_node(node)
    cluster.run(500)
    return cluster


def test_a_dead_node_loses_its_pods_after_five_minutes(dead_node: Cluster) -> None:
    """Unknown 40 to 55 s after the power is gone, pods marked for deletion 305 s after that."""
    lines = line(dead_node, "Node", "Pod", since=100)
    gone = [row for row in lines if "NodeNotReady" in row]
    second = int(gone[0].split()[0])
    assert 140 <= second <= 155
    assert {row.partition(" ")[2] for row in gone[1:]} == {"Pod NodeNotReady: Node is not ready"}
    marked = [row for row in lines if "TaintManagerEviction" in row]
    assert f"{second + 305} Pod TaintManagerEviction: Marking for deletion Pod default/db-0" in (
        marked
    )
    assert not any("ds-" in row for row in marked)


def test_a_stateful_set_waits_and_a_deployment_does_not(dead_node: Cluster) -> None:
    """db-0 stays Terminating on the dead node; web has its two pods elsewhere."""
    pod = dead_node.get("Pod", "db-0")
    assert pod["metadata"]["deletionTimestamp"]
    assert dead_node.get("Deployment", "web")["status"]["readyReplicas"] == 2
    assert dead_node.get("StatefulSet", "db")["status"].get("readyReplicas", 0) == 0
    (reason,) = [
        (row["reason"], row["message"]) for row in pod["status"]["conditions"]
        if row["type"] == "DisruptionTarget"
    ]  # fmt: skip
    assert reason == (
        "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint",
    )  # fmt: skip


def test_a_node_that_returns_brings_its_stateful_pod_back(dead_node: Cluster) -> None:
    """Its kubelet lets the old pod go; the new one has the same name and another UID."""
    cluster = dead_node.fork()
    old = cluster.get("Pod", "db-0")
    cluster.faults.start_node(old["spec"]["nodeName"])
    cluster.run(60)
    new = cluster.get("Pod", "db-0")
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert cluster.get("StatefulSet", "db")["status"]["readyReplicas"] == 1


def test_a_rollout_without_progress_is_told_after_ten_minutes() -> None:
    """The new ReplicaSet keeps trying; the old pods go on serving."""
    cluster = started(workload("Deployment", "web", replicas=1))
    cluster.run(9)
    begun = from_datetime(cluster.now)
    cluster.kubectl("set image deploy/web c=nginx:missing")
    cluster.run(595)
    held = cluster.get("Deployment", "web")["status"]["conditions"]
    assert [row["reason"] for row in held if row["type"] == "Progressing"] == ["ReplicaSetUpdated"]
    cluster.run(10)
    (row,) = [
        row for row in cluster.get("Deployment", "web")["status"]["conditions"]
        if row["type"] == "Progressing"
    ]  # fmt: skip
    assert (row["status"], row["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert TEMPLATE.sub(r"\1-*", row["message"]) == 'ReplicaSet "web-*" has timed out progressing.'
    waited = (parse_timestamp(row["lastTransitionTime"]) - begun) / 1e9
    assert 600 <= waited <= 603
    assert line(cluster, "Deployment") == [
        "1 Deployment ScalingReplicaSet: Scaled up replica set web-* from 0 to 1",
        "10 Deployment ScalingReplicaSet: Scaled up replica set web-* from 0 to 1",
    ]
    assert cluster.get("Deployment", "web")["status"]["availableReplicas"] == 1


def test_a_failed_daemon_pod_is_replaced_with_growing_pauses() -> None:
    """At once, then after 1 s, 2 s …: the node's back-off."""
    cluster = started(workload("DaemonSet", "ds", "kubelab/sleep:1"), nodes=1)
    cluster.run(9)
    (pod,) = cluster.list("Pod", "default")
    name = pod["metadata"]["name"]
    body = {"status": {"phase": "Failed"}}
    headers = {"Content-Type": "application/merge-patch+json"}
    cluster.request("PATCH", f"/api/v1/namespaces/default/pods/{name}/status", body, headers)
    cluster.run(10)
    text = "Found failed daemon pod default/ds-* on node node-1, will try to kill it"
    assert line(cluster, "DaemonSet") == [
        "1 DaemonSet SuccessfulCreate: Created pod: ds-*",
        f"10 DaemonSet FailedDaemonPod: {text}",
        "10 DaemonSet SuccessfulDelete: Deleted pod: ds-*",
        "10 DaemonSet SuccessfulCreate: Created pod: ds-*",
    ]
