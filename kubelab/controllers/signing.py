"""Signing a certificate: the authority of the cluster, the same for the same seed.

Which usages a signer grants is told here, too. The authority's key follows from the world's seed
and signatures are Ed25519, which draws nothing, so that a replay makes the same certificates.

In Kubernetes: pkg/controller/certificates/signer and authority. Without the package `cryptography`
nothing can be signed; the request then fails with these words.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

from kubelab.sim.kernel import to_datetime

CLIENT, KUBELET = "kube-apiserver-client", "kube-apiserver-client-kubelet"
BASE = ("digital signature", "key encipherment")
# For each signer the usage that must be there, and its word in messages.
SIGNERS = {
    f"kubernetes.io/{CLIENT}": "client auth",
    f"kubernetes.io/{KUBELET}": "client auth",
    "kubernetes.io/kubelet-serving": "server auth",
    "kubernetes.io/legacy-unknown": "",
}
LONGEST_SECONDS, BACKDATE_SECONDS = 365 * 24 * 3600, 300


class Refused(Exception):
    """Raised for a request that is not signed; the message says why."""


def usage_problem(signer: str, usages: tuple[str, ...]) -> str | None:
    """Why a signer does not grant these usages; empty if it does, None if it is not ours."""
    if signer not in SIGNERS:
        return None
    needed = SIGNERS[signer]
    if needed and (needed not in usages or any(u not in (*BASE, needed) for u in usages)):
        what = "client" if needed == "client auth" else "server"
        return f"invalid usage for {what} certificate: [{' '.join(usages)}]"
    return ""


def _parsed(pem: bytes) -> Any:
    """The request as `cryptography` reads it. Raises Refused."""
    try:
        from cryptography import x509
    except ImportError:
        raise Refused("certificates need the package cryptography") from None
    try:
        return x509.load_pem_x509_csr(pem)
    except ValueError as error:
        raise Refused(f"unable to parse csr: {error}") from None


def subject(pem: bytes) -> str:
    """The common name that a request asks for; empty if it cannot be read."""
    try:
        parsed = _parsed(pem)
    except Refused:
        return ""
    from cryptography.x509.oid import NameOID

    rows = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(rows[0].value) if rows else ""


def authority_key(seed: int | str) -> Any:
    """The key of the cluster's authority."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    digest = hashlib.sha256(f"certificate authority of {seed!r}".encode()).digest()
    return Ed25519PrivateKey.from_private_bytes(digest)


def sign(
    pem: bytes,
    usages: tuple[str, ...],
    now_ns: int,
    seconds: int | None,
    seed: int | str,
    serial: int,
) -> bytes:
    """The certificate for a request, in PEM. Raises Refused."""
    parsed = _parsed(pem)
    if not parsed.is_signature_valid:
        raise Refused("unable to verify the signature of the request")
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    begin = to_datetime(now_ns) - timedelta(seconds=BACKDATE_SECONDS)
    end = to_datetime(now_ns) + timedelta(seconds=min(seconds or LONGEST_SECONDS, LONGEST_SECONDS))
    purposes = {
        "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    }
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    usage |= {
        "digital_signature": "digital signature" in usages,
        "key_encipherment": "key encipherment" in usages,
    }
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(parsed.subject)
        .issuer_name(issuer)
        .public_key(parsed.public_key())
        .serial_number(serial or 1)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    extended = [purposes[name] for name in usages if name in purposes]
    if extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    for extension in parsed.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            builder = builder.add_extension(extension.value, critical=False)
    certificate = builder.sign(authority_key(seed), None)
    made: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return made
