"""What lets a client in over HTTPS: a certificate authority, certificates, a token, a kubeconfig.

Each server makes an authority of its own and signs with it the server's certificate and one for
each user who asks. The authority's certificate and a token stand in the kubeconfig, which only its
owner may read. Keys and tokens are real secrets, so they are drawn from the machine and are no part
of any world: the simulation only hears who asks.

In Kubernetes: what kubeadm's phases `certs` and `kubeconfig` make under /etc/kubernetes.
"""

from __future__ import annotations

import base64
import datetime
import ipaddress
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

from kubelab.api.rest import ADMIN

# Wide enough for any clock, as a cluster in virtual time may be served at any date.
VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
VALID_UNTIL = datetime.datetime(2049, 12, 31, tzinfo=datetime.timezone.utc)
NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


def new_token() -> str:
    """A bearer token that nobody can guess."""
    return secrets.token_urlsafe(32)


class Authority:
    """A certificate authority: `.pem` is its certificate."""

    def __init__(self) -> None:
        try:
            from cryptography.hazmat.primitives.asymmetric import ec
        except ImportError:
            raise RuntimeError(
                "HTTPS needs the package cryptography (pip install cryptography); "
                "without it only plain HTTP can be served: http=True, or --http"
            ) from None
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject("kubernetes", ())
        self._certificate = self._sign(self._name, self._key.public_key(), authority=True)
        self.pem = _pem(self._certificate)

    def server(self, host: str) -> tuple[bytes, bytes]:
        """Certificate and key of a server at an address."""
        from cryptography import x509

        names: list[Any] = [x509.DNSName(name) for name in NAMES]
        addresses = dict.fromkeys(("127.0.0.1", "::1", host))
        for address in addresses:
            try:
                names.append(x509.IPAddress(ipaddress.ip_address(address)))
            except ValueError:
                names.append(x509.DNSName(address))
        return self._issue(_subject("kube-apiserver", ()), names, client=False)

    def client(self, user: str, groups: tuple[str, ...] = ()) -> tuple[bytes, bytes]:
        """Certificate and key of a user: the common name is the user, organizations are groups."""
        return self._issue(_subject(user, groups), [], client=True)

    def _issue(self, name: Any, names: list[Any], *, client: bool) -> tuple[bytes, bytes]:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(name, key.public_key(), names, client=client)
        return _pem(certificate), key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def _sign(
        self,
        name: Any,
        public: Any,
        names: Any = (),
        *,
        client: bool = False,
        authority: bool = False,
    ) -> Any:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID

        own = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        usage = {
            "digital_signature": True, "key_cert_sign": authority, "crl_sign": authority,
            "content_commitment": False, "key_encipherment": False, "data_encipherment": False,
            "key_agreement": False, "encipher_only": False, "decipher_only": False,
        }  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(VALID_FROM)
            .not_valid_after(VALID_UNTIL)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own), critical=False
            )
        )
        if not authority:
            purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _subject(user: str, groups: tuple[str, ...]) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _pem(certificate: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization

    pem: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return pem


def peer(certificate: Any) -> tuple[str, tuple[str, ...]]:
    """User and groups of a client's certificate, as the standard library's ssl shows it."""
    rows = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    users = [value for key, value in rows if key == "commonName"]
    groups = tuple(value for key, value in rows if key == "organizationName")
    return (users[0] if users else ""), groups


def write_kubeconfig(path: str | None, url: str, pem: bytes | None, token: str) -> Path:
    """Writes a kubeconfig for the administrator that only its owner may read; returns its path."""
    target = Path(path) if path else Path(tempfile.mkdtemp(prefix="kubelab-")) / "kubeconfig"
    cluster: dict[str, Any] = {"server": url}
    if pem is not None:
        cluster["certificate-authority-data"] = base64.b64encode(pem).decode()
    elif url.startswith("http:"):
        # Some clients speak plain HTTP only to a server that they need not verify.
        cluster["insecure-skip-tls-verify"] = True
    user = {"token": token} if token else {}
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "kubelab", "preferences": {},
        "clusters": [{"name": "kubelab", "cluster": cluster}],
        "users": [{"name": ADMIN, "user": user}],
        "contexts": [{"name": "kubelab", "context": {"cluster": "kubelab", "user": ADMIN}}],
    }  # fmt: skip
    text = json.dumps(config, indent=2) + "\n"
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    return target
