"""The calls of the CRI: times, answers, errors, and what survives."""

from __future__ import annotations

from kubelab.runtime.cri import ContainerConfig, Mount, SandboxConfig
from kubelab.sim.kernel import SECOND
from tests.runtime.machine import Machine


def test_a_sandbox_has_its_address_at_once() -> None:
    """A sandbox takes 0.3 s; addresses follow each other from .2 on."""
    machine = Machine()
    begin = machine.world.now
    sandbox = machine.answer("run_pod_sandbox", SandboxConfig("default", "b", "uid-b")).value
    assert round((machine.world.now - begin) / SECOND, 1) == 0.3
    assert (machine.sandbox.ip, sandbox.ip) == ("10.244.1.2", "10.244.1.3")


def test_sandboxes_run_out_of_addresses() -> None:
    """Without a free address no sandbox is made, in the CNI's words."""
    machine = Machine()
    machine.kernel.configure("192.168.0.11", "10.244.1.0/30")
    answer = machine.answer("run_pod_sandbox", SandboxConfig("default", "b", "uid-b"))
    assert not answer.ok
    assert "no IP addresses available in range set" in answer.error


def test_stopping_a_sandbox_kills_and_gives_the_address_back() -> None:
    """StopPodSandbox may be repeated; what ran is killed, the address is free."""
    machine = Machine()
    container = machine.start("nginx:1")
    for _ in range(2):
        assert machine.answer("stop_pod_sandbox", machine.sandbox.id).ok
    assert machine.status(container).exit_code == 137
    assert machine.kernel.pods == {}
    assert machine.answer("remove_pod_sandbox", machine.sandbox.id).ok
    assert (machine.runtime.statuses("uid"), machine.runtime.sandboxes_of("uid")) == ([], [])


def test_calls_about_what_is_not_there() -> None:
    """Errors name what was not found."""
    machine = Machine()
    assert "not found" in machine.answer("start_container", "abc").error
    config = ContainerConfig("app", "never-pulled:1")
    error = machine.answer("create_container", machine.sandbox.id, config).error
    assert error == 'failed to find image "never-pulled:1": not found'


def test_exec() -> None:
    """A command runs beside the first process, in the same files; a missing one is an error."""
    machine = Machine()
    container = machine.start("busybox", command=("sleep", "100"))
    result = machine.answer("exec_sync", container, ("sh", "-c", "echo a > /tmp/x; cat /tmp/x"))
    assert (result.value.exit_code, result.value.output) == (0, "a\n")
    begin = machine.world.now
    assert machine.answer("exec_sync", container, ("sleep", "5")).value.exit_code == 0
    assert round((machine.world.now - begin) / SECOND) == 5
    answer = machine.answer("exec_sync", container, ("nope",))
    assert not answer.ok and 'exec: "nope": executable file not found in $PATH' in answer.error


def test_an_exec_ends_with_its_container() -> None:
    """When the container ends, commands that run in it end too."""
    machine = Machine()
    container = machine.start("kubelab/crash:1", env=(("CRASH_AFTER", "3"),))
    assert machine.answer("exec_sync", container, ("sleep", "50")).value.exit_code == 137


def test_mounts_are_shared() -> None:
    """Containers that mount one volume see each other's files; read-only is refused."""
    machine = Machine()
    mount, locked = Mount("/data", "/v"), Mount("/data", "/v", True)
    one = machine.start("busybox", "one", command=("sleep", "99"), mounts=(mount,))
    two = machine.start("busybox", "two", command=("sleep", "99"), mounts=(locked,))
    machine.answer("exec_sync", one, ("sh", "-c", "echo shared > /data/f"))
    assert machine.answer("exec_sync", two, ("cat", "/data/f")).value.output == "shared\n"
    refused = machine.answer("exec_sync", two, ("sh", "-c", "echo no > /data/f")).value
    assert refused.exit_code == 1
    assert refused.output == "sh: can't create /data/f: Read-only file system\n"


def test_after_a_power_cut() -> None:
    """Images and records are on disk; processes and networks are gone."""
    machine = Machine()
    container = machine.start("nginx:1")
    machine.world.halt("runtime/n")
    machine.run(5)
    machine.world.begin("runtime/n")
    machine.run(1)
    status = machine.status(container)
    assert (status.state, status.exit_code, status.reason) == ("exited", 255, "Unknown")
    assert machine.runtime.sandboxes_of("uid")[0].ready is False
    assert machine.answer("image_status", "nginx:1").value is not None


def test_a_killed_container_tells_the_kubelet() -> None:
    """A container that is killed from outside ends with 137, and the kubelet hears of it."""
    machine = Machine()
    container = machine.start("nginx:1")
    machine.runtime.kill("default", "web", "app")
    machine.run(1)
    assert machine.status(container).exit_code == 137
    assert len(machine.caller.changes) == 1


def test_every_call_has_its_sentence() -> None:
    """Each event of the runtime is told in one sentence that names the machine."""
    machine = Machine()
    container = machine.start("nginx:1")
    machine.answer("stop_container", container, 5.0)
    told = [machine.runtime.tell(e) for e in machine.world.trace if e.target == "runtime/n"]
    assert "Runtime n gives default/web the address 10.244.1.2 before any image is there." in told
    assert "Runtime n sends SIGTERM to app of default/web; app ends with exit code 0." in told
    assert all(text.endswith(".") and len(text.split()) <= 30 for text in told)
