"""How a pod comes up: order, times, Events and status, word for word."""

from __future__ import annotations

from tests.kubelet.stub import Lab

APP = {"name": "app", "image": "nginx:1.27"}


def test_a_pod_runs_after_sandbox_pull_create_and_start() -> None:
    """Sandbox 0.3 s, pull 2 s, create and start 0.1 s each; every step has its Event."""
    lab = Lab()
    lab.pod(APP)
    lab.run(20)
    assert lab.phases() == [(0.002, "Pending"), (2.516, "Running")]
    assert lab.states() == [(0.002, "ContainerCreating 0"), (2.516, "Running 0 ready")]
    size = lab.runtime.images.get("nginx:1.27")
    assert size is not None
    pulled = (
        'Successfully pulled image "nginx:1.27" in 2.002s (2.004s including waiting). '
        f"Image size: {size.size_bytes} bytes."
    )
    assert lab.happened() == [
        (0.308, "Pulling", 'Pulling image "nginx:1.27"'),
        (2.31, "Pulled", pulled),
        (2.414, "Created", "Container created"),
        (2.516, "Started", "Container started"),
    ]


def test_the_status_of_a_running_pod() -> None:
    """The five conditions stand in Kubernetes' order, and the container says what it runs."""
    lab = Lab()
    lab.pod({**APP, "resources": {"requests": {"cpu": "100m"}}})
    lab.run(20)
    status = lab.status()
    rows = [(row["type"], row["status"]) for row in status["conditions"]]
    names = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
    assert rows == [(name, "True") for name in names]
    assert all(row["observedGeneration"] == 1 for row in status["conditions"])
    assert (status["hostIP"], status["podIP"]) == ("192.168.0.11", "10.244.1.2")
    assert status["qosClass"] == "Burstable"
    container = status["containerStatuses"][0]
    assert container["image"] == "docker.io/library/nginx:1.27"
    assert container["imageID"].startswith("docker.io/library/nginx@sha256:")
    assert len(container["containerID"]) == len("containerd://") + 64
    assert container["allocatedResources"] == {"cpu": "100m"}


def test_the_address_is_there_before_the_image() -> None:
    """PodReadyToStartContainers and the pod's address are reported before images are pulled."""
    lab = Lab()
    lab.pod(APP)
    lab.at(1)
    assert lab.status()["podIP"] == "10.244.1.2"
    assert lab.status()["conditions"][0]["status"] == "True"
    assert lab.status()["phase"] == "Pending"


def test_containers_start_one_after_the_other() -> None:
    """Each container's pull, create and start end before the next container begins."""
    lab = Lab()
    lab.pod(APP, {"name": "two", "image": "redis:7"})
    lab.run(20)
    reasons = [reason for _, reason, _ in lab.happened()]
    assert reasons == ["Pulling", "Pulled", "Created", "Started"] * 2


def test_init_containers_run_in_order_and_sidecars_run_on() -> None:
    """A plain init container must end with 0, a sidecar only start, before the next begins."""
    init = [
        {"name": "one", "image": "busybox:1", "command": ["sh", "-c", "sleep 2"]},
        {
            "name": "side",
            "image": "busybox:1",
            "command": ["sleep", "99"],
            "restartPolicy": "Always",
        },
        {"name": "two", "image": "busybox:1", "command": ["true"]},
    ]
    lab = Lab()
    lab.pod(APP, initContainers=init)
    lab.at(3)
    condition = lab.status()["conditions"][1]
    assert condition["reason"] == "ContainersNotInitialized"
    assert condition["message"] == "containers with incomplete status: [one side two]"
    lab.run(20)
    assert lab.states("one") == [
        (0.002, "PodInitializing 0"), (2.516, "Running 0"), (5.001, "Completed 0 ready"),
    ]  # fmt: skip
    assert lab.states("side")[1:] == [(5.207, "Running 0 ready")]
    assert lab.states("two")[1:] == [(5.413, "Completed 0 ready")]
    assert lab.states("app") == [(0.002, "PodInitializing 0"), (7.623, "Running 0 ready")]


def test_a_failing_init_container_fails_a_pod_that_never_restarts() -> None:
    """With restartPolicy Never a failed init container makes the pod Failed; the app never ran."""
    lab = Lab()
    lab.pod(
        APP,
        restartPolicy="Never",
        initContainers=[{"name": "one", "image": "busybox:1", "command": ["false"]}],
    )
    lab.run(20)
    assert lab.phases() == [(0.002, "Pending"), (3.003, "Failed")]
    assert lab.states("app") == [(0.002, "PodInitializing 0")]


def test_a_missing_config_map_as_volume_keeps_the_pod_waiting() -> None:
    """FailedMount is retried after 0.5, 1, 2, 4 … s; when the object is there the pod goes on."""
    lab = Lab()
    mount = {"name": "cfg", "mountPath": "/cfg"}
    volume = {"name": "cfg", "configMap": {"name": "app"}}
    lab.pod({**APP, "volumeMounts": [mount]}, volumes=[volume])
    lab.at(5)
    message = 'MountVolume.SetUp failed for volume "cfg" : configmap "app" not found'
    assert lab.happened() == [(t, "FailedMount", message) for t in (0.004, 0.506, 1.508, 3.51)]
    assert lab.states() == [(0.002, "ContainerCreating 0")]
    lab.config_map("app", {"key": "value"})
    lab.run(20)
    assert lab.phases()[-1] == (10.026, "Running")
    files = lab.runtime.disk.volumes
    assert list(files.values()) == [{"key": "value"}]


def test_changed_configuration_reaches_the_files() -> None:
    """A ConfigMap that changes reaches mounted files at the pod's next resync, not before."""
    lab = Lab()
    lab.config_map("app", {"key": "old"})
    volume = {"name": "cfg", "configMap": {"name": "app"}}
    lab.pod({**APP, "volumeMounts": [{"name": "cfg", "mountPath": "/cfg"}]}, volumes=[volume])
    lab.at(10)
    lab.config_map("app", {"key": "new"})
    lab.at(50)
    assert list(lab.runtime.disk.volumes.values()) == [{"key": "old"}]
    lab.at(70)
    assert list(lab.runtime.disk.volumes.values()) == [{"key": "new"}]


def test_an_unknown_kind_of_volume_is_refused_in_words() -> None:
    """A volume that is not modelled keeps its pod waiting with an Event, never silently empty."""
    lab = Lab()
    lab.pod(APP, volumes=[{"name": "v", "nfs": {"server": "a", "path": "/"}}])
    lab.at(0.3)
    assert lab.happened() == [
        (
            0.002, "FailedMount",
            'MountVolume.SetUp failed for volume "v" : '
            "volumes of the kind nfs are not part of this lab",
        )
    ]  # fmt: skip


def test_a_missing_config_map_for_the_environment() -> None:
    """CreateContainerConfigError is retried every 10 s and heals by itself."""
    lab = Lab()
    source = {"configMapKeyRef": {"name": "app", "key": "k"}}
    lab.pod({**APP, "env": [{"name": "A", "valueFrom": source}]})
    lab.at(15)
    waiting = lab.status()["containerStatuses"][0]["state"]["waiting"]
    assert waiting["reason"] == "CreateContainerConfigError"
    assert waiting["message"] == 'configmap "app" not found'
    text = 'Error: configmap "app" not found'
    assert lab.happened("Failed") == [(2.314, "Failed", text), (12.318, "Failed", text)]
    lab.config_map("app", {"other": "v"})
    lab.at(25)
    waiting = lab.status()["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"] == "couldn't find key k in ConfigMap default/app"
    lab.config_map("app", {"k": "v"})
    lab.run(20)
    assert lab.phases()[-1][1] == "Running"


def test_the_node_refuses_what_it_has_no_room_for() -> None:
    """A pod bound by hand that asks for too much is Failed with the reason, and gets no sandbox."""
    lab = Lab()
    lab.pod({**APP, "resources": {"requests": {"cpu": "3"}}}, name="first")
    path = lab.pod({**APP, "resources": {"requests": {"cpu": "2"}}})
    lab.run(5)
    message = "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000"
    assert (0.002, "OutOfcpu", message) in lab.happened()
    status = lab.status(path)
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    assert status["message"] == f"Pod was rejected: {message}"
    assert len(lab.runtime.sandboxes) == 1


def test_host_network_has_the_address_of_the_node() -> None:
    """A pod with hostNetwork needs no pod network and has the node's address."""
    lab = Lab(pod_cidr="")
    lab.pod(APP, hostNetwork=True)
    lab.run(5)
    assert lab.status()["podIP"] == "192.168.0.11"


def test_without_a_network_pods_wait() -> None:
    """Until the node has a pod network its pods wait and say so; then they go on at once."""
    lab = Lab(pod_cidr="")
    lab.pod(APP)
    lab.at(5)
    assert [reason for _, reason, _ in lab.happened()] == ["NetworkNotReady"]
    node = lab.api.objects["/api/v1/nodes/node-1"]
    spec = {**node, "spec": {"podCIDR": "10.244.7.0/24"}}
    lab.put("/api/v1/nodes/node-1", spec)
    lab.at(10)
    assert lab.status()["podIP"] == "10.244.7.2"


def test_missing_pull_secrets_are_told() -> None:
    """A pull secret that is not there is told of, and the pod starts all the same."""
    lab = Lab()
    lab.config_map("there", {}, "Secret")
    lab.pod(APP, imagePullSecrets=[{"name": "there"}, {"name": "regcred"}])
    lab.run(10)
    text = (
        "Unable to retrieve some image pull secrets (regcred); "
        "attempting to pull the image may not succeed."
    )
    assert lab.happened()[0][1:] == ("FailedToRetrieveImagePullSecret", text)
    assert lab.phases()[-1][1] == "Running"
