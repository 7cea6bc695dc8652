"""What people do with kubectl, over a whole cluster: virtual time moves where a command waits."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from kubelab import Cluster, magics
from kubelab.kubectl import remote
from kubelab.kubectl.commands import execute, run
from kubelab.kubectl.errors import KubectlError

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx, ports: [{containerPort: 80}]}]}
"""


@pytest.fixture
def cluster() -> Cluster:
    """Two nodes, no DNS."""
    made = Cluster(nodes=2, dns=False)
    made.settle()
    return made


def test_deployment_from_apply_to_delete(cluster: Cluster) -> None:
    """Apply, wait for the rollout, scale, look, delete: each word is kubectl's."""
    assert run(cluster, "apply -f -", WEB) == "deployment.apps/web created\n"
    assert run(cluster, "apply -f -", WEB) == "deployment.apps/web unchanged\n"
    told = run(cluster, "rollout status deployment/web").splitlines()
    assert told[-1] == 'deployment "web" successfully rolled out'
    assert len(told) > 1
    assert run(cluster, "get deploy web --no-headers").split()[1] == "2/2"
    assert run(cluster, "scale deploy web --replicas=3") == "deployment.apps/web scaled\n"
    done = run(cluster, "wait --for=jsonpath={.status.readyReplicas}=3 deploy/web")
    assert done == "deployment.apps/web condition met\n"
    gone = run(cluster, "delete deploy web")
    assert gone == 'deployment.apps "web" deleted from default namespace\n'
    cluster.settle()
    assert run(cluster, "get pods -o name") == ""


def test_delete_waits_until_the_pod_is_gone(cluster: Cluster) -> None:
    """The command returns only when the object is gone; with --wait=false at once."""
    run(cluster, "run a --image=nginx")
    run(cluster, "run b --image=nginx")
    run(cluster, "wait --for=condition=Ready pod/a pod/b")
    run(cluster, "delete pod a")
    assert execute(cluster, "get pod a")[0] == 1
    run(cluster, "delete pod b --wait=false")
    assert run(cluster, "get pod b --no-headers").split()[2] == "Terminating"


def test_rollout_goes_back_to_what_it_was(cluster: Cluster) -> None:
    """Undo brings the template of the revision before, as a new revision."""
    run(cluster, "create deployment web --image=nginx")
    run(cluster, "rollout status deploy/web")
    run(cluster, "set image deploy/web nginx=nginx:2")
    run(cluster, "rollout status deploy/web")
    history = run(cluster, "rollout history deploy/web")
    assert history.split()[-4:] == ["1", "<none>", "2", "<none>"]
    assert run(cluster, "rollout undo deploy/web") == "deployment.apps/web rolled back\n"
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert run(cluster, f"get deploy web -o {image}") == "nginx"


def test_drain_moves_the_pods_of_a_node(cluster: Cluster) -> None:
    """A drained node has no more pods and takes no new ones."""
    run(cluster, "create deployment web --image=nginx --replicas=4")
    run(cluster, "rollout status deploy/web")
    out = run(cluster, "drain node-1")
    assert out.splitlines()[0] == "node/node-1 cordoned"
    assert out.splitlines()[-1] == "node/node-1 drained"
    cluster.settle()
    nodes = run(cluster, "get pods -o jsonpath={.items[*].spec.nodeName}").split()
    assert nodes == ["node-2"] * 4


def test_describe_shows_events_and_generic_kinds(cluster: Cluster) -> None:
    """A pod's page ends with what happened to it; a kind without a page is shown by fields."""
    run(cluster, "run a --image=nginx")
    run(cluster, "wait --for=condition=Ready pod/a")
    page = run(cluster, "describe pod a")
    assert page.startswith("Name:             a\nNamespace:        default\n")
    assert "Successfully assigned default/a to node-" in page
    assert "Kind:         Lease" in run(cluster, "describe lease node-1 -n kube-node-lease")


def test_failure_is_an_error_with_kubectls_own_words(cluster: Cluster) -> None:
    """KubectlError has stderr, stdout of what was done before, and the exit code."""
    run(cluster, "create cm one --from-literal=a=b")
    with pytest.raises(KubectlError) as caught:
        cluster.kubectl("get cm one two")
    assert caught.value.stderr == ('Error from server (NotFound): configmaps "two" not found\n')
    assert caught.value.stdout.split()[3] == "one"
    assert caught.value.code == 1
    with pytest.raises(KubectlError, match="exactly one NAME is required, got 0"):
        cluster.kubectl("create cm")


WRONG = [
     "get", "get pods -o", "apply -f nope.yaml", "get pods/a/b", "create", "delete pods",
     "label pods a", "patch cm a", "rollout", "rollout status", "set image", "wait pod/a",
     "wait --for=condition=Ready --timeout=x pod/a", "explain", "explain foo", "taint",
     "expose deploy/none", "run", "scale deploy/web", "exec", "logs", "top", "config", "auth",
     "get pods -l a=b=c", "get pods --field-selector=x", "get pods -o jsonpath={", "cordon",
     "get pods 'a b", "get -f -", "describe", "events --for=x", "cp",
     "create secret", "create service", "create job x", "autoscale deploy/none", "edit cm a",
     "get pods -w", "diff -f nope.yaml", "get po -o custom-columns=a", "set env deploy/a"
]  # fmt: skip


def test_wrong_command_lines_are_told_and_change_nothing(cluster: Cluster) -> None:
    """Whatever is typed gives a text on stderr, never a traceback, and nothing is written."""
    before = run(cluster, "get all,cm,secret,sa,role,svc -A -o name")
    for line in WRONG:
        code, _, err = execute(cluster, line)
        assert code, line
        assert err, line
        assert "Traceback" not in err, line
    assert run(cluster, "get all,cm,secret,sa,role,svc -A -o name") == before


@pytest.mark.native
def test_the_same_commands_work_over_http(cluster: Cluster, capsys: Any) -> None:
    """`kubelab kubectl` asks a served cluster, and waits by watching."""
    with cluster.serve(speed=20) as server:
        words = ["--kubeconfig", str(server.kubeconfig)]
        assert remote.main(["create", "deployment", "web", "--image=nginx", *words]) == 0
        assert remote.main(["wait", "--for=condition=Available", "deploy/web", *words]) == 0
        assert remote.main(["get", "deploy", *words]) == 0
        assert remote.main(["get", "deploy", "none", *words]) == 1
    out, err = capsys.readouterr()
    assert "deployment.apps/web condition met" in out
    assert 'Error from server (NotFound): deployments.apps "none" not found' in err


@pytest.mark.native
def test_no_server_is_told_in_words(capsys: Any, tmp_path: Any) -> None:
    """Neither a missing kubeconfig nor a closed port is a traceback."""
    assert remote.main(["get", "pods", "--kubeconfig", str(tmp_path / "none")]) == 1
    assert remote.main(["get", "pods", "--server", "http://127.0.0.1:1"]) == 1
    err = capsys.readouterr().err
    assert "give --server or KUBECONFIG" in err
    assert "The connection to the server 127.0.0.1:1 was refused" in err


def test_magics_act_on_the_newest_cluster(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`c` comes first, then the newest; a failure is text; without a cluster one is asked for."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert magics.newest({"a": cluster, "_": 1}) is cluster
    assert magics.run_kubectl({}, "get pods") == 1
    assert magics.run_kubectl({"c": cluster}, "apply -f -", WEB) == 0
    assert magics.run_kubectl({"c": cluster}, "get pod none") == 1
    magics.step({"c": cluster}, "2")
    magics.run_for({"c": cluster}, "5")
    magics.run_for({"c": cluster}, "soon")
    assert "deployment.apps/web created" in out.getvalue()
    assert "It is 2026-01-01 00:00:" in out.getvalue()
    assert "make one with: c = Cluster(nodes=3)" in err.getvalue()
    assert 'pods "none" not found' in err.getvalue()
    assert "%run_for takes a number" in err.getvalue()


def test_manifest_magic_writes_or_applies(cluster: Cluster, tmp_path: Any, capsys: Any) -> None:
    """With a name the cell becomes a file; without one it is applied."""
    magics.manifest({"c": cluster}, str(tmp_path / "web.yaml"), WEB)
    assert (tmp_path / "web.yaml").read_text() == WEB
    magics.manifest({"c": cluster}, "", WEB)
    assert "deployment.apps/web created" in capsys.readouterr().out
