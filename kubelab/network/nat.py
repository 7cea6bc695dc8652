"""Rule tables as netfilter has them: tables, chains, rules, and how they are printed.

A rule is a frozen record of what iptables can ask of a packet and what it then does. A chain is a
tuple of rules, tried in order; the long chains that hold one entry for each service port are
`Portal`s, whose parts are replaced one at a time and found by destination and port, so that
neither a change nor a packet costs what all services together would.

In Kubernetes: pkg/util/iptables writes such rules through iptables-restore. A real kernel walks
the long chains rule by rule; the outcome is the same, since no two of their rules match the same
packet. The kubelet's chains are pkg/kubelet/kubelet_network_linux.go's, those of host ports the
CNI plugin portmap's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from kubelab.network.addresses import single

MASQUERADE_MARK = 0x4000


class Rule(NamedTuple):
    """One rule. An empty field asks for nothing.

    `source` and `destination` are CIDRs; `one_in` n is a random choice with probability 1/n;
    `recent` names a list of client addresses, asked (`recent_seconds`) or written (0); `in_set` is
    an ipset and which ends of the packet it is asked for (`KUBE-CLUSTER-IP dst,dst`); `off_machine`
    asks whether the packet came neither over a bridge nor from a local process; `to` is what the
    target does (`--to-destination`, `--set-xmark`, `--reject-with`).
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
    in_set: str = ""
    off_machine: bool = False
    multiport: bool = False

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
            text = self.comment.replace('"', '\\"')
            out.append(f'-m comment --comment "{text}"')
        if self.in_set:
            out.append(f"-m set --match-set {self.in_set}")
        if self.off_machine:
            out.append("-m physdev ! --physdev-is-in -m addrtype ! --src-type LOCAL")
        if self.source_local:
            out.append("-m addrtype --src-type LOCAL")
        if self.destination_local:
            out.append("-m addrtype --dst-type LOCAL")
        if self.recent:
            seconds = self.recent_seconds
            what = f"--rcheck --seconds {seconds} --reap" if seconds else "--set"
            out.append(f"-m recent --name {self.recent} {what}")
        if self.multiport:
            out.append(f"-m multiport --dports {self.port}")
        elif self.protocol and not self.in_set:
            out.append(f"-m {self.protocol}" + (f" --dport {self.port}" if self.port else ""))
        if self.mark:
            out.append(f"-m mark {self.mark}")
        if self.ctstate and self.ctstate != "NEW":
            turned, _, states = self.ctstate.rpartition(" ")
            out.append(f"-m conntrack {turned + ' ' if turned else ''}--ctstate {states}")
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

# What the portmap plugin marks so that a pod may reach itself by its host port.
CNI_SET_MARK = "--set-xmark 0x2000/0x2000"
CNI_MARKED = "--mark 0x2000/0x2000"


@lru_cache(maxsize=64)
def mark_and_mask(text: str) -> tuple[int, int]:
    """The two numbers of `--mark 0x4000/0x4000` or `--set-xmark 0x4000/0x0`."""
    found = re.search(r"(0x[0-9a-f]+)/(0x[0-9a-f]+)", text)
    assert found is not None, text
    return int(found[1], 16), int(found[2], 16)


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
        return (
            *self.exact.get((single(destination), protocol, port), ()),
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


CANARY = "KUBE-KUBELET-CANARY"
KUBELET_FIREWALL = "KUBE-FIREWALL"


class Tables:
    """All chains of a machine for one address family, by table and name."""

    def __init__(self) -> None:
        self.nat: dict[str, Rules | Portal] = {}
        self.filter: dict[str, Rules | Portal] = {}
        self.mangle: dict[str, Rules | Portal] = {}

    def table(self, name: str) -> dict[str, Rules | Portal]:
        """The chains of a table: `nat`, `filter` or `mangle`."""
        return {"nat": self.nat, "filter": self.filter, "mangle": self.mangle}[name]

    def link(self, table: str, chain: str, rules: Rules) -> None:
        """Puts rules before the others of a built-in chain, unless they are there."""
        held = tuple(rule for rule in self.table(table).get(chain, ()) if rule not in rules)
        self.table(table)[chain] = (*rules, *held)

    def unlink(self, targets: dict[str, None]) -> None:
        """Takes out chains, and the rules of built-in chains that lead to them."""
        for table in BUILT_IN:
            chains = self.table(table)
            for name in targets:
                chains.pop(name, None)
            for name in BUILT_IN[table]:
                left = tuple(rule for rule in chains.get(name, ()) if rule.target not in targets)
                if left:
                    chains[name] = left
                else:
                    chains.pop(name, None)

    def kubelet(self, localhost: str) -> None:
        """The chains that a kubelet makes when it starts."""
        for table in BUILT_IN:
            self.table(table).setdefault(CANARY, ())
        block = Rule(
            "DROP", "block incoming localnet connections", localhost, True, localhost,
            ctstate="! RELATED,ESTABLISHED,DNAT",
        )  # fmt: skip
        self.filter[KUBELET_FIREWALL] = (block,)
        for hook in ("INPUT", "OUTPUT"):
            if all(rule.target != KUBELET_FIREWALL for rule in self.filter.get(hook, ())):
                last = Rule(KUBELET_FIREWALL)
                self.filter[hook] = (*self.filter.get(hook, ()), last)

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
