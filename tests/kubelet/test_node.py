"""The node: its registration, its conditions, its lease."""

from __future__ import annotations

from kubelab.api.objects import Obj, get
from kubelab.sim.kernel import SECOND
from tests.kubelet.stub import NODE, Lab

PATH = f"/api/v1/nodes/{NODE}"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{NODE}"


def conditions(lab: Lab) -> list[tuple[str, str, str, str]]:
    """The node's conditions as the API server has them."""
    rows = lab.api.objects[PATH]["status"]["conditions"]
    return [(row["type"], row["status"], row["reason"], row["message"]) for row in rows]


def node_events(lab: Lab) -> list[tuple[str, str]]:
    """Reason and message of the Events about the node."""
    events = [event for _, event in lab.api.events]
    return [(e["reason"], e["message"]) for e in events if e["involvedObject"]["kind"] == "Node"]


def test_a_node_with_a_network_is_ready() -> None:
    """The node registers with its labels and addresses; its conditions are in Kubernetes' order."""
    lab = Lab()
    node = lab.api.objects[PATH]
    assert conditions(lab) == [
        (
            "MemoryPressure", "False", "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        (
            "PIDPressure", "False", "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]  # fmt: skip
    labels = node["metadata"]["labels"]
    assert (labels["kubernetes.io/hostname"], labels["kubernetes.io/os"]) == (NODE, "linux")
    assert node["status"]["addresses"] == [
        {"type": "InternalIP", "address": "192.168.0.11"},
        {"type": "Hostname", "address": NODE},
    ]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.2"
    assert node["status"]["allocatable"]["cpu"] == "4"


def test_a_node_waits_for_its_network() -> None:
    """Without a podCIDR the node is not ready and says why; with one it is, and says so."""
    lab = Lab(pod_cidr="")
    kind, state, reason, message = conditions(lab)[-1]
    assert (kind, state, reason) == ("Ready", "False", "KubeletNotReady")
    assert message.startswith("container runtime network not ready: NetworkReady=false reason:Netw")
    node = lab.api.objects[PATH]
    lab.put(PATH, {**node, "spec": {"podCIDR": "10.244.3.0/24"}})
    lab.run(1)
    assert conditions(lab)[-1][1:3] == ("True", "KubeletReady")
    assert node_events(lab)[-1] == ("NodeReady", f"Node {NODE} status is now: NodeReady")


def test_how_a_node_introduces_itself() -> None:
    """A kubelet's first Events about its node."""
    lab = Lab()
    names = ("NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID")
    assert node_events(lab)[:4] == [
        ("Starting", "Starting kubelet."),
        *((name, f"Node {NODE} status is now: {name}") for name in names),
    ]


def test_a_given_manifest_keeps_what_it_says() -> None:
    """Capacity, allocatable and labels of a given Node are kept as they are."""
    status = {"capacity": {"cpu": "64", "pods": "9"}, "allocatable": {"cpu": "63", "pods": "9"}}
    lab = Lab(status=status)
    node = lab.api.objects[PATH]
    assert node["status"]["capacity"] == status["capacity"]
    assert node["status"]["allocatable"] == status["allocatable"]


def test_the_lease_is_renewed_every_ten_seconds() -> None:
    """The heartbeat is the Lease; a status that stays the same is sent every 5 minutes."""
    lab = Lab()
    before = len(lab.api.requests)
    lab.run(301)
    later = lab.api.requests[before:]
    renewals = [request for request in later if request.path == LEASE]
    reports = [request for request in later if request.path == f"{PATH}/status"]
    assert (len(renewals), len(reports)) == (30, 1)
    spec = lab.api.objects[LEASE]["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == (NODE, 40)


def test_heartbeats_are_nothing_to_wait_for() -> None:
    """A kubelet without pods has only periodic work."""
    lab = Lab()
    assert lab.world.idle_until() is None


def test_a_node_that_is_there_is_taken_over() -> None:
    """A kubelet that is started again finds its node, and sets its status anew."""
    lab = Lab()
    created: Obj = lab.api.objects[PATH]
    lab.world.halt(f"kubelet/{NODE}")
    lab.run(100)
    lab.world.begin(f"kubelet/{NODE}")
    lab.run(20)
    assert conditions(lab)[-1][1] == "True"
    beat = get(lab.api.objects[PATH], "status", "conditions", 3, "lastHeartbeatTime")
    assert beat > created["status"]["conditions"][3]["lastHeartbeatTime"]


def test_a_full_disk_is_pressure() -> None:
    """A full disk is told as DiskPressure at the next look, within ten seconds."""
    lab = Lab()
    lab.runtime.fill_disk()
    lab.run(10)
    kind, state, reason, message = conditions(lab)[1]
    assert (kind, state, reason) == ("DiskPressure", "True", "KubeletHasDiskPressure")
    assert message == "kubelet has disk pressure"
    assert lab.world.now < lab.begin + 11 * SECOND


def test_a_runtime_that_is_down() -> None:
    """Without its runtime the node is not ready."""
    lab = Lab()
    lab.world.halt(f"runtime/{NODE}")
    lab.run(10)
    assert conditions(lab)[-1] == (
        "Ready", "False", "KubeletNotReady", "container runtime is down",
    )  # fmt: skip
