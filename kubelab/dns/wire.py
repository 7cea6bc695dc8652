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
QUERY, NOTIFY = 0, 4
# The EDNS flag DO, and the options that an answer hands back as they came: NSID, EXPIRE, COOKIE,
# TCP-KEEPALIVE and PADDING.
DNSSEC_OK = 0x8000
ECHOED = (3, 9, 10, 11, 12)


class Query(NamedTuple):
    """A question as read from the wire.

    `error` is the rcode with which a server refuses it (`FORMERR`, `NOTIMP`, …), else empty;
    `size` is how large an answer over UDP may be; `edns` whether the client speaks EDNS, `payload`
    the size that it names there and `options` what else, as (code, bytes).
    """

    id: int
    name: str
    type: str
    class_: str = "IN"
    error: str = ""
    recursion: bool = True
    edns: bool = False
    size: int = UDP_BYTES
    opcode: int = 0
    checking_disabled: bool = False
    dnssec: bool = False
    payload: int = 0
    options: tuple[tuple[int, bytes], ...] = ()
    bytes: int = 0


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
    recursion_available: bool = False
    recursion_desired: bool = True
    authentic: bool = False
    # The size that the server names in its EDNS record; 0 without one.
    payload: int = 0
    bytes: int = 0
    class_: str = "IN"

    def flags(self) -> str:
        """The flags that are set, in dig's order."""
        known = {
            "qr": True, "aa": self.authoritative, "tc": self.truncated,
            "rd": self.recursion_desired, "ra": self.recursion_available, "ad": self.authentic,
        }  # fmt: skip
        return " ".join(name for name, is_set in known.items() if is_set)


def _library() -> Any:
    """dnspython's modules that are used here."""
    import dns.edns
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


def query(
    name: str,
    type_: str,
    id_: int,
    *,
    class_: str = "IN",
    recursion: bool = True,
    payload: int = 0,
    authentic: bool = False,
    dnssec: bool = False,
) -> bytes:
    """A query, as a resolver sends it; with a `payload` it speaks EDNS. Raises ValueError."""
    dns = _library()
    try:
        message = dns.message.make_query(name, type_, class_, id=id_)
    except (dns.exception.DNSException, ValueError) as error:
        raise ValueError(str(error)) from None
    if not recursion:
        message.flags &= ~dns.flags.RD
    if authentic:
        message.flags |= dns.flags.AD
    if payload:
        message.use_edns(0, DNSSEC_OK if dnssec else 0, payload=payload)
    return bytes(message.to_wire(want_shuffle=False))


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
    if flags & dns.flags.QR:
        # An answer is no question; answering it could go on for ever.
        return None
    opcode, desired = (flags >> 11) & 0xF, bool(flags & dns.flags.RD)
    refused = Query(id_, "", "", "IN", "FORMERR", desired)
    if opcode not in (QUERY, NOTIFY):
        return refused._replace(error="NOTIMP", opcode=opcode)
    counts = [int.from_bytes(wire[at : at + 2], "big") for at in (4, 6, 8, 10)]
    if counts[0] != 1 or any(
        count > most for count, most in zip(counts[1:], (1, 1, 2), strict=True)
    ):
        return refused
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, question_only=False)
    except (dns.exception.DNSException, ValueError):
        return refused
    if not message.question:
        return refused
    rrset = message.question[0]
    edns = message.edns >= 0
    return Query(
        id_,
        rrset.name.to_text(),
        dns.rdatatype.to_text(rrset.rdtype),
        dns.rdataclass.to_text(rrset.rdclass),
        # An answer to a later version than ours says which one we speak.
        "BADVERS" if message.edns > 0 else "",
        desired,
        edns,
        max(UDP_BYTES, message.payload) if edns else UDP_BYTES,
        opcode,
        bool(flags & dns.flags.CD),
        edns and bool(message.ednsflags & DNSSEC_OK),
        message.payload if edns else 0,
        tuple(
            (int(option.otype), bytes(option.to_wire()))
            for option in message.options
            if option.otype in ECHOED
        ) if edns else (),
        len(wire),
    )  # fmt: skip


def response(
    asked: Query,
    rcode: str,
    answers: tuple[Answer, ...] = (),
    authority: tuple[Answer, ...] = (),
    additional: tuple[Answer, ...] = (),
    *,
    authoritative: bool = True,
    recursive: bool = False,
    limit: int = 65535,
) -> bytes:
    """The answer to a question; what exceeds `limit` bytes is cut off and marked as truncated.

    `recursive` says that the server follows names outside its zones (RA).
    """
    dns = _library()
    if asked.name and rcode != "BADVERS":
        message = dns.message.make_query(asked.name, asked.type, asked.class_, id=asked.id)
    else:
        message = dns.message.Message(id=asked.id)
    flags = dns.flags.QR | (asked.opcode << 11)
    flags |= dns.flags.RD if asked.recursion else 0
    flags |= dns.flags.RA if recursive else 0
    flags |= dns.flags.AA if authoritative else 0
    message.flags = flags | (dns.flags.CD if asked.checking_disabled else 0)
    if asked.edns:
        options = [dns.edns.GenericOption(code, data) for code, data in asked.options]
        flags = DNSSEC_OK if asked.dnssec else 0
        message.use_edns(0, flags, payload=asked.payload, options=options)
    message.set_rcode(dns.rcode.from_text(rcode))
    sections = (
        (message.answer, answers), (message.authority, authority), (message.additional, additional)
    )  # fmt: skip
    for section, rows in sections:
        for row in rows:
            rrset = dns.rrset.from_text(row.name, row.ttl, "IN", row.type, row.data)
            same = [have for have in section if have.match(rrset.name, 1, rrset.rdtype, 0)]
            if same and asked.type not in ("AXFR", "IXFR"):
                same[0].add(rrset[0])
            else:
                section.append(rrset)
    # The library would shuffle the rows by chance of its own; their order is the plugins' affair.
    wire = bytes(message.to_wire(want_shuffle=False))
    if len(wire) > limit:
        message.flags |= dns.flags.TC
        # Rows are left out until it fits; the client asks again over TCP.
        for section in (message.additional, message.authority, message.answer):
            while section and len(message.to_wire(want_shuffle=False)) > limit:
                if len(section[-1]) > 1:
                    del section[-1][0]
                else:
                    section.pop()
        wire = bytes(message.to_wire(want_shuffle=False))
    return wire


def read_response(wire: bytes) -> Message | None:
    """An answer from the wire; None for what is none."""
    dns = _library()
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, one_rr_per_rrset=True)
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
        bool(message.flags & dns.flags.RA),
        bool(message.flags & dns.flags.RD),
        bool(message.flags & dns.flags.AD),
        message.payload if message.edns >= 0 else 0,
        len(wire),
        dns.rdataclass.to_text(question.rdclass) if question is not None else "IN",
    )


def _rows(dns: Any, section: Any) -> tuple[Answer, ...]:
    return tuple(
        Answer(rrset.name.to_text(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), item.to_text())
        for rrset in section
        for item in rrset
    )
