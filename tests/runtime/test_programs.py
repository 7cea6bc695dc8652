"""What the fake images do."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab.runtime.process import Process, Program
from tests.runtime.machine import Machine


def env(**values: object) -> tuple[tuple[str, str], ...]:
    """Environment variables."""
    return tuple((name, str(value)) for name, value in values.items())


def test_the_lab_http_server() -> None:
    """GET / names the pod, /healthz and /ready say ok, /env lists, the rest is 404."""
    machine = Machine()
    machine.start("kubelab/http:1", env=env(B=2, A=1))
    answers = [
        machine.get(path, 8080).payload for path in ("/", "/healthz", "/ready", "/env", "/x")
    ]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 404]
    assert [answer.body for answer in answers[:4]] == ["web\n", "ok", "ok", "A=1\nB=2\n"]
    assert machine.get("/", 80).error == "refused"


def test_the_lab_http_server_fails_and_recovers() -> None:
    """It listens after START_DELAY, answers 500 from FAIL_AFTER to RECOVER_AFTER, then crashes."""
    machine = Machine()
    times = env(START_DELAY=10, FAIL_AFTER=20, RECOVER_AFTER=30, CRASH_AFTER=50)
    container = machine.start("kubelab/http:1", env=times)
    seen = []
    for _ in range(4):
        outcome = machine.get("/", 8080)
        seen.append(outcome.error or outcome.payload.status)
        machine.run(4)
    assert seen == ["refused", 200, 500, 200]
    machine.run(20)
    assert machine.status(container).exit_code == 1


@pytest.mark.parametrize(
    ("image", "settings", "ended"),
    [
        ("kubelab/http:1", {}, (0.0, 0)),
        ("kubelab/sleep:1", {"TERM_DELAY": 3}, (3.0, 0)),
        ("kubelab/sleep:1", {"IGNORE_SIGTERM": "true"}, (10.0, 137)),
        ("nginx:1", {}, (0.0, 0)),
        ("redis:7", {}, (0.0, 0)),
        ("pause:3", {}, (0.0, 0)),
        ("nobody/knows:1", {}, (0.0, 0)),
    ],
)
def test_sigterm(image: str, settings: dict[str, Any], ended: tuple[float, int]) -> None:
    """How programs take the signal to end, within a grace of 10 s."""
    machine = Machine()
    container = machine.start(image, env=env(**settings))
    begin = machine.world.now
    machine.answer("stop_container", container, 10.0)
    status = machine.status(container)
    assert (round((status.finished_ns - begin) / 1e9, 1), status.exit_code) == ended


@pytest.mark.parametrize(
    ("image", "settings", "code"),
    [
        ("kubelab/crash:1", {"EXIT_CODE": 7, "CRASH_AFTER": 2}, 7),
        ("kubelab/job:1", {}, 0),
        ("kubelab/job:1", {"FAIL_INDEX": 2, "JOB_COMPLETION_INDEX": 2}, 1),
        ("kubelab/job:1", {"FAIL_INDEX": 2, "JOB_COMPLETION_INDEX": 1}, 0),
        ("kubelab/job:1", {"FAIL_TIMES": 1}, 1),
        ("postgres:15", {}, 1),
        ("hello-world", {}, 0),
        ("busybox", {}, 0),
        ("kubelab/http:1", {"PORT": "x"}, 1),
    ],
)
def test_exit_codes(image: str, settings: dict[str, Any], code: int) -> None:
    """Programs that end by themselves, and with what."""
    machine = Machine()
    container = machine.start(image, env=env(**settings))
    machine.run(10)
    assert machine.status(container).state == "exited"
    assert machine.status(container).exit_code == code
    assert [uid for _, uid in machine.caller.changes] == ["uid"]


def test_an_unknown_image_answers_on_its_declared_ports() -> None:
    """What nobody knows accepts connections on every declared port and names its pod."""
    machine = Machine()
    machine.start("example.com/shop:1", ports=((9000, "TCP"),))
    assert machine.get("/", 9000).payload.body == "web\n"
    assert machine.get("/", 9001).error == "refused"


def test_a_command_takes_the_place_of_the_image() -> None:
    """A command that the shell knows replaces any image's own behaviour."""
    machine = Machine()
    container = machine.start("nginx:1", command=("sh", "-c", "echo mine; exit 2"))
    assert machine.log(container) == ["mine"]
    assert machine.status(container).exit_code == 2


class Counter(Program):
    """A learner's program: it counts requests, and breaks at the third."""

    def __init__(self) -> None:
        self.count = 0

    def start(self, process: Process) -> None:
        process.listen(7000)

    def request(self, process: Process, port: int, protocol: str, payload: Any) -> Any:
        self.count += 1
        return str(6 // (3 - self.count))


def test_a_learners_program_that_raises_ends_its_container_only() -> None:
    """What a learner's own program raises is in its log and ends it with 1, nothing else."""
    machine = Machine(programs={"counter": Counter})
    container = machine.start("counter:1")
    assert [machine.get("/", 7000).payload for _ in range(2)] == ["3", "6"]
    assert machine.get("/", 7000).error == "refused"
    # The words behind the colon are Python's own and differ from version to version.
    assert [line.partition(":")[0] for line in machine.log(container)] == ["ZeroDivisionError"]
    assert machine.status(container).exit_code == 1


def test_two_containers_on_one_port() -> None:
    """The second container of a pod that wants a port which is taken ends with an error."""
    machine = Machine()
    machine.start("nginx:1", "one")
    two = machine.start("nginx:1", "two")
    assert machine.status(two).exit_code == 1
    assert machine.log(two) == ["listen tcp 10.244.1.2:80: bind: address already in use"]
