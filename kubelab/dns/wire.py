"""DNS messages as bytes, as they are on a real wire.

A message is built and read by dnspython; the rest of kubelab sees questions and rows. What must
hold: bytes that are no message never raise; `read_query` says what a server answers to them.

In Kubernetes: github.com/miekg/dns, which CoreDNS is built on. The library is imported at the first
message, since a cluster that nobody asks for a name has no need of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.network.payloads import Answer

# What fits into an answer over UDP when the client has not said that it takes more.
UDP_BYTES = 512


class Query(NamedTuple):
    """A question as read from the wire.

    `error` is the rcode with which a server refuses it (`FORMERR`, `NOTIMP`, …), else empty;
    `size` is how large an answer over UDP may be; `edns` whether the client speaks EDNS.
    """

    id: int
    name: str
    type: str
    class_: str = "IN"
    error: str = ""
    recursion: bool = True
    edns: bool = False
    size: int = UDP_BYTES


class Message(NamedTuple):
    """An answer as read from the wire."""

    id: int
    rcode: str
    name: str
    type: str
    answers: tuple[Answer, ...] = ()
    authority: tuple[Answer, ...] = ()
    additional: tuple[Answer, ...] = ()
    authoritative: bool = False
    truncated: bool = False


def _library() -> Any:
    """dnspython's modules that are used here."""
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.opcode
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype
    import dns.rrset

    return dns


def query(name: str, type_: str, id_: int) -> bytes:
    """A query that asks for recursion, as a resolver sends it. Raises ValueError for no name."""
    dns = _library()
    try:
        message = dns.message.make_query(name, type_, id=id_)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(str(error)) from None
    return bytes(message.to_wire())


# The types that are asked for most; whatever else has a name is looked up in the library.
COMMON = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "NS", "SOA", "MX")


def is_type(type_: str) -> bool:
    """Whether there is such a type of records."""
    if type_ in COMMON:
        return True
    dns = _library()
    try:
        dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError):
        return False
    return True


def read_query(wire: bytes) -> Query | None:
    """The question in some bytes; None for what a server leaves without any answer."""
    dns = _library()
    if len(wire) < 12:
        return None
    id_ = int.from_bytes(wire[:2], "big")
    flags = int.from_bytes(wire[2:4], "big")
    if flags & 0x8000:
        # An answer is no question; answering it could go on for ever.
        return None
    if (flags >> 11) & 0xF not in (0, 4):
        return Query(id_, "", "", error="NOTIMP")
    if int.from_bytes(wire[4:6], "big") != 1:
        return Query(id_, "", "", error="FORMERR")
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, question_only=False)
    except (dns.exception.DNSException, ValueError):
        return Query(id_, "", "", error="FORMERR")
    if not message.question:
        return Query(id_, "", "", error="FORMERR")
    rrset = message.question[0]
    edns = message.edns >= 0
    size = max(UDP_BYTES, message.payload) if edns else UDP_BYTES
    return Query(
        id_,
        rrset.name.to_text(),
        dns.rdatatype.to_text(rrset.rdtype),
        dns.rdataclass.to_text(rrset.rdclass),
        "",
        bool(message.flags & dns.flags.RD),
        edns,
        min(size, 4096),
    )


def response(
    asked: Query,
    rcode: str,
    answers: tuple[Answer, ...] = (),
    authority: tuple[Answer, ...] = (),
    additional: tuple[Answer, ...] = (),
    *,
    authoritative: bool = True,
    limit: int = 65535,
) -> bytes:
    """The answer to a question; what exceeds `limit` bytes is cut off and marked as truncated."""
    dns = _library()
    if asked.name:
        message = dns.message.make_query(asked.name, asked.type, asked.class_, id=asked.id)
    else:
        message = dns.message.Message(id=asked.id)
    message.flags = dns.flags.QR | (dns.flags.RD if asked.recursion else 0) | dns.flags.RA
    if authoritative:
        message.flags |= dns.flags.AA
    message.set_rcode(dns.rcode.from_text(rcode))
    if asked.edns:
        message.use_edns(0, payload=4096)
    sections = (
        (message.answer, answers), (message.authority, authority), (message.additional, additional)
    )  # fmt: skip
    for section, rows in sections:
        for row in rows:
            rrset = dns.rrset.from_text(row.name, row.ttl, "IN", row.type, row.data)
            same = [have for have in section if have.match(rrset.name, 1, rrset.rdtype, 0)]
            if same:
                same[0].add(rrset[0])
            else:
                section.append(rrset)
    wire = bytes(message.to_wire())
    if len(wire) > limit:
        message.flags |= dns.flags.TC
        # Rows are left out until it fits; the client asks again over TCP.
        for section in (message.additional, message.authority, message.answer):
            while section and len(message.to_wire()) > limit:
                if len(section[-1]) > 1:
                    del section[-1][0]
                else:
                    section.pop()
        wire = bytes(message.to_wire())
    return wire


def read_response(wire: bytes) -> Message | None:
    """An answer from the wire; None for what is none."""
    dns = _library()
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError):
        return None
    question = message.question[0] if message.question else None
    return Message(
        message.id,
        dns.rcode.to_text(message.rcode()),
        question.name.to_text() if question is not None else "",
        dns.rdatatype.to_text(question.rdtype) if question is not None else "",
        _rows(dns, message.answer),
        _rows(dns, message.authority),
        _rows(dns, message.additional),
        bool(message.flags & dns.flags.AA),
        bool(message.flags & dns.flags.TC),
    )


def _rows(dns: Any, section: Any) -> tuple[Answer, ...]:
    return tuple(
        Answer(rrset.name.to_text(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), item.to_text())
        for rrset in section
        for item in rrset
    )
