"""Records made up from the question itself: the plugins `template` and `any`.

A template says for which class, type and zones it is, which names it takes (regular expressions)
and which records it makes, in Go's template language: `{{ .Name }}`, `{{ .Group.a }}` for a named
group, `{{ index .Match 1 }}` for a numbered one. Of templates for one question the first that
matches answers; one that does not match denies the name unless it says `fallthrough`.

In Kubernetes: CoreDNS' plugin/template and plugin/any. Left out: template functions, metadata.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from kubelab.dns.naming import Reply, dotted
from kubelab.network.payloads import Answer

SECTIONS = ("answer", "authority", "additional")
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
# RFC 8482: what is said to those who ask for everything.
OBSOLETE = ('"ANY obsoleted" "See RFC 8482"', 8482)


class Mistake(ValueError):
    """Raised for a template that cannot be used; the message is CoreDNS' own."""


class Template(NamedTuple):
    """One `template` directive. `through` are the zones in which the next plugin is asked."""

    class_: str
    type: str
    zones: tuple[str, ...]
    matches: tuple[str, ...] = ()
    rcode: str = "NOERROR"
    records: tuple[tuple[str, str], ...] = ()
    through: tuple[str, ...] = ()

    def answer(self, name: str, type_: str) -> Reply | None:
        """Its reply to a question; None where the next one is to be asked."""
        zone = max((zone for zone in self.zones if _inside(name, zone)), key=len, default="")
        if not zone or self.class_ not in ("IN", "ANY") or self.type not in ("ANY", type_):
            return None
        for pattern in self.matches or (".*",):
            found = re.search(pattern, name)
            if found is not None:
                made = {
                    section: tuple(
                        _record(_filled(text, found, name, type_, zone))
                        for where, text in self.records if where == section
                    )
                    for section in SECTIONS
                }  # fmt: skip
                return Reply(self.rcode, made["answer"], made["authority"], made["additional"],
                             origin="a template of the Corefile")  # fmt: skip
        if any(_inside(name, through) for through in self.through):
            return None
        return Reply("NXDOMAIN")


def _inside(name: str, zone: str) -> bool:
    lowered = name.lower()
    return zone == "." or lowered == zone or lowered.endswith("." + zone)


def _filled(text: str, found: re.Match[str], name: str, type_: str, zone: str) -> str:
    def value(at: re.Match[str]) -> str:
        word = at[1].strip()
        if word.startswith(".Group."):
            return found.groupdict().get(word[7:]) or ""
        if numbered := re.fullmatch(r"index \.Match (\d+)", word):
            number = int(numbered[1])
            return (found[number] or "") if number <= (found.re.groups or 0) else ""
        values = {".Name": name, ".Zone": zone, ".Class": "IN", ".Type": type_}
        return values.get(word, "")

    return re.sub(r"\{\{(.*?)\}\}", value, text)


def _record(text: str) -> Answer:
    """`NAME [TTL] [CLASS] TYPE DATA` as a row."""
    name, *words = text.split()
    ttl = int(words.pop(0)) if words and words[0].isdigit() else 3600
    if words and words[0] == "IN":
        words.pop(0)
    return Answer(dotted(name), ttl, words[0] if words else "", " ".join(words[1:]))


def read(words: tuple[str, ...], inner: tuple[tuple[str, ...], ...], zones: tuple[str, ...]) -> (
    Template
):  # fmt: skip
    """A directive as it stands in the Corefile. Raises Mistake."""
    if len(words) < 2:
        raise Mistake("Wrong argument count or unexpected line ending after 'template'")
    if words[0] not in ("IN", "CH", "HS", "ANY"):
        raise Mistake(f"invalid RR class {words[0]}")
    named = tuple(dotted(zone.lower()) for zone in words[2:]) or zones
    template = Template(words[0], words[1], named)
    for word, *args in inner:
        if word == "match" and args:
            for pattern in args:
                try:
                    re.compile(pattern)
                except re.error:
                    raise Mistake(f"could not parse regex: {pattern}") from None
            template = template._replace(matches=(*template.matches, *args))
        elif word in SECTIONS and args:
            rows = tuple((word, text) for text in args)
            template = template._replace(records=(*template.records, *rows))
        elif word == "rcode" and args:
            if args[0] not in RCODES:
                raise Mistake(f"unknown rcode {args[0]}")
            template = template._replace(rcode=args[0])
        elif word == "fallthrough":
            through = tuple(dotted(zone.lower()) for zone in args) or (".",)
            template = template._replace(through=through)
        elif word not in ("ederror", "upstream"):
            raise Mistake(f"unknown property '{word}'")
    return template


def everything(name: str) -> Reply:
    """What the plugin `any` says to a question for all types."""
    data, ttl = OBSOLETE
    return Reply("NOERROR", (Answer(name, ttl, "HINFO", data),), origin="RFC 8482")
