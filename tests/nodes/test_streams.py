"""What goes through the API server to a pod's processes: logs, commands, ports."""

from __future__ import annotations

from typing import Any

import pytest

from kubelab import Cluster

PODS = "/api/v1/namespaces/default/pods"
UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}
LOOP = ["sh", "-c", "while true; do echo hi; sleep 5; done"]


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": list(containers), **spec},
    }  # fmt: skip


@pytest.fixture(scope="module")
def running() -> Cluster:
    c = Cluster(nodes=1, dns=False)
    c.apply(pod("web", {"name": "c", "image": "nginx"}))
    c.apply(pod("loop", {"name": "c", "image": "busybox", "command": LOOP}))
    c.apply(pod("two", {"name": "a", "image": "nginx"}, {"name": "b", "image": "kubelab/sleep"}))
    c.apply(pod("stuck", {"name": "c", "image": "nginx"}, nodeSelector={"no": "such"}))
    c.run(20)
    return c


def execute(c: Cluster, name: str, *words: str, query: str = "") -> Any:
    command = "&".join(f"command={word}" for word in words)
    return c.request("GET", f"{PODS}/{name}/exec?{command}{query}", headers=UPGRADE)


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("web/log?tailLines=-1", 422, 'PodLogOptions "web" is invalid: tailLines: Invalid value: '
         "-1: must be greater than or equal to 0"),
        ("web/log?tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("two/log", 400,
         "a container name must be specified for pod two, choose one of: [a b]"),
        ("two/log?container=x", 400, "container x is not valid for pod two"),
        ("web/log?previous=true", 400,
         'previous terminated container "c" in pod "web" not found'),
        ("none/log", 404, 'pods "none" not found'),
        ("web/exec?command=ls", 400, "Upgrade request required"),
        ("stuck/exec?command=ls", 400, "pod stuck does not have a host assigned"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_kubernetes_words(
    running: Cluster, path: str, code: int, message: str
) -> None:
    """Options, containers and pods that are not there get the real server's refusal."""
    answer = running.request("GET", f"{PODS}/{path}")
    assert (answer.status, answer.message) == (code, message)


def test_a_log_is_text_and_that_of_a_pod_without_a_node_is_empty(running: Cluster) -> None:
    """The log comes as text/plain."""
    answer = running.request("GET", f"{PODS}/web/log?limitBytes=5")
    assert (answer.headers["Content-Type"], answer.body) == ("text/plain", "ready")
    assert running.request("GET", f"{PODS}/stuck/log").body == ""


def test_a_followed_log_goes_on_until_it_is_left(running: Cluster) -> None:
    """New lines come as they are written, and none after the reader has gone."""
    c = running.fork()
    stream: Any = c.request("GET", f"{PODS}/loop/log?follow=true&tailLines=1").body
    c.run(11)
    assert stream.text() == "hi\nhi\nhi\n"
    stream.cancel()
    c.run(11)
    assert not c.world.components["apiserver-1"].streams  # type: ignore[attr-defined]


def test_a_commands_output_comes_as_it_is_written(running: Cluster) -> None:
    """Output and errors have channels of their own; the Status at the end has the exit code."""
    c = running.fork()
    stream = execute(c, "loop", "sh", "-c", "echo%20a;sleep%203;ls%20/no;exit%203").body
    c.run(1)
    assert stream.pieces == [(1, "a\n")]
    assert stream.wait()
    errors, end = stream.pieces[1:]
    assert errors == (2, "ls: /no: No such file or directory\n")
    assert end[1]["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


NEWEST = {**UPGRADE, "Sec-WebSocket-Protocol": "v5.channel.k8s.io"}
FAILED = 'error executing command in container: failed to exec in container: failed to start exec "'


@pytest.mark.parametrize(
    ("headers", "words", "said"),
    [
        (UPGRADE, ["sh", "-c", "exit%203"],
         "command terminated with non-zero exit code: error executing command [sh -c exit 3], "
         "exit code 3"),
        (NEWEST, ["sh", "-c", "exit%203"],
         "command terminated with non-zero exit code: command terminated with exit code 3"),
        (UPGRADE, ["nosuch"], "Internal error occurred: " + FAILED),
        (NEWEST, ["nosuch"], "Internal error occurred: Internal error occurred: " + FAILED),
    ],
)  # fmt: skip
def test_the_words_at_the_end_depend_on_the_protocol(
    running: Cluster, headers: dict[str, str], words: list[str], said: str
) -> None:
    """In the newest the API server puts containerd's words into its own."""
    c = running.fork()
    command = "&".join(f"command={word}" for word in words)
    stream: Any = c.request("GET", f"{PODS}/loop/exec?{command}", headers=headers).body
    assert stream.wait()
    assert stream.pieces[-1][1]["message"].startswith(said)


def test_a_refusal_is_an_answer_or_an_end(running: Cluster) -> None:
    """Before the upgrade a kubelet's refusal is plain; the newest protocol has upgraded already."""
    c = running.fork()
    image = {"name": "c", "image": "nosuch"}
    c.apply(pod("late", image))
    c.run(5)
    path = f"{PODS}/late/exec?command=ls"
    plain = c.request("GET", path, headers=UPGRADE)
    assert (plain.status, plain.body) == (500, 'container not found ("c")\n')
    stream: Any = c.request("GET", path, headers=NEWEST).body
    assert stream.wait()
    assert stream.pieces[-1][1]["message"] == (
        'Internal error occurred: unable to upgrade connection: container not found ("c")'
    )
    c.faults.stop("kubelet/node-1")
    dial = "error dialing backend: dial tcp 192.168.0.11:10250: connect: connection refused"
    assert c.request("GET", path, headers=UPGRADE).message == dial
    stream = c.request("GET", path, headers=NEWEST).body
    assert stream.wait()
    assert stream.pieces[-1][1]["message"] == f"Internal error occurred: {dial}"


def test_a_websocket_needs_the_right_to_create(running: Cluster) -> None:
    """It begins with a GET, but who may only look at `pods/exec` must not run commands."""
    c = running.fork()
    for verbs, code in ((["get"], 403), (["get", "create"], 101)):
        rule = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": verbs}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "looker"}}
        c.apply([
            {**role, "kind": "Role", "rules": [rule]},
            {**role, "kind": "RoleBinding", "roleRef": {"kind": "Role", "name": "looker",
             "apiGroup": "rbac.authorization.k8s.io"}, "subjects": [{"kind": "User",
             "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}]},
        ])  # fmt: skip
        headers = {**UPGRADE, "Impersonate-User": "jane"}
        answer = c.request("GET", f"{PODS}/loop/exec?command=ls", headers=headers)
        assert answer.status == code
        if code == 403:
            assert answer.message == (
                'pods "loop" is forbidden: User "jane" cannot create resource "pods/exec" in API '
                'group "" in the namespace "default"'
            )


def test_input_reaches_the_command_when_it_is_complete(running: Cluster) -> None:
    """`cat` gives back what was sent in two pieces."""
    c = running.fork()
    stream = execute(c, "loop", "cat", query="&stdin=true").body
    stream.write("x\n")
    stream.write("y\n", end=True)
    assert stream.wait()
    assert stream.text() == "x\ny\n"
    assert stream.pieces[-1][1]["status"] == "Success"


def test_a_shell_on_a_terminal_echoes_keeps_its_state_and_heeds_ctrl_c(running: Cluster) -> None:
    """Keys are shown, `cd` and variables last, Ctrl-C ends a sleep, `exit` ends the shell."""
    c = running.fork()
    stream = execute(c, "loop", "sh", query="&stdin=true&tty=true").body
    stream.write("cd /tmq\x7fp\rx=5; echo $x; pwd\rsleep 100\r")
    c.run(2)
    stream.write("\x03exit 4\r")
    assert stream.wait()
    assert stream.text() == (
        "/ # cd /tmq\b \bp\r\n/tmp # x=5; echo $x; pwd\r\n5\r\n/tmp\r\n/tmp # sleep 100\r\n"
        "^C\r\n/tmp # exit 4\r\n"
    )
    assert stream.pieces[-1][1]["details"]["causes"][0]["message"] == "4"


def test_a_command_with_a_terminal_does_not_wait_for_keys(running: Cluster) -> None:
    """`exec -it pod -- ls` ends though nobody has typed anything; `cat` gives back each line."""
    c = running.fork()
    stream = execute(c, "loop", "hostname", query="&stdin=true&tty=true").body
    assert stream.wait()
    assert stream.text() == "loop\r\n"
    stream = execute(c, "loop", "cat", query="&stdin=true&tty=true").body
    stream.write("a\r")
    c.run(1)
    assert stream.text() == "a\r\na\r\n"
    stream.write("\x04")
    assert stream.wait()


def test_the_size_of_a_window_reaches_the_command(running: Cluster) -> None:
    """Channel 4 brings it, as a terminal would tell its programs."""
    c = running.fork()
    stream = execute(c, "loop", "sh", query="&stdin=true").body
    stream.write(b'{"Width":100,"Height":30}', channel=4)
    stream.write(b"not json", channel=4)
    stream.write("stty size; exit\n")
    assert stream.wait()
    assert stream.text() == "30 100\n"


ASKING = {"name": "c", "image": "busybox", "command": ["sh"], "stdin": True}


def attach(c: Cluster, name: str) -> Any:
    path = f"{PODS}/{name}/attach?stdin=true&stdout=true"
    return c.request("GET", path, headers=UPGRADE).body


def test_a_shell_waits_for_who_attaches(running: Cluster) -> None:
    """With `stdin` a shell waits; without `stdinOnce` it goes on when its visitor has left."""
    c = running.fork()
    c.apply(pod("ask", ASKING))
    c.run(10)
    for word in ("one", "two"):
        stream = attach(c, "ask")
        stream.write(f"echo {word}; x={word}\n")
        c.run(1)
        assert stream.text() == f"{word}\n"
        stream.write("", end=True)
        assert stream.wait()
        assert stream.pieces[-1] == (3, {"metadata": {}, "status": "Success"})
    assert c.request("GET", f"{PODS}/ask/log").body == "one\ntwo\n"
    assert c.get("Pod", "ask")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_input_that_is_given_once_ends_with_its_giver(running: Cluster) -> None:
    """With `stdinOnce` the end of the input is the shell's; the stream ends with the process."""
    c = running.fork()
    c.apply(pod("once", {**ASKING, "stdinOnce": True}, restartPolicy="Never"))
    c.run(10)
    stream = attach(c, "once")
    stream.write("echo hi; sleep 3; exit 4\n", end=True)
    assert stream.wait()
    assert stream.text() == "hi\n"
    c.run(5)
    ended = c.get("Pod", "once")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert ended["exitCode"] == 4


def test_who_only_looks_sees_what_is_written_from_then_on(running: Cluster) -> None:
    """A container that keeps no input open can be attached to as well; others see the same."""
    c = running.fork()
    one, other = attach(c, "loop"), attach(c, "loop")
    c.run(11)
    assert one.text() == other.text() == "hi\nhi\n"
    one.cancel()
    c.run(5)
    assert other.text() == "hi\nhi\nhi\n"
    kubelet: Any = c.world.components["kubelet/node-1"]
    assert len(kubelet.talks) == 1


def test_a_folder_goes_through_tar_and_comes_back(running: Cluster) -> None:
    """What `kubectl cp` does: pack in one container, unpack in the other, bytes and all."""
    c = running.fork()
    make = "mkdir%20-p%20/d/e;printf%20'a\\n'>/d/e/f;echo%20b>/d/g;tar%20cf%20-%20-C%20/%20d"
    stream = execute(c, "loop", "sh", "-c", make).body
    assert stream.wait()
    archive = stream.text(1)
    assert len(archive) % 512 == 0
    put = execute(c, "two", "tar", "-xmf", "-", "-C", "/tmp", query="&stdin=true&container=b").body
    put.write(archive[:700])
    put.write(archive[700:].encode("utf-8", "surrogateescape"), end=True)
    assert put.wait()
    assert put.pieces[-1][1]["status"] == "Success"
    show = execute(c, "two", "sh", "-c", "cd%20/tmp;find%20d;cat%20d/e/f%20d/g",
                   query="&container=b").body  # fmt: skip
    assert show.wait()
    assert show.text() == "d\nd/e\nd/e/f\nd/g\na\nb\n"


def test_a_forwarded_port_carries_bytes(running: Cluster) -> None:
    """HTTP written in two pieces is answered as bytes; the end of the input ends the connection."""
    c = running.fork()
    stream: Any = c.request("GET", f"{PODS}/web/portforward?ports=80", headers=UPGRADE).body
    stream.write(b"GET / HTTP/1.1\r\nHo")
    stream.write(b"st: x\r\n\r\n")
    c.run(1)
    answer = stream.text(0)
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert answer.endswith("<h1>Welcome to nginx!</h1>\n")
    stream.write(b"", end=True)
    assert stream.wait()
    assert stream.pieces[-2:] == [(0, None), (1, None)]


def test_a_closed_port_is_told_in_containerds_words(running: Cluster) -> None:
    """The channel behind the connection's own says what could not be reached, then both end."""
    c = running.fork()
    stream: Any = c.request("GET", f"{PODS}/web/portforward?ports=81", headers=UPGRADE).body
    assert stream.wait()
    text = stream.text(1)
    assert text.startswith("error forwarding port 81 to pod ")
    assert "IPv4: dial tcp4 127.0.0.1:81: connect: connection refused IPv6 dial" in text
    assert stream.pieces[-2:] == [(0, None), (1, None)]


def test_many_connections_go_through_one_stream(running: Cluster) -> None:
    """Each has channels of its own; `Connection: close` ends one, and the stream goes on."""
    c = running.fork()
    headers = {**UPGRADE, "Sec-WebSocket-Protocol": "SPDY/3.1+portforward.k8s.io"}
    stream: Any = c.request("GET", f"{PODS}/web/portforward", headers=headers).body
    one, other = stream.connect(80), stream.connect(80)
    ask = b"GET /index.html HTTP/1.1\r\nHost: x\r\n\r\n"
    stream.write(ask.replace(b"Host: x", b"Connection: close"), channel=2 * other)
    stream.write(ask + ask, channel=2 * one)
    c.run(1)
    assert stream.text(0).count("Welcome") == 2
    assert stream.text(2).count("Welcome") == 1
    assert (2, None) in stream.pieces
    assert (0, None) not in stream.pieces
    assert not stream.over
    stream.cancel()
    c.run(1)
    kubelet: Any = c.world.components["kubelet/node-1"]
    assert not kubelet.forwards
    assert not kubelet.connections


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", 'query parameter "port" is required'),
        ("ports=0", 'port "0" must be > 0'),
        ("ports=80,x", 'unable to parse "80,x" as a port: strconv.ParseUint: parsing "x": '
         "invalid syntax"),
        ("ports=70000", 'unable to parse "70000" as a port: strconv.ParseUint: parsing "70000": '
         "value out of range"),
    ],
)  # fmt: skip
def test_ports_that_are_none(running: Cluster, query: str, message: str) -> None:
    """What the query of a plain WebSocket must hold."""
    answer = running.request("GET", f"{PODS}/web/portforward?{query}", headers=UPGRADE)
    assert (answer.status, answer.message) == (400, message)


def test_a_kubelet_that_is_gone_is_named(running: Cluster) -> None:
    """Where nothing listens on port 10250, the answer says what could not be dialled."""
    c = running.fork()
    c.faults.stop("kubelet/node-1")
    answer = c.request("GET", f"{PODS}/web/log")
    assert answer.status == 500
    assert answer.message == (
        'Get "https://192.168.0.11:10250/containerLogs/default/web/c": '
        "dial tcp 192.168.0.11:10250: connect: connection refused"
    )


def test_a_node_without_a_machine_is_as_one_that_is_away() -> None:
    """A Node object alone has no kubelet that could answer."""
    c = Cluster(nodes=0, dns=False)
    c.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "paper"}})
    c.apply(pod("web", {"name": "c", "image": "nginx"}, nodeName="paper"))
    assert c.request("GET", f"{PODS}/web/log").status == 500
