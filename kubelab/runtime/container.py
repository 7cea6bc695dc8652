"""A container as the runtime keeps it: its record, the program in it, who waits for its end.

In Kubernetes: a containerd container with its task, and the shim that stays with it.
"""

from __future__ import annotations

from typing import Any

from kubelab.runtime.cri import (
    CREATED,
    RUNNING,
    ContainerConfig,
    ContainerStatus,
    ImageStatus,
    Sandbox,
)
from kubelab.runtime.process import Process
from kubelab.runtime.session import Session


class Container:
    """One container of one sandbox, from its creation until it is removed."""

    def __init__(
        self, id_: str, sandbox: Sandbox, config: ContainerConfig, image: ImageStatus, now_ns: int
    ) -> None:
        self.id = id_
        self.sandbox = sandbox
        self.config = config
        self.status = ContainerStatus(
            id_, sandbox.id, sandbox.config.uid, config.name, config.attempt, image.name, image.id,
            CREATED, now_ns,
        )  # fmt: skip
        self.program: Any = None
        self.process: Process | None = None
        self.sessions: dict[str, Session] = {}
        self.last_session = 0
        # Calls of StopContainer that are answered when it has ended, and the coming SIGKILL.
        self.waiting: list[tuple[str, int]] = []
        self.kill_timer: int | None = None
        self.kill_ns = 0

    @property
    def running(self) -> bool:
        """Whether its first process runs."""
        return self.status.state == RUNNING

    @property
    def pod(self) -> str:
        """The pod, `namespace/name`."""
        return f"{self.sandbox.config.namespace}/{self.sandbox.config.name}"
