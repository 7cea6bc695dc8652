"""The seam between the kubelet and a container runtime: the calls and the records they exchange.

A call is a message to the component `runtime/<node>` whose verb is the call's name: its first two
arguments are who asks and the number of the call, and the answer comes back as the message
`cri_answered(call_id, Answer)`. Looking (what the PLEG's relist does each second) is a direct read
of `sandboxes` and `statuses(pod_uid)`, since kubelet and runtime share a machine. When a container
ends by itself the runtime sends `changed(pod_uid)` to the kubelet.

In Kubernetes: k8s.io/cri-api/pkg/apis/runtime/v1 (RuntimeService, ImageService). Left out: the
streaming of logs, checkpoints, and updates of resources in place.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from kubelab.network.interfaces import HostPort
from kubelab.sim.tree import EMPTY, Obj

CREATED = "created"
RUNNING = "running"
EXITED = "exited"


class Mount(NamedTuple):
    """A volume of the node's disk, or with `sub_path` a part of it, at a path in the container."""

    container_path: str
    host_path: str
    read_only: bool = False
    sub_path: str = ""


class SandboxConfig(NamedTuple):
    """What a pod sandbox is made for; `attempt` counts the sandboxes of one pod from 0."""

    namespace: str
    name: str
    uid: str
    attempt: int = 0
    host_network: bool = False
    hostname: str = ""
    resolv_conf: Obj = EMPTY
    annotations: Obj = EMPTY
    share_process_ids: bool = False
    host_ports: tuple[HostPort, ...] = ()


class Sandbox(NamedTuple):
    """A pod sandbox: the network namespace with its address that a pod's containers share."""

    id: str
    config: SandboxConfig
    ready: bool
    ip: str
    created_ns: int
    # The pod's address of the second family, where the cluster has one.
    more_ips: tuple[str, ...] = ()

    @property
    def ips(self) -> tuple[str, ...]:
        """All addresses of the pod, the main one first."""
        return (self.ip, *self.more_ips)


class ContainerConfig(NamedTuple):
    """What a container is made of; `attempt` counts the containers of one name from 0."""

    name: str
    image: str
    attempt: int = 0
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[tuple[int, str], ...] = ()
    memory_limit_bytes: int = 0
    read_only_root: bool = False
    working_dir: str = ""
    stop_signal: str = ""
    # Whether input is kept open, only for the first who attaches, and whether it is a terminal.
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


class ContainerStatus(NamedTuple):
    """What is known of a container; times are 0 where nothing happened yet.

    `log_tail` and `termination_message` are filled in when the container has exited.
    """

    id: str
    sandbox_id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    image_id: str
    state: str
    created_ns: int
    started_ns: int = 0
    finished_ns: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    log_tail: str = ""


class ImageStatus(NamedTuple):
    """An image on the node: its full name, its digest as an id, its size.

    `names` are the spellings under which it was brought to the node, where it was not pulled.
    """

    name: str
    id: str
    size_bytes: int
    names: tuple[str, ...] = ()


class ExecResult(NamedTuple):
    """The end of a command run in a container."""

    exit_code: int
    output: str
    stdout: str = ""
    stderr: str = ""


class Answer(NamedTuple):
    """The answer to a call: a value, or the runtime's error in its own words."""

    ok: bool
    value: Any = None
    error: str = ""


class RuntimeService(Protocol):
    """The calls of the CRI; each is answered by `cri_answered(call_id, Answer)` to `caller`."""

    def run_pod_sandbox(self, caller: str, call_id: int, config: SandboxConfig) -> None:
        """Makes a sandbox and its network; answers with the Sandbox."""

    def stop_pod_sandbox(self, caller: str, call_id: int, sandbox_id: str) -> None:
        """Ends all that runs in a sandbox and takes its address back; may be repeated."""

    def remove_pod_sandbox(self, caller: str, call_id: int, sandbox_id: str) -> None:
        """Forgets a sandbox and its containers."""

    def image_status(self, caller: str, call_id: int, image: str) -> None:
        """Answers with the ImageStatus of an image on the node, or None."""

    def pull_image(self, caller: str, call_id: int, image: str) -> None:
        """Fetches an image from its registry; answers with the ImageStatus."""

    def create_container(
        self, caller: str, call_id: int, sandbox_id: str, config: ContainerConfig
    ) -> None:
        """Makes a container in a sandbox; answers with its id."""

    def start_container(self, caller: str, call_id: int, container_id: str) -> None:
        """Starts a created container."""

    def stop_container(
        self, caller: str, call_id: int, container_id: str, timeout_seconds: float
    ) -> None:
        """Asks the program to end, kills it after the time; answers when it has ended."""

    def remove_container(self, caller: str, call_id: int, container_id: str) -> None:
        """Forgets a container; one that runs is killed."""

    def exec_sync(
        self, caller: str, call_id: int, container_id: str, command: tuple[str, ...]
    ) -> None:
        """Runs a command in a container; answers with its ExecResult."""

    def exec(
        self,
        caller: str,
        call_id: int,
        container_id: str,
        command: tuple[str, ...],
        stdin: str = "",
    ) -> None:
        """The same with input, for a person; answers with the ExecResult as well."""
