"""What a kubelet answers to the API server: logs, commands, output, ports."""

from __future__ import annotations

import pytest

from kubelab import Cluster
from kubelab.api.objects import freeze
from kubelab.network.payloads import HttpRequest
from tests.nodes.lines import ask, cluster, pod

SHELL = {"image": "busybox:1", "command": ["sh", "-c", "echo one; sleep 20; echo two; sleep 900"]}


@pytest.fixture(scope="module")
def running() -> Cluster:
    """A pod with a shell that prints a line at once and one after 20 s."""
    c = cluster()
    c.apply(pod("web", SHELL))
    c.apply(pod("stuck", {"image": "nosuch:1"}))
    c.apply(pod("http", {"image": "kubelab/http:1"}))
    c.apply(pod("crash", {"image": "kubelab/crash:1"}))
    c.run(40)
    return c


def logs(c: Cluster, name: str, **options: object) -> object:
    """The answer to a request for logs."""
    return ask(c, "container_logs", "default", name, "c", freeze(options))


def test_logs(running: Cluster) -> None:
    """A log is its lines; tailLines, limitBytes, sinceSeconds choose; timestamps have 9 digits."""
    c = running.fork()
    assert logs(c, "web") == {"code": 200, "text": "one\ntwo\n"}
    assert logs(c, "web", tailLines=1) == {"code": 200, "text": "two\n"}
    assert logs(c, "web", tailLines=0) == {"code": 200, "text": ""}
    assert logs(c, "web", limitBytes=2) == {"code": 200, "text": "on"}
    assert logs(c, "web", sinceSeconds=1) == {"code": 200, "text": ""}
    stamped = logs(c, "web", timestamps=True, tailLines=1)
    when, _, text = stamped["text"].partition(" ")  # type: ignore[index]
    assert text == "two\n" and len(when) == len("2026-01-01T00:00:00.123456789Z")


def test_followed_logs_come_as_they_are_written() -> None:
    """A followed log goes on until its container ends."""
    c = cluster()
    c.apply(pod("web", {**SHELL, "command": ["sh", "-c", "echo a; sleep 9; echo b; sleep 9"]}))
    c.run(5)
    answers = ask(c, "container_logs", "default", "web", "c", freeze({"follow": True}), seconds=30)
    assert [(a["text"], bool(a.get("more"))) for a in answers] == [
        ("a\n", True), ("b\n", True), ("", False),
    ]  # fmt: skip


def test_logs_that_are_not_there(running: Cluster) -> None:
    """Why there is no log is said as the kubelet says it."""
    c = running.fork()
    assert logs(c, "gone") == {"code": 404, "message": "pod does not exist"}
    text = 'container "c" in pod "stuck" is waiting to start: trying and failing to pull image'
    assert logs(c, "stuck") == {"code": 400, "message": text}
    text = 'previous terminated container "c" in pod "web" not found'
    assert logs(c, "web", previous=True) == {"code": 400, "message": text}
    assert logs(c, "crash") == {"code": 200, "text": "exiting with code 1\n"}
    assert logs(c, "crash", previous=True) == {"code": 200, "text": "exiting with code 1\n"}


def run(c: Cluster, *command: str, stdin: str = "") -> object:
    """The answer to a command."""
    return ask(c, "exec_in", "default", "web", "c", command, stdin)


def test_commands(running: Cluster) -> None:
    """A command's output, its errors and its exit code come back apart; input reaches it."""
    c = running.fork()
    done = {"code": 200, "exitCode": 0, "stdout": "hello\n", "stderr": ""}
    assert run(c, "echo", "hello") == done
    assert run(c, "sh", stdin="echo hello") == done
    failed = run(c, "sh", "-c", "echo hello; cat /missing; exit 3")
    error = "cat: can't open '/missing': No such file or directory\n"
    assert failed == {"code": 200, "exitCode": 3, "stdout": "hello\n", "stderr": error}
    assert run(c, "sh", "-c", "cat > /f", stdin="kept") == {**done, "stdout": ""}
    assert run(c, "cat", "/f") == {**done, "stdout": "kept"}
    missing = run(c, "nosuch")
    assert missing["code"] == 500  # type: ignore[index]
    assert missing["message"].endswith(  # type: ignore[index]
        'exec: "nosuch": executable file not found in $PATH: unknown'
    )
    assert ask(c, "exec_in", "default", "stuck", "c", ("true",)) == {
        "code": 500, "message": 'container not found ("c")',
    }  # fmt: skip


def test_forwarded_ports(running: Cluster) -> None:
    """A forwarded port reaches the program; a closed one is refused."""
    c = running.fork()
    request = HttpRequest("GET", "localhost", "/healthz")
    answer = ask(c, "port_forward", "default", "http", 8080, request)
    assert (answer["code"], answer["payload"].status) == (200, 200)
    answer = ask(c, "port_forward", "default", "http", 81, request)
    assert answer == {"code": 500, "message": "connect: connection refused"}
