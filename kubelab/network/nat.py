"""Rule tables as netfilter has them: tables, chains, rules, and how they are printed.

A rule is a frozen record of what iptables can ask of a packet and what it then does. A chain is a
tuple of rules, tried in order; the long chains that hold one entry for each service port are
`Portal`s, whose parts are replaced one at a time and found by destination and port, so that
neither a change nor a packet costs what all services together would.

In Kubernetes: pkg/util/iptables writes such rules through iptables-restore. A real kernel walks
the long chains rule by rule; the outcome is the same, since no two of their rules match the same
packet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

MASQUERADE_MARK = 0x4000


class Rule(NamedTuple):
    """One rule. An empty field asks for nothing.

    `source` and `destination` are CIDRs; `one_in` n is a random choice with probability 1/n;
    `recent` names a list of client addresses, asked (`recent_seconds`) or written (0);
    `to` is what the target does (`--to-destination`, `--set-xmark`, `--reject-with`).
    """

    target: str
    comment: str = ""
    source: str = ""
    not_source: bool = False
    destination: str = ""
    protocol: str = ""
    port: int = 0
    source_local: bool = False
    destination_local: bool = False
    mark: str = ""
    ctstate: str = ""
    one_in: int = 0
    recent: str = ""
    recent_seconds: int = 0
    to: str = ""

    @property
    def probability(self) -> float | None:
        """The chance with which the rule matches, where it leaves that to chance."""
        return 1 / self.one_in if self.one_in else None

    def text(self) -> str:
        """The rule as iptables-save prints it, without `-A CHAIN`."""
        out: list[str] = []
        if self.source:
            out.append(f"{'! ' if self.not_source else ''}-s {self.source}")
        if self.destination:
            out.append(f"-d {self.destination}")
        if self.protocol:
            out.append(f"-p {self.protocol}")
        if self.ctstate == "NEW":
            out.append("-m conntrack --ctstate NEW")
        if self.comment:
            out.append(f'-m comment --comment "{self.comment}"')
        if self.source_local:
            out.append("-m addrtype --src-type LOCAL")
        if self.destination_local:
            out.append("-m addrtype --dst-type LOCAL")
        if self.recent:
            seconds = self.recent_seconds
            what = f"--rcheck --seconds {seconds} --reap" if seconds else "--set"
            out.append(f"-m recent --name {self.recent} {what}")
        if self.protocol:
            out.append(f"-m {self.protocol}" + (f" --dport {self.port}" if self.port else ""))
        if self.mark:
            out.append(f"-m mark {self.mark}")
        if self.ctstate and self.ctstate != "NEW":
            out.append(f"-m conntrack --ctstate {self.ctstate}")
        if self.one_in:
            chance = printed_probability(self.one_in)
            out.append(f"-m statistic --mode random --probability {chance}")
        if self.target:
            out.append(f"-j {self.target}")
        if self.to:
            out.append(self.to)
        return " ".join(out)


def printed_probability(one_in: int) -> str:
    """1/n as iptables-save shows it: rounded to ten digits, then to the kernel's 31 bits."""
    given = float(f"{1 / one_in:.10f}")
    return f"{round(given * (1 << 31)) / (1 << 31):.11f}"


MARKED = f"--mark {MASQUERADE_MARK:#x}/{MASQUERADE_MARK:#x}"
NOT_MARKED = f"! {MARKED}"
SET_MARK = f"--set-xmark {MASQUERADE_MARK:#x}/{MASQUERADE_MARK:#x}"
CLEAR_MARK = f"--set-xmark {MASQUERADE_MARK:#x}/0x0"

Rules = tuple[Rule, ...]


class Portal:
    """A long chain in parts: each key (a service port) has its rules; `last` follow all of them."""

    __slots__ = ("exact", "last", "parts", "total")

    def __init__(self, last: Rules = ()) -> None:
        self.parts: dict[str, Rules] = {}
        self.exact: dict[tuple[str, str, int], Rules] = {}
        self.last = last
        self.total = len(last)

    def replace(self, key: str, rules: Rules) -> None:
        """Puts the rules of one part in the place of what it had."""
        for rule in self.parts.pop(key, ()):
            where = (rule.destination, rule.protocol, rule.port)
            left = tuple(other for other in self.exact[where] if other != rule)
            self.total -= 1
            if left:
                self.exact[where] = left
            else:
                del self.exact[where]
        if rules:
            self.parts[key] = rules
        for rule in rules:
            where = (rule.destination, rule.protocol, rule.port)
            self.exact[where] = (*self.exact.get(where, ()), rule)
            self.total += 1

    def candidates(self, destination: str, protocol: str, port: int) -> Rules:
        """The rules that could match a packet to this destination and port, in order."""
        width = 128 if ":" in destination else 32
        return (
            *self.exact.get((f"{destination}/{width}", protocol, port), ()),
            *self.exact.get(("", protocol, port), ()),
            *self.last,
        )

    def __iter__(self) -> Iterator[Rule]:
        for key in sorted(self.parts):
            yield from self.parts[key]
        yield from self.last

    def __len__(self) -> int:
        return self.total


BUILT_IN = {
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
}


class Tables:
    """All chains of a machine, by table and name."""

    def __init__(self) -> None:
        self.nat: dict[str, Rules | Portal] = {}
        self.filter: dict[str, Rules | Portal] = {}
        self.mangle: dict[str, Rules | Portal] = {}

    def table(self, name: str) -> dict[str, Rules | Portal]:
        """The chains of a table: `nat`, `filter` or `mangle`."""
        return {"nat": self.nat, "filter": self.filter, "mangle": self.mangle}[name]

    def save(self, table: str = "") -> str:
        """The tables as `iptables-save` prints them, one of them or all."""
        out: list[str] = []
        for name in (table,) if table else ("mangle", "filter", "nat"):
            chains = self.table(name)
            out.append(f"*{name}")
            out.extend(f":{chain} ACCEPT [0:0]" for chain in BUILT_IN[name])
            made = sorted(chain for chain in chains if chain not in BUILT_IN[name])
            out.extend(f":{chain} - [0:0]" for chain in made)
            for chain in (*BUILT_IN[name], *made):
                out.extend(f"-A {chain} {rule.text()}" for rule in chains.get(chain, ()))
            out.append("COMMIT")
        return "\n".join(out) + "\n"
