"""One container from nothing to running: image, configuration, creation, start, postStart hook.

Each step's answer begins the next one; a step that fails ends it with the waiting reason that the
pod's status shows. The pod's worker goes on with the next container afterwards.

In Kubernetes: pkg/kubelet/kuberuntime/kuberuntime_container.go (startContainer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api import quantity
from kubelab.api.objects import EMPTY, NOTHING, Obj, get
from kubelab.kubelet import actions, env, hooks, volumes
from kubelab.kubelet.imagepuller import Failure
from kubelab.runtime.cri import Answer, ContainerConfig

if TYPE_CHECKING:
    from kubelab.kubelet.podworker import PodWorker

# Dead containers of one name that are kept beside the newest, so that their end can be seen.
KEPT = 1


class Starting:
    """The container of a pod that is being started now."""

    def __init__(self, worker: PodWorker) -> None:
        self.worker = worker
        self.name = ""
        self.container: Obj = EMPTY
        self.field_path = ""
        self.container_id = ""
        # The image as the manifest named it, by container id.
        self.images: dict[str, str] = {}

    def begin(self, name: str) -> None:
        """Starts a container of this name."""
        worker = self.worker
        found = actions.find(worker.pod, name)
        assert found is not None
        self.name, (self.container, self.field_path) = name, found
        worker.kubelet.note(pod=worker.key, starts=name)
        worker.kubelet.images.ensure(worker, self.container, self.field_path, "starting.imaged")

    def imaged(self, answer: Answer) -> None:
        """The image is on the node, or will not be for now."""
        worker = self.worker
        if not answer.ok:
            failure = answer.value
            if isinstance(failure, Failure):
                if failure.reason not in ("InspectFailed",):
                    text = f"Error: {failure.reason}"
                    worker.event("Warning", "Failed", text, self.field_path)
                worker.failed(self.name, failure.reason, failure.message, failure.retry_ns)
            else:
                worker.failed(self.name, "ImageInspectError", answer.error)
            return
        refs = env.refs(worker.pod, self.container)
        if worker.kubelet.objects.fetch(worker, refs, "starting.configured"):
            self.configured()

    def configured(self) -> None:
        """What the environment is made of is here: the container is created."""
        worker = self.worker
        sandbox = worker.sandbox
        try:
            config = self.config()
        except env.ConfigError as error:
            worker.event("Warning", "Failed", f"Error: {error}", self.field_path)
            worker.failed(self.name, "CreateContainerConfigError", str(error))
            return
        assert sandbox is not None
        worker.kubelet.cri(worker, "starting.created", "create_container", sandbox.id, config)

    def config(self) -> ContainerConfig:
        """What the container is made of. Raises ConfigError."""
        worker, container = self.worker, self.container
        kubelet = worker.kubelet
        variables = env.build(
            worker.pod, container, kubelet.services, kubelet.objects, worker.mounting.context()
        )
        known = dict(variables)
        newest = worker.newest().get(self.name)
        limit = get(container, "resources", "limits", "memory")
        return ContainerConfig(
            name=self.name,
            image=container["image"],
            attempt=newest.attempt + 1 if newest is not None else self._attempts_before(),
            command=tuple(env.expand(word, known) for word in container.get("command") or ()),
            args=tuple(env.expand(word, known) for word in container.get("args") or ()),
            env=variables,
            mounts=volumes.mounts(worker.pod, container, worker.mounting.places),
            ports=tuple(
                (port["containerPort"], port.get("protocol", "TCP"))
                for port in get(container, "ports", default=NOTHING)
            ),
            memory_limit_bytes=quantity.value(limit) if limit is not None else 0,
            read_only_root=bool(
                get(container, "securityContext", "readOnlyRootFilesystem", default=False)
            ),
            working_dir=container.get("workingDir", ""),
            stop_signal=get(container, "lifecycle", "stopSignal", default=""),
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")),
            tty=bool(container.get("tty")),
        )

    def _attempts_before(self) -> int:
        """The attempt of a container of which the runtime knows nothing: as the status says."""
        status = self.worker.writer.status
        for field in ("containerStatuses", "initContainerStatuses"):
            for row in get(status, field, default=NOTHING):
                if row["name"] == self.name and row.get("containerID"):
                    return int(row.get("restartCount", 0)) + 1
        return 0

    def created(self, answer: Answer) -> None:
        """The container is there; it is started."""
        worker = self.worker
        if not answer.ok:
            worker.event("Warning", "Failed", f"Error: {answer.error}", self.field_path)
            worker.failed(self.name, "CreateContainerError", answer.error)
            return
        self.container_id = answer.value
        self.images[answer.value] = self.container["image"]
        worker.event("Normal", "Created", "Container created", self.field_path)
        worker.kubelet.cri(worker, "starting.started", "start_container", answer.value)

    def started(self, answer: Answer) -> None:
        """The program runs, or there is none."""
        worker = self.worker
        if not answer.ok:
            worker.event("Warning", "Failed", f"Error: {answer.error}", self.field_path)
            worker.failed(self.name, "RunContainerError", answer.error, 1_000_000_000)
            return
        worker.waiting.pop(self.name, None)
        worker.tried(self.name)
        worker.event("Normal", "Started", "Container started", self.field_path)
        worker.progressed()
        self._drop_old()
        hook = get(self.container, "lifecycle", "postStart")
        record = worker.newest().get(self.name)
        if hook is not None and record is not None and record.state == "running":
            hooks.run(worker, hook, self.container, record, "starting.hooked")
            return
        self._done()

    def hooked(self, answer: Answer) -> None:
        """The postStart hook has ended; if it failed, the container is killed."""
        worker = self.worker
        if hooks.succeeded(answer):
            self._done()
            return
        worker.event("Warning", "FailedPostStartHook", "PostStartHook failed", self.field_path)
        record = worker.newest().get(self.name)
        if record is not None:
            worker.stopping.begin(
                record, "FailedPostStartHook", worker.stopping.grace(None), "starting.unhooked"
            )

    def unhooked(self, *_: Any) -> None:
        """The container whose hook failed is gone."""
        self.worker.failed(self.name, "PostStartHookError", "PostStartHook failed")

    def _done(self) -> None:
        self.worker.report()
        self.worker.advance()

    def _drop_old(self) -> None:
        """Removes dead containers beyond those that are kept."""
        worker = self.worker
        same = [record for record in worker.records() if record.name == self.name]
        for record in same[: max(0, len(same) - 1 - KEPT)]:
            self.images.pop(record.id, None)
            worker.kubelet.cri(worker, "starting.dropped", "remove_container", record.id)

    def dropped(self, answer: Answer) -> None:
        """A dead container is removed."""
