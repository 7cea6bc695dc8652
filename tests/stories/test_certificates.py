"""Certificate signing requests: who approves, who signs, what is refused, when they go."""

from __future__ import annotations

import base64

import pytest

from kubelab import Cluster

x509 = pytest.importorskip("cryptography.x509")


def request(name: str, subject: str, *usages: str, signer: str = "kube-apiserver-client") -> object:
    """A request for a certificate of this subject."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.x509.oid import NameOID

    rows = [x509.NameAttribute(NameOID.COMMON_NAME, subject)]
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(rows)).sign(key, None)
    pem = made.public_bytes(serialization.Encoding.PEM)
    return {
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(), "signerName": f"kubernetes.io/{signer}",
            "usages": list(usages),
        },
    }  # fmt: skip


@pytest.fixture
def cluster() -> Cluster:
    """A cluster without nodes."""
    made = Cluster(0, dns=False)
    made.settle()
    return made


def words(cluster: Cluster, name: str) -> str:
    """The last column of `kubectl get csr`."""
    return cluster.kubectl(f"get csr {name} --no-headers").split()[-1]


def approve(cluster: Cluster, name: str) -> None:
    """What `kubectl certificate approve` does."""
    body = cluster.get("CertificateSigningRequest", name)
    row = {"type": "Approved", "status": "True", "reason": "KubectlApprove", "message": "yes"}
    cluster.request(
        "PUT", f"/apis/certificates.k8s.io/v1/certificatesigningrequests/{name}/approval",
        {**body, "status": {"conditions": [row]}},
    )  # fmt: skip
    cluster.settle()


def test_an_approved_request_is_signed(cluster: Cluster) -> None:
    """Pending until somebody approves; then it holds a certificate for the subject, for a year."""
    cluster.apply(request("ann", "ann", "client auth"))
    cluster.settle()
    assert words(cluster, "ann") == "Pending"
    approve(cluster, "ann")
    assert words(cluster, "ann") == "Approved,Issued"
    held = cluster.get("CertificateSigningRequest", "ann")["status"]["certificate"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(held))
    assert certificate.subject.rfc4514_string() == "CN=ann"
    assert (certificate.not_valid_after_utc - cluster.now).days in (364, 365)


def test_a_usage_that_the_signer_does_not_grant_fails(cluster: Cluster) -> None:
    """Failed, with the signer's words."""
    cluster.apply(request("bad", "bad", "server auth"))
    approve(cluster, "bad")
    row = cluster.get("CertificateSigningRequest", "bad")["status"]["conditions"][-1]
    assert (row["type"], row["reason"]) == ("Failed", "SignerValidationFailure")
    assert row["message"] == "invalid usage for client certificate: [server auth]"


def test_a_signer_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    """Approved, but never issued: its own controller would have to."""
    made = request("other", "other", "client auth")
    made["spec"]["signerName"] = "example.com/mine"  # type: ignore[index]
    cluster.apply(made)
    approve(cluster, "other")
    assert words(cluster, "other") == "Approved"


def test_answered_requests_go_after_an_hour_and_others_after_a_day(cluster: Cluster) -> None:
    """The cleaner looks every minute."""
    cluster.apply([request("ann", "ann", "client auth"), request("bob", "bob", "client auth")])
    approve(cluster, "ann")
    cluster.run(3500)
    assert len(cluster.list("CertificateSigningRequest")) == 2
    cluster.run(300)
    assert [r["metadata"]["name"] for r in cluster.list("CertificateSigningRequest")] == ["bob"]
    cluster.run(23 * 3600 + 300)
    assert cluster.list("CertificateSigningRequest") == []


def test_the_same_seed_signs_the_same() -> None:
    """A replay makes the same certificate, byte for byte."""
    found = []
    for _ in range(2):
        cluster = Cluster(0, dns=False)
        cluster.apply(request("ann", "ann", "client auth"))
        approve(cluster, "ann")
        found.append(cluster.get("CertificateSigningRequest", "ann")["status"]["certificate"])
    assert found[0] == found[1]
