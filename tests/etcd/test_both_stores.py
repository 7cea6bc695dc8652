"""One tale over both stores: objects and lists are the same on the embedded and on a real etcd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from kubelab import Cluster
from kubelab.api.errors import ApiError
from kubelab.etcd.external import gateway
from tests.etcd.real import real_etcd

pytestmark = pytest.mark.native
MAPS = "/api/v1/namespaces/default/configmaps"


def config(name: str, value: str = "1") -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"v": value}},
        "data": {"a": value},
    }


def quiet(store: str | None) -> Cluster:
    """A cluster in which nothing happens by itself: what is written is what the test writes."""
    c = Cluster(nodes=0, dns=False, seed=3, store=store)
    c.settle()
    return c


@pytest.fixture(params=["embedded", "real"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster over each store in turn."""
    if request.param == "embedded":
        yield quiet(None)
        return
    with real_etcd() as address:
        yield quiet(f"etcd://{address}")
        gateway(address).close()


def test_create_read_change_delete(cluster: Cluster) -> None:
    """An object's resourceVersion is its key's mod_revision; conflicts and doubles are refused."""
    c = cluster
    made = c.request("POST", MAPS, config("web"))
    assert made.status == 201
    kv = c.etcd.range(b"/registry/configmaps/default/web").kvs[0]
    assert made.body["metadata"]["resourceVersion"] == str(kv.mod_revision)
    assert c.request("POST", MAPS, config("web")).body["reason"] == "AlreadyExists"
    changed = c.request("PUT", f"{MAPS}/web", config("web", "2"))
    assert int(changed.body["metadata"]["resourceVersion"]) > kv.mod_revision
    stale = config("web", "3")
    stale["metadata"]["resourceVersion"] = str(kv.mod_revision)
    assert c.request("PUT", f"{MAPS}/web", stale).body["reason"] == "Conflict"
    same = c.request("PUT", f"{MAPS}/web", config("web", "2"))
    assert same.body["metadata"]["resourceVersion"] == changed.body["metadata"]["resourceVersion"]
    c.delete("ConfigMap", "web")
    with pytest.raises(ApiError, match='configmaps "web" not found'):
        c.get("ConfigMap", "web")
    assert not c.etcd.range(b"/registry/configmaps/default/web").kvs


def test_lists_pages_and_selectors(cluster: Cluster) -> None:
    """Lists come in the order of keys, in pages that hold together, and by label."""
    c = cluster
    for number in range(5):
        c.apply(config(f"m{number}", str(number % 2)))
    first = c.request("GET", f"{MAPS}?limit=2").body
    names = [o["metadata"]["name"] for o in first["items"]]
    token = first["metadata"].get("continue", "")
    while token:
        page = c.request("GET", f"{MAPS}?limit=2&continue={token}").body
        names += [o["metadata"]["name"] for o in page["items"]]
        token = page["metadata"].get("continue", "")
    assert [name for name in names if name.startswith("m")] == ["m0", "m1", "m2", "m3", "m4"]
    odd = c.request("GET", f"{MAPS}?labelSelector=v%3D1").body["items"]
    assert [o["metadata"]["name"] for o in odd] == ["m1", "m3"]


def test_keys_are_laid_out_as_a_real_servers() -> None:
    """Both stores hold the same keys, and etcdctl reads them in the real one."""
    control = shutil.which("etcdctl")
    if control is None:
        pytest.skip("no etcdctl here to read with: apt-get install etcd-client")
    with real_etcd() as address:
        ours, theirs = quiet(None), quiet(f"etcd://{address}")
        for c in (ours, theirs):
            c.apply(config("web"))
        command = [control, "--endpoints", address, "get", "/registry/", "--prefix"]
        environment = {**os.environ, "ETCDCTL_API": "3"}
        told = subprocess.run(
            [*command, "--keys-only"], check=True, capture_output=True, text=True, env=environment
        )
        keys = [line for line in told.stdout.splitlines() if line]
        mine = [kv.key.decode() for kv in ours.etcd.range(b"/registry/", b"/registry0").kvs]
        assert keys == mine
        assert "/registry/configmaps/default/web" in keys
        key = "/registry/configmaps/default/web"
        told = subprocess.run(
            [control, "--endpoints", address, "get", key, "--print-value-only"],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        assert json.loads(told.stdout)["data"] == {"a": "1"}
        gateway(address).close()
