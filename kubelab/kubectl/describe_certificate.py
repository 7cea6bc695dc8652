"""The page of a request for a certificate, with whom it is for.

The request itself is DER: nested values, each with its kind and length before it. Only the subject
is read of it.

In Kubernetes: describeCertificateSigningRequest of k8s.io/kubectl/pkg/describe. Alternative names
are left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from kubelab.api.durations import human
from kubelab.api.objects import Obj, get, name_of
from kubelab.kubectl.page import Page, when
from kubelab.kubectl.session import Session
from kubelab.sim.kernel import SECOND

# The last bytes of an attribute's identifier, under 2.5.4.
ATTRIBUTES = {
    3: "Common Name", 5: "Serial Number", 10: "Organization", 11: "Organizational Unit",
    6: "Country", 7: "Locality", 8: "Province", 9: "StreetAddress", 17: "PostalCode",
}  # fmt: skip
ALWAYS = ("Common Name", "Serial Number")
INDENT = " " * 9


def values(data: bytes) -> Iterator[bytes]:
    """What stands one after the other in a piece of DER. Raises IndexError for half a value."""
    at = 0
    while at < len(data):
        length = data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        yield data[at : at + length]
        at += length


def subject(request: bytes) -> dict[str, list[str]]:
    """The parts of the subject of a request in PEM. Raises ValueError."""
    try:
        body = request.decode().partition("-----\n")[2].partition("-----END")[0]
        whole = next(values(base64.b64decode(body)))
        info = next(values(whole))
        _, names, *_ = values(info)
        found: dict[str, list[str]] = {}
        for part in values(names):
            for pair in values(part):
                identifier, text = values(pair)
                title = ATTRIBUTES.get(identifier[-1], "")
                found.setdefault(title, []).append(text.decode())
    except (IndexError, StopIteration) as error:
        raise ValueError("no request for a certificate") from error
    return found


def status_text(obj: Obj) -> str:
    """Approved or denied, and issued or not."""
    states = {row["type"]: True for row in get(obj, "status", "conditions", default=())}
    text = "Approved" if "Approved" in states else "Denied" if "Denied" in states else "Pending"
    if "Failed" in states:
        text += ",Failed"
    return text + (",Issued" if get(obj, "status", "certificate") else "")


def _request(session: Session, page: Page, obj: Obj, events: Any) -> None:
    spec = obj.get("spec") or {}
    page.write(0, f"Name:\t{name_of(obj)}")
    page.marks(obj)
    page.write(0, f"CreationTimestamp:\t{when(obj['metadata'].get('creationTimestamp'))}")
    page.write(0, f"Requesting User:\t{spec.get('username', '')}")
    if spec.get("signerName"):
        page.write(0, f"Signer:\t{spec['signerName']}")
    if spec.get("expirationSeconds"):
        page.write(0, f"Requested Duration:\t{human(spec['expirationSeconds'] * SECOND)}")
    page.write(0, f"Status:\t{status_text(obj)}")
    try:
        parts = subject(base64.b64decode(spec.get("request", "")))
    except ValueError:
        parts = {}
    page.write(0, "Subject:")
    for title in ATTRIBUTES.values():
        if title in parts or title in ALWAYS:
            page.write(0, f"{INDENT}{title}:\t{','.join(parts.get(title, ('',)))}")
    page.events(events)


PAGES = {"CertificateSigningRequest": _request}
