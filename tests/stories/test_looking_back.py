"""Forks, rewinds and looks back over a whole cluster: exact, and without moving it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubelab import Cluster
from kubelab.api.objects import name_of
from tests.sim.test_history import changeable

MANIFEST = Path(__file__).parent.parent / "manifests" / "guestbook.yaml"


@pytest.fixture(scope="module")
def story() -> Cluster:
    """A guestbook that has lived through a fault."""
    c = Cluster(nodes=3, seed=5)
    c.apply(MANIFEST)
    c.settle()
    c.delete("pod", name_of(c.list("Pod", "default")[0]))
    c.faults.stop("kubelet/node-2")
    c.run(20)
    c.faults.start("kubelet/node-2")
    c.run(10)
    return c


@settings(max_examples=25)
@given(data=st.data())
def test_a_fork_at_any_event_goes_on_as_the_original(story: Cluster, data: st.DataObject) -> None:
    """Rewound to any event, two forks given the same calls have the same trace, byte for byte."""
    full = list(story.trace)
    at = data.draw(st.integers(1, len(full)))
    original = story.fork()
    original.rewind(at)
    assert list(original.trace) == full[:at]
    twin = original.fork()
    calls = data.draw(st.lists(st.sampled_from(["run", "step", "delete", "apply"]), max_size=3))
    for c in (original, twin):
        for call in calls:
            if call == "run":
                c.run(3.5)
            elif call == "step":
                c.step(17)
            elif call == "delete":
                c.request("DELETE", "/api/v1/namespaces/default/services/frontend")
            else:
                c.request("POST", "/api/v1/namespaces", {"metadata": {"name": "shop"}})
        c.run(5)
    assert "".join(map(repr, original.trace)) == "".join(map(repr, twin.trace))
    assert list(story.trace) == full, "looking and forking leave the original alone"


@settings(max_examples=15)
@given(data=st.data())
def test_rewound_without_new_calls_the_future_is_the_same(
    story: Cluster, data: st.DataObject
) -> None:
    """From the last call on, a rewound cluster runs into the very future that it came from."""
    last_call = max(event.id for event in story.trace if event.cause is None)
    at = data.draw(st.integers(last_call, len(story.trace)))
    again = story.fork()
    again.rewind(at)
    again.run(120)
    forward = story.fork()
    forward.run(120)
    size = min(len(again.trace), len(forward.trace))
    assert size > len(story.trace)
    assert again.trace[:size] == forward.trace[:size]


def test_nothing_changeable_is_shared(story: Cluster) -> None:
    """No container that can change is reachable from both a cluster's world and its fork's."""
    twin = story.fork()
    mine = {id(part) for part in changeable(story.world)}
    shared = [type(part).__name__ for part in changeable(twin.world) if id(part) in mine]
    assert shared == []


def test_looking_back_moves_nothing(story: Cluster) -> None:
    """`at`, `why`, `tell` and `explain` show the past; neither time nor trace nor store move."""
    before = (story.now, len(story.trace), story.moment().revision)
    pods = [
        len(story.at(event=event.id).list("Pod", "default"))
        for event in story.trace[:: max(1, len(story.trace) // 40)]
    ]
    assert pods[0] == 0 and max(pods) >= 6
    assert sorted(set(pods))[0] == 0
    pod = name_of(story.moment().list("Pod", "default")[-1])
    assert story.why(f"pod/{pod}")[0].cause is None
    assert story.scheduler.explain(f"default/{pod}").to_dict()["node"]
    assert (story.now, len(story.trace), story.moment().revision) == before


def test_an_object_as_it_was(story: Cluster) -> None:
    """At each revision of its own, an object is as it was; before the first it is not there."""
    deployment = story.moment().get("Deployment", "frontend")
    kvs = story.at(revision=story.moment().revision).keys("/registry/deployments/")
    born = next(kv.create_revision for kv in kvs if kv.key.endswith(b"/frontend"))
    with pytest.raises(Exception, match="not found"):
        story.at(revision=born - 1).get("Deployment", "frontend")
    first = story.at(revision=born).get("Deployment", "frontend")
    assert first["metadata"]["uid"] == deployment["metadata"]["uid"]
    assert "observedGeneration" not in first.get("status", {})


def test_the_past_outlives_compaction() -> None:
    """The store forgets what is older than five minutes; `at` still shows it, from the trace."""
    c = Cluster(nodes=1)
    c.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}
    )
    first = c.moment().revision
    c.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "2"}}
    )
    c.run(1000)
    response = c.request(
        "GET", f"/api/v1/configmaps?resourceVersion={first}&resourceVersionMatch=Exact"
    )
    assert response.status == 410
    assert c.at(revision=first).get("ConfigMap", "a")["data"] == {"k": "1"}


def test_conditions_of_kubectl(story: Cluster) -> None:
    """`run_until` understands kubectl's `--for` grammar, and says no at the time-out."""
    c = story.fork()
    assert c.run_until("deployment/frontend condition=Available", timeout=60)
    assert c.run_until("deployment/frontend jsonpath={.status.readyReplicas}=3", timeout=60)
    pod = name_of(c.list("Pod", "default")[0])
    c.delete("pod", pod)
    assert c.run_until(f"pod/{pod} delete", timeout=60)
    before = c.now
    assert not c.run_until("pod/nobody condition=Ready", timeout=5)
    assert (c.now - before).total_seconds() == 5
    assert c.run_until(lambda c: len(c.list("Pod", "default")) == 6, timeout=30)
