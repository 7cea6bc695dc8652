"""nftables as kube-proxy's nftables mode uses it: one table of its own, with sets, maps and chains.

Where iptables has a rule for each service, here is one rule that looks destination, protocol and
port up in a map, which says where to go on. A base chain is tied to a hook of the packet's way with
a priority; the others are gone to. `Table.list` prints what `nft list table` prints.

What must hold: an entry of a map belongs to one service port, so that a change of one service
touches its own entries and chains only.

In Kubernetes: pkg/proxy/nftables writes such a table through knftables. A real kernel keeps
elements of sets and maps in the order of their hashes; here they are sorted.
"""

from __future__ import annotations

from typing import NamedTuple

MARK = 0x4000


class Statement(NamedTuple):
    """One rule of nftables: what it asks (empty: nothing), then what it does.

    `verb` is jump, goto, drop, reject, mark, masquerade, dnat, choose (a map drawn by chance, to
    addresses), spread (the same to chains), update (a set), or lookup (a verdict map).
    """

    verb: str
    to: str = ""
    new: bool = False
    translated: bool = False
    marked: bool = False
    hairpin: bool = False
    source: tuple[str, ...] = ()
    not_source: bool = False
    source_set: str = ""
    source_local: bool = False
    destination: str = ""
    destination_set: str = ""
    protocol: str = ""
    port_only: bool = False
    choices: tuple[str, ...] = ()
    comment: str = ""

    def text(self, ip: str) -> str:
        """The rule as `nft list` prints it; `ip` is `ip` or `ip6`."""
        out = self._questions(ip)
        out.append(self._action(ip))
        if self.comment:
            out.append(f'comment "{self.comment}"')
        return " ".join(out)

    def _questions(self, ip: str) -> list[str]:
        out: list[str] = []
        if self.new:
            out.append("ct state new")
        if self.translated:
            out.append("ct status dnat")
        if self.marked:
            out.append(f"meta mark & {MARK:#010x} != 0x00000000")
        if self.hairpin:
            ends = f"{ip} saddr . {ip} daddr . meta l4proto . th dport"
            out.append(f"{ends} @hairpin-connections")
        if self.destination_set:
            out.append(f"{ip} daddr @{self.destination_set}")
        if self.destination:
            out.append(f"{ip} daddr {self.destination}")
        if self.source:
            one = len(self.source) == 1
            given = self.source[0] if one else "{ " + ", ".join(self.source) + " }"
            out.append(f"{ip} saddr {'!= ' if self.not_source else ''}{given}")
        if self.source_set:
            out.append(f"{ip} saddr @{self.source_set}")
        if self.source_local:
            out.append("fib saddr type local")
        if self.protocol:
            out.append(f"meta l4proto {self.protocol}")
        return out

    def _action(self, ip: str) -> str:
        if self.verb == "mark":
            return f"meta mark set meta mark | {MARK:#010x}"
        if self.verb == "masquerade":
            clear = f"meta mark set meta mark ^ {MARK:#010x} " if self.marked else ""
            return f"{clear}masquerade fully-random"
        if self.verb == "dnat":
            return f"dnat to {self.to}"
        if self.verb == "update":
            return f"update @{self.to} {{ {ip} saddr }}"
        if self.verb == "lookup":
            key = "" if self.port_only else f"{ip} daddr . "
            return f"{key}meta l4proto . th dport vmap @{self.to}"
        count = len(self.choices)
        rows = ", ".join(f"{at} : {item}" for at, item in enumerate(self.choices))
        if self.verb == "choose":
            return f"dnat {ip} to numgen random mod {count} map {{ {rows} }}"
        if self.verb == "spread":
            rows = ", ".join(f"{at} : goto {item}" for at, item in enumerate(self.choices))
            return f"numgen random mod {count} vmap {{ {rows} }}"
        return f"{self.verb} {self.to}".rstrip()


Statements = tuple[Statement, ...]


class Element(NamedTuple):
    """An entry of a map: the verdict (`goto CHAIN`, `drop`) and a comment; empty in a set."""

    verdict: str = ""
    comment: str = ""

    def text(self, key: str) -> str:
        """The entry as `nft list` prints it."""
        said = f' comment "{self.comment}"' if self.comment else ""
        return f"{key}{said} : {self.verdict}" if self.verdict else f"{key}{said}"


class Container:
    """A set or a verdict map. In one with a timeout `seen` says since when an element is there."""

    def __init__(self, type_: str, comment: str = "", timeout_seconds: int = 0) -> None:
        self.type = type_
        self.comment = comment
        self.timeout_seconds = timeout_seconds
        self.elements: dict[str, Element] = {}
        self.seen: dict[str, int] = {}

    @property
    def is_map(self) -> bool:
        """Whether it leads somewhere."""
        return self.type.endswith(": verdict")

    def lines(self, name: str) -> list[str]:
        """What `nft list` prints of it."""
        out = [f"\t{'map' if self.is_map else 'set'} {name} {{", f"\t\ttype {self.type}"]
        if self.timeout_seconds:
            out += ["\t\tsize 65535", "\t\tflags dynamic,timeout"]
            out.append(f"\t\ttimeout {span(self.timeout_seconds)}")
        if self.comment:
            out.append(f'\t\tcomment "{self.comment}"')
        rows = [self.elements[key].text(key) for key in sorted(self.elements)]
        if rows:
            simple = not self.is_map and " . " not in self.type
            if simple:
                # Plain addresses are printed two to a line.
                pairs = [", ".join(rows[at : at + 2]) for at in range(0, len(rows), 2)]
            out.append(
                "\t\telements = { " + ",\n\t\t\t     ".join(pairs if simple else rows) + " }"
            )
        return [*out, "\t}"]


class Base(NamedTuple):
    """How a chain is tied to the packet's way."""

    type: str
    hook: str
    priority: str


class Table:
    """A table: `ip kube-proxy` or `ip6 kube-proxy`."""

    def __init__(self, family: str, name: str = "kube-proxy") -> None:
        self.family = family
        self.name = name
        self.comment = "rules for kube-proxy"
        self.containers: dict[str, Container] = {}
        self.bases: dict[str, Base] = {}
        self.chains: dict[str, Statements] = {}
        self.chain_comments: dict[str, str] = {}

    def list(self) -> str:
        """The table as `nft list table` prints it."""
        blocks: list[list[str]] = []
        for name, held in self.containers.items():
            blocks.append(held.lines(name))
        for name, rules in self.chains.items():
            lines = [f"\tchain {name} {{"]
            if name in self.chain_comments:
                lines.append(f'\t\tcomment "{self.chain_comments[name]}"')
            base = self.bases.get(name)
            if base is not None:
                tied = f"type {base.type} hook {base.hook} priority {base.priority}"
                lines.append(f"\t\t{tied}; policy accept;")
            lines += [f"\t\t{rule.text(self.family)}" for rule in rules]
            blocks.append([*lines, "\t}"])
        head = f'table {self.family} {self.name} {{\n\tcomment "{self.comment}"\n'
        return head + "\n\n".join("\n".join(block) for block in blocks) + "\n}\n"


def span(seconds: int) -> str:
    """A time as nft prints it: 10800 s are `3h`."""
    out = ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        out += f"{count}{unit}" if count else ""
    return out or "0s"
