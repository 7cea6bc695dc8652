"""A container's environment and the files of its volumes."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubelab.api.objects import freeze
from kubelab.kubelet import downward, env
from tests.kubelet.stub import Lab

SERVICE = freeze({
    "metadata": {"name": "redis-primary", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.11", "ports": [
        {"port": 6379, "name": "db", "protocol": "TCP"},
        {"port": 53, "name": "q", "protocol": "UDP"},
    ]},
})  # fmt: skip
KUBERNETES = freeze({
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443, "name": "https"}]},
})  # fmt: skip
HEADLESS = freeze({
    "metadata": {"name": "none", "namespace": "default"}, "spec": {"clusterIP": "None"},
})  # fmt: skip


def pod(**spec: Any) -> Any:
    """A pod of the namespace default."""
    return freeze({"metadata": {"name": "web", "namespace": "default"}, "spec": spec})


def test_service_variables() -> None:
    """Each service with an address gives host, ports by name, and links by port and protocol."""
    found = env.service_variables(pod(), [SERVICE, HEADLESS])
    assert found == {
        "REDIS_PRIMARY_SERVICE_HOST": "10.96.0.11",
        "REDIS_PRIMARY_SERVICE_PORT": "6379",
        "REDIS_PRIMARY_SERVICE_PORT_DB": "6379",
        "REDIS_PRIMARY_SERVICE_PORT_Q": "53",
        "REDIS_PRIMARY_PORT": "tcp://10.96.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP": "tcp://10.96.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP_PROTO": "tcp",
        "REDIS_PRIMARY_PORT_6379_TCP_PORT": "6379",
        "REDIS_PRIMARY_PORT_6379_TCP_ADDR": "10.96.0.11",
        "REDIS_PRIMARY_PORT_53_UDP": "udp://10.96.0.11:53",
        "REDIS_PRIMARY_PORT_53_UDP_PROTO": "udp",
        "REDIS_PRIMARY_PORT_53_UDP_PORT": "53",
        "REDIS_PRIMARY_PORT_53_UDP_ADDR": "10.96.0.11",
    }


def test_without_service_links_only_kubernetes_is_told() -> None:
    """enableServiceLinks false leaves the variables of `kubernetes` alone."""
    found = env.service_variables(pod(enableServiceLinks=False), [SERVICE, KUBERNETES])
    assert {name.partition("_")[0] for name in found} == {"KUBERNETES"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(A)-$(B)", "1-$(B)"), ("$$(A)", "$(A)"), ("$A", "$A"), ("$(A", "$(A"), ("$$$(A)", "$1"),
        ("a$", "a$"), ("$()", "$()"),
    ],
)  # fmt: skip
def test_expansion(text: str, value: str) -> None:
    """`$(NAME)` stands for a known variable, `$$` for a dollar; what is unknown stays."""
    assert env.expand(text, {"A": "1"}) == value


@given(st.text(alphabet="ab()", max_size=20))
def test_text_without_dollars_stays(text: str) -> None:
    """Nothing but a dollar sign begins an expansion."""
    assert env.expand(text, {"a": "1", "b": "2"}) == text


def environment(lab: Lab) -> dict[str, str]:
    """The environment of the one container."""
    (container,) = lab.runtime.containers.values()
    return dict(container.config.env)


def test_precedence_and_sources() -> None:
    """env wins over envFrom; secrets are decoded, what is optional may be missing."""
    lab = Lab()
    lab.config_map("cfg", {"A": "from-map", "B": "from-map", "bad key": "x"})
    lab.config_map("sec", {"TOKEN": base64.b64encode(b"s3cret").decode()}, "Secret")
    lab.pod(
        {
            "name": "app",
            "image": "kubelab/sleep:1",
            "envFrom": [
                {"configMapRef": {"name": "cfg"}},
                {"secretRef": {"name": "sec"}, "prefix": "S_"},
                {"configMapRef": {"name": "missing", "optional": True}},
            ],
            "env": [
                {"name": "B", "value": "own"},
                {"name": "C", "value": "$(B)/$(A)/$(NO)"},
                {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
        }
    )
    lab.run(5)
    assert environment(lab) == {
        "A": "from-map", "B": "own", "S_TOKEN": "s3cret", "C": "own/from-map/$(NO)",
        "IP": "10.244.1.2", "NODE": "node-1", "CPUS": "4",
    }  # fmt: skip


def test_labels_and_annotations() -> None:
    """The downward API tells single labels, and all of them as lines."""
    labelled = freeze({"metadata": {"name": "web", "labels": {"b": "2", "a": 'x"y'}}, "spec": {}})
    context = downward.Context("10.244.1.2", "192.168.0.11", "node-1", freeze({}))
    assert downward.field(labelled, "metadata.labels['b']", context) == "2"
    assert downward.field(labelled, "metadata.labels", context) == 'a="x\\"y"\nb="2"'


def test_a_projected_volume() -> None:
    """The service account volume holds a token, the certificate and the namespace."""
    lab = Lab()
    lab.config_map("kube-root-ca.crt", {"ca.crt": "CERT"})
    items = [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": items}},
    ]
    mount = {"name": "api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    lab.pod(
        {"name": "app", "image": "kubelab/sleep:1", "volumeMounts": [{**mount, "readOnly": True}]},
        volumes=[{"name": "api", "projected": {"sources": sources}}],
    )
    lab.run(5)
    (files,) = lab.runtime.disk.volumes.values()
    assert list(files) == ["token", "ca.crt", "namespace"]
    assert (files["ca.crt"], files["namespace"]) == ("CERT", "default")
    assert files["token"].count(".") == 2


def test_a_missing_key_is_refused() -> None:
    """A volume that names a key which is not there cannot be mounted."""
    lab = Lab()
    lab.config_map("cfg", {"a": "1"})
    source = {"name": "cfg", "items": [{"key": "b", "path": "b"}]}
    lab.pod({"name": "app", "image": "nginx:1"}, volumes=[{"name": "v", "configMap": source}])
    lab.run(0.3)
    text = 'MountVolume.SetUp failed for volume "v" : references non-existent config key: b'
    assert lab.happened() == [(0.004, "FailedMount", text)]
