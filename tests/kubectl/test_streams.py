"""The built-in kubectl's ways into pods: exec, attach, run -i, cp, port-forward, debug, logs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from kubelab import Cluster
from kubelab.kubectl import remote
from kubelab.kubectl.commands import execute
from kubelab.kubectl.containers import ENTER, RECORDED

LOOP = ["sh", "-c", "while true; do echo hi; sleep 5; done"]
WELCOME = "<h1>Welcome to nginx!</h1>\n"


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": list(containers), **spec},
    }  # fmt: skip


@pytest.fixture(scope="module")
def built() -> Cluster:
    c = Cluster(nodes=1, dns=False)
    port = {"containerPort": 80, "name": "http"}
    c.apply(pod("web", {"name": "web", "image": "nginx", "ports": [port]}))
    c.apply(pod("loop", *({"name": n, "image": "busybox", "command": LOOP} for n in "ab")))
    c.apply(pod("ask", {"name": "c", "image": "busybox", "command": ["sh"], "stdin": True}))
    c.apply(pod("done", {"name": "c", "image": "busybox", "command": ["true"]},
                restartPolicy="Never"))  # fmt: skip
    c.apply(pod("stuck", {"name": "c", "image": "nosuch"}))
    c.apply({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 8080, "targetPort": "http"}]},
    })  # fmt: skip
    c.run(20)
    return c


@pytest.fixture
def cluster(built: Cluster) -> Cluster:
    return built.fork()


def test_exec_and_attach_take_input(cluster: Cluster) -> None:
    """What is given as input reaches the command, or the shell that waits in the pod."""
    assert execute(cluster, "exec -i web -- cat", "x\n") == (0, "x\n", "")
    code, out, err = execute(cluster, "exec web -- sh -c 'echo a; echo b >&2; exit 3'")
    assert (code, out, err) == (3, "a\n", "b\ncommand terminated with exit code 3\n")
    told = f"{RECORDED}\n{ENTER}\n"
    assert execute(cluster, "attach ask -i", "echo hi; x=1\n") == (0, "hi\n", told)
    assert execute(cluster, "attach ask -i -q", "echo $x\n") == (0, "1\n", "")


def test_a_pod_is_run_to_its_end(cluster: Cluster) -> None:
    """`run -i --rm` shows what the pod writes, ends with its code, and removes it."""
    line = "run once -i --rm --image=busybox --restart=Never -q -- sh"
    code, out, err = execute(cluster, line, "echo $((6*7)); sleep 100; echo late; exit 4\n")
    assert (code, err) == (4, "pod default/once terminated (Error)\n")
    assert out == '42\nlate\npod "once" deleted from default namespace\n'
    line = "run twice -it --rm --image=busybox --restart=Never -- hostname"
    assert execute(cluster, line)[:2] == (
        0, 'twice\npod "twice" deleted from default namespace\n'
    )  # fmt: skip


def test_files_are_copied_both_ways(cluster: Cluster, tmp_path: Path) -> None:
    """Folders with any bytes; into a folder that is there, or under a new name."""
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "d" / "e" / "f").write_bytes(b"\x00\xffbytes")
    assert execute(cluster, ["cp", str(tmp_path / "d"), "web:/tmp"]) == (0, "", "")
    assert execute(cluster, "exec web -- find /tmp/d")[1] == "/tmp/d\n/tmp/d/e\n/tmp/d/e/f\n"
    assert execute(cluster, ["cp", "default/web:/tmp/d", str(tmp_path / "back")]) == (0, "", "")
    assert (tmp_path / "back" / "e" / "f").read_bytes() == b"\x00\xffbytes"
    assert execute(cluster, ["cp", "web:/tmp/d/e/f", str(tmp_path)])[0] == 0
    assert (tmp_path / "f").read_bytes() == b"\x00\xffbytes"
    code, _, err = execute(cluster, ["cp", "web:/none", str(tmp_path / "x")])
    assert (code, err) == (
        1, "tar: /none: No such file or directory\ncommand terminated with exit code 1\n"
    )  # fmt: skip


def test_a_name_in_an_archive_leads_nowhere_else(cluster: Cluster, tmp_path: Path) -> None:
    """An archive of somebody's own making cannot write beside the place it is copied to."""
    make = "mkdir -p /a/x; echo evil > /a/x/f; tar cf /t.tar -C /a x; sed -i 's/x.f/../g' /t.tar"
    execute(cluster, ["exec", "web", "--", "sh", "-c", make])
    (tmp_path / "in").mkdir()
    execute(cluster, ["cp", "web:/a/x", str(tmp_path / "in" / "x")])
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize("where", ["pod/web 9000:80", "svc/web 9000:8080", "web 9000:http"])
def test_a_forwarded_port_is_asked_once(cluster: Cluster, where: str) -> None:
    """Ports by number and by name, of pods and services; the answer is printed."""
    code, out, _ = execute(cluster, f"port-forward {where}")
    assert code == 0
    assert out.startswith(
        "Forwarding from 127.0.0.1:9000 -> 80\nForwarding from [::1]:9000 -> 80\n"
        "Handling connection for 9000\nHTTP/1.1 200 OK\n"
    )
    assert out.endswith(f"\n\n{WELCOME}")


def test_a_closed_port_loses_the_connection(cluster: Cluster) -> None:
    """The node's words, then kubectl's."""
    code, _, err = execute(cluster, "port-forward web 81")
    assert code == 1
    assert "dial tcp4 127.0.0.1:81: connect: connection refused" in err
    assert err.endswith("error: lost connection to pod\n")


def test_debugging_containers(cluster: Cluster) -> None:
    """Beside the others, in a copy, and on a node."""
    line = "debug web -i -q --image=busybox --target=web -c look"
    assert execute(cluster, line, "hostname\n") == (0, "web\n", "")
    added = cluster.get("Pod", "web")["spec"]["ephemeralContainers"]
    assert [(row["name"], row["targetContainerName"]) for row in added] == [("look", "web")]
    assert execute(cluster, "debug web --image=busybox -q -- sleep 5") == (0, "", "")
    names = [row["name"] for row in cluster.get("Pod", "web")["spec"]["ephemeralContainers"]]
    assert (names[0], len(names)) == ("look", 2)
    line = "debug web --copy-to=twin --image=busybox -c x -iq -- sh"
    assert execute(cluster, line, "echo copy\n")[:2] == (0, "copy\n")
    assert [row["name"] for row in cluster.get("Pod", "twin")["spec"]["containers"]] == ["web", "x"]
    code, out, _ = execute(cluster, "debug node/node-1 -i --image=busybox", "echo node\n")
    assert code == 0
    assert out.startswith("Creating debugging pod node-debugger-node-1-")
    assert out.endswith(" with container debugger on node node-1.\nnode\n")


def test_logs_of_many(cluster: Cluster) -> None:
    """Prefixes, all containers, followed logs to where the cluster has settled."""
    out = execute(cluster, "logs loop --all-containers --prefix --tail=1")[1]
    assert out == "[pod/loop/a] hi\n[pod/loop/b] hi\n"
    assert execute(cluster, "logs -f loop -c a --tail=1")[1].startswith("hi\n")
    assert execute(cluster, "logs -l app=none")[2] == "No resources found in default namespace.\n"
    line = "run counts --image=busybox --restart=Never -- sh -c 'echo 1; sleep 20; echo 2'"
    execute(cluster, line)
    cluster.run(5)
    assert execute(cluster, "logs -f counts")[1] == "1\n2\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("exec web ls", "error: exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- "
         "[COMMAND] instead\nSee 'kubectl exec -h' for help and examples"),
        ("exec web", "error: you must specify at least one command for the container"),
        ("exec", "error: pod, type/name or --filename must be specified"),
        ("exec done -- ls", "error: cannot exec into a container in a completed pod; current phase "
         "is Succeeded"),
        ("exec web -c x -- ls", "error: container x is not valid for pod web out of: web"),
        ("exec stuck -- ls", "error: Internal error occurred: unable to upgrade connection: "
         'container not found ("c")'),
        ("attach", "error: at least 1 argument is required for attach"),
        ("attach done", "error: cannot attach a container in a completed pod; current phase is "
         "Succeeded"),
        ("attach web -c x", "error: cannot attach to the container: container x is not valid for "
         "pod web out of: web"),
        ("attach none", 'Error from server (NotFound): pods "none" not found'),
        ("run x --rm --image=a", "error: --rm should only be used for attached containers"),
        ("run x -t --image=a", "error: -i/--stdin is required for containers with -t/--tty=true"),
        ("port-forward web", "error: TYPE/NAME and list of ports are required for port-forward\n"
         "See 'kubectl port-forward -h' for help and examples"),
        ("port-forward svc/web 80:99", "error: Service web does not have a service port 99"),
        ("port-forward web x:80", "error: error parsing local port 'x': strconv.ParseUint: parsing "
         '"x": invalid syntax'),
        ("port-forward web 1:no", "error: Pod 'web' does not have a named port 'no'"),
        ("port-forward stuck 80", "error: unable to forward port because pod is not running. "
         "Current status=Pending"),
        ("cp a", "error: source and destination are required"),
        ("cp a b", "error: one of src or dest must be a remote file specification"),
        ("cp web:/a web:/b", "error: one of src or dest must be a local file specification"),
        ("cp nofile web:/tmp", "error: nofile doesn't exist in local filesystem"),
        ("debug web", "error: you must specify --image when not using --copy-to."),
        ("debug web -t --image=x", "error: -i/--stdin is required for containers with "
         "-t/--tty=true"),
        ("debug none --image=x", 'Error from server (NotFound): pods "none" not found'),
        ("logs web -c a b", "error: only one of -c or an inline [CONTAINER] arg is allowed"),
        ("logs web --tail=-2", "error: --tail must be greater than or equal to -1"),
        ("logs web --since=-1s", "error: --since must be greater than 0"),
        ("logs loop --all-containers -c a", "error: --all-containers=true should not be specified "
         "with container name a"),
        ("logs -f loop --all-containers --max-log-requests=1", "error: you are attempting to "
         "follow 2 log streams, but maximum allowed concurrency is 1, use --max-log-requests to "
         "increase the limit"),
        ("logs -l a=b web", "error: only a selector (-l) or a POD name is allowed\n"
         "See 'kubectl logs -h' for help and examples"),
    ],
)  # fmt: skip
def test_what_the_real_one_refuses(built: Cluster, line: str, said: str) -> None:
    """The words of kubectl 1.37, which it was asked for."""
    code, _, err = execute(built.fork(), line)
    told = err.removeprefix(f"{RECORDED}\n{ENTER}\n")
    assert (code, told) == (1, f"{said}\n")


@pytest.mark.native
def test_the_same_from_afar(
    cluster: Cluster, capsys: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """`kubelab kubectl` opens streams to a served cluster over WebSocket."""
    (tmp_path / "f").write_text("text\n")
    with cluster.serve(speed=10) as server:
        more = ["--kubeconfig", str(server.kubeconfig)]

        def ask(*words: str) -> tuple[int, str, str]:
            ended = remote.main([*more, *words])
            out, err = capsys.readouterr()
            return ended, out, err

        assert ask("exec", "web", "--", "sh", "-c", "echo a; echo b >&2; exit 3") == (
            3, "a\n", "b\ncommand terminated with exit code 3\n"
        )  # fmt: skip
        assert ask("cp", str(tmp_path / "f"), "web:/tmp/g")[0] == 0
        assert ask("exec", "web", "--", "cat", "/tmp/g") == (0, "text\n", "")
        code, out, _ = ask("port-forward", "web", "80")
        assert (code, out.endswith(WELCOME)) == (0, True)
        assert ask("exec", "none", "--", "ls") == (
            1, "", 'Error from server (NotFound): pods "none" not found\n'
        )  # fmt: skip
        monkeypatch.setattr("sys.stdin", io.StringIO("text\n"))
        assert ask("exec", "-i", "web", "--", "cat") == (0, "text\n", "")
        assert ask("run", "x", "--image=busybox", "--restart=Never", "--", "echo", "hi")[0] == 0
        assert ask("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/x")[0] == 0
        assert ask("logs", "-f", "x") == (0, "hi\n", "")
