"""The shell's commands that look at the network as the kernel has it: ip, ss, iptables-save…

In a pod with the node's network (`hostNetwork: true`) they show what the node has; in any other
they show the pod's own network namespace, where there is an address, a route and no rule at all.

In Kubernetes: no counterpart; iproute2, iptables, ipset, ipvsadm, nftables and conntrack-tools on
nodes and in images. Left out: all that changes something.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from kubelab.network.addresses import host, network_of, number_of, version_of
from kubelab.network.fabric import FABRIC, Fabric
from kubelab.network.ipvs import DEVICE, Ipvs
from kubelab.network.kernel import Kernel
from kubelab.network.nat import BUILT_IN, Tables
from kubelab.sim.kernel import SECOND

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script

FOREVER = "       valid_lft forever preferred_lft forever"
UP = "<BROADCAST,MULTICAST,UP,LOWER_UP>"
LOOPBACK = "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue qlen 1000"


def on_node(script: Script) -> bool:
    """Whether the program is in the node's own network."""
    return bool(script.process.sandbox.config.host_network)


def kernel_of(script: Script) -> Kernel:
    """The kernel of the program's machine."""
    kernel: Kernel = script.process.runtime.kernel
    return kernel


def _ether(text: str) -> str:
    """An Ethernet address that stays the same."""
    digits = hashlib.sha256(text.encode()).hexdigest()
    return ":".join(["02", *(digits[at : at + 2] for at in range(0, 10, 2))])


# Addresses and routes.


def ip(script: Script, args: list[str]) -> int:
    """ip [-4|-6] addr|link|route."""
    words = [word for word in args if not word.startswith("-")]
    version = 6 if "-6" in args else 4 if "-4" in args else 0
    what = words[0] if words else ""
    if what and "address".startswith(what):
        lines = _interfaces(script, version, addresses=True)
    elif what and "link".startswith(what):
        lines = _interfaces(script, version, addresses=False)
    elif what and "route".startswith(what):
        lines = _routes(script, version or 4)
    else:
        script.error(f"ip: invalid argument '{what}' to 'ip'")
        return 1
    if len(words) > 2 and words[-2] in ("dev", "show") and words[-1] not in ("show", "list"):
        lines = _only(lines, words[-1])
    script.write("".join(f"{line}\n" for line in lines))
    return 0


def _only(lines: list[str], device: str) -> list[str]:
    """The lines of one device."""
    out: list[str] = []
    for line in lines:
        if not line.startswith(" "):
            name = line.split(": ")[1].partition("@")[0] if ": " in line else ""
            keep = name == device or f"dev {device}" in line
        if keep:
            out.append(line)
    return out


def _interfaces(script: Script, version: int, *, addresses: bool) -> list[str]:
    kernel = kernel_of(script)
    lines = [LOOPBACK, "    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00"]
    if addresses:
        lines += _inet("127.0.0.1/8", "host lo", version) + _inet("::1/128", "host", version)
    if on_node(script):
        rows = [(address, 24 if ":" not in address else 64) for address in kernel.node_ips.values()]
    else:
        mine = script.process.sandbox.ips
        rows = [(address, network_of(kernel.cidrs[version_of(address)]).prefixlen)
                for address in mine]  # fmt: skip
    name = "eth0" if on_node(script) else "eth0@if7"
    lines.append(f"2: {name}: {UP} mtu 1500 qdisc noqueue")
    lines.append(f"    link/ether {_ether(rows[0][0])} brd ff:ff:ff:ff:ff:ff")
    for address, bits in rows if addresses else ():
        lines += _inet(f"{address}/{bits}", "global eth0", version)
    if not on_node(script):
        return lines
    number = 3
    for pod, name in sorted(kernel.pods.items(), key=lambda row: number_of(row[0])):
        if version_of(pod) != version_of(kernel.node_ip):
            continue
        veth = _veth(name)
        lines.append(f"{number}: {veth}@if2: {UP} mtu 1500 qdisc noqueue")
        lines.append(f"    link/ether {_ether(veth)} brd ff:ff:ff:ff:ff:ff")
        for gateway in kernel.gateways.values() if addresses else ():
            bits = 32 if version_of(gateway) == 4 else 128
            lines += _inet(f"{gateway}/{bits}", f"global {veth}", version)
        number += 1
    if kernel.virtual:
        lines.append(f"{number}: {DEVICE}: <BROADCAST,NOARP> mtu 1500 qdisc noop")
        lines.append(f"    link/ether {_ether(DEVICE)} brd ff:ff:ff:ff:ff:ff")
        for address in kernel.virtual if addresses else ():
            bits = 32 if version_of(address) == 4 else 128
            lines += _inet(f"{address}/{bits}", f"global {DEVICE}", version)
    return lines


def _inet(address: str, scope: str, version: int) -> list[str]:
    if version and version_of(address) != version:
        return []
    word = "inet6" if ":" in address else "inet"
    return [f"    {word} {address} scope {scope}", FOREVER]


def _veth(pod: str) -> str:
    """The node's end of a pod's cable."""
    return "veth" + hashlib.sha1(pod.encode()).hexdigest()[:8]


def _routes(script: Script, version: int) -> list[str]:
    kernel = kernel_of(script)
    if not on_node(script):
        mine = [a for a in script.process.sandbox.ips if version_of(a) == version]
        if not mine:
            return []
        gateway, cidr = kernel.gateways[version], kernel.cidrs[version]
        return [
            f"default via {gateway} dev eth0",
            f"{cidr} via {gateway} dev eth0 src {mine[0]}",
            f"{gateway} dev eth0 scope link src {mine[0]}",
        ]
    if version not in kernel.node_ips:
        return []
    address = kernel.node_ips[version]
    bits = 24 if version == 4 else 64
    network = network_of(f"{address}/{bits}")
    lines = [f"default via {host(str(network), 1)} dev eth0"]
    fabric = kernel.world.components.get(FABRIC)
    for cidr, node in sorted(fabric.routes(version) if isinstance(fabric, Fabric) else ()):
        if node != kernel.name:
            other: Any = kernel.world.components[node]
            lines.append(f"{cidr} via {other.node_ips.get(version, '')} dev eth0")
    lines += [
        f"{pod} dev {_veth(name)} scope host"
        for pod, name in sorted(kernel.pods.items(), key=lambda row: number_of(row[0]))
        if version_of(pod) == version
    ]
    return [*lines, f"{network} dev eth0 scope link src {address}"]


def traceroute(script: Script, args: list[str]) -> int:
    """traceroute [-n] ADDRESS: the machines on the way to an address of the cluster."""
    words = [word for word in args if not word.startswith("-")]
    if not words or ("." not in words[0] and ":" not in words[0]):
        script.error(f"traceroute: bad address '{words[0] if words else ''}'")
        return 1
    target, kernel = words[0], kernel_of(script)
    script.write(f"traceroute to {target} ({target}), 30 hops max, 46 byte packets\n")
    version = version_of(target)
    way = [] if on_node(script) else [kernel.gateways.get(version, "")]
    if not (target in kernel.pods or kernel.is_own(target)):
        fabric = kernel.world.components.get(FABRIC)
        name = fabric.lookup(target) if isinstance(fabric, Fabric) else ""
        other: Any = kernel.world.components.get(name)
        if other is None or other.stopped:
            lost = "".join(f" {at}  *  *  *\n" for at in range(len(way) + 1, 31))
            shown = "".join(_trace_line(at, one) for at, one in enumerate(way, 1))
            script.write(shown + lost)
            return 0
        if other.node_ips.get(version) and other.node_ips[version] != target:
            way.append(other.node_ips[version])
    way.append(target)
    script.write("".join(_trace_line(at, one) for at, one in enumerate(way, 1)))
    return 0


def _trace_line(number: int, address: str) -> str:
    return f"{number:2}  {address} ({address})  0.004 ms  0.003 ms  0.003 ms\n"


# Sockets and connections.


def sockets(script: Script, args: list[str]) -> int:
    """ss -tuln, netstat -tuln: the ports on which programs listen here."""
    letters = "".join(word.lstrip("-") for word in args if word.startswith("-"))
    wanted = [name for name, letter in (("TCP", "t"), ("UDP", "u")) if letter in letters]
    mine = script.process.sandbox.ips
    kernel = kernel_of(script)
    lines = ["Netid  State   Recv-Q  Send-Q   Local Address:Port    Peer Address:Port"]
    rows = sorted((key[1], key[2], key[0]) for key in kernel.listeners)
    for protocol, port, address in rows:
        if address not in (*mine, "127.0.0.1") or (wanted and protocol not in wanted):
            continue
        if address == "127.0.0.1" and not on_node(script):
            continue
        shown = "*" if address in mine else address
        state = "LISTEN" if protocol == "TCP" else "UNCONN"
        local = f"{shown}:{port}"
        lines.append(f"{protocol.lower():<6} {state:<7} 0       4096     {local:>18}    *:*")
    script.write("".join(f"{line}\n" for line in lines))
    return 0


def conntrack(script: Script, args: list[str]) -> int:
    """conntrack -L [-p PROTOCOL]: the connections that the node remembers."""
    kernel = kernel_of(script)
    wanted = args[args.index("-p") + 1].lower() if "-p" in args[:-1] else ""
    count = 0
    held = kernel.connections.items() if on_node(script) else ()
    for key, known in held:
        left = (known.expires_ns - kernel.now) // SECOND
        protocol = key[0].lower()
        if key != known.original or left <= 0 or (wanted and wanted != protocol):
            continue
        count += 1
        number, state = (6, "TIME_WAIT ") if protocol == "tcp" else (17, "")
        back = known.reply()
        script.write(
            f"{protocol:<8} {number} {left} {state}src={key[1]} dst={key[3]} sport={key[2]} "
            f"dport={key[4]} src={back[1]} dst={back[3]} sport={back[2]} dport={back[4]} "
            "[ASSURED] mark=0 use=1\n"
        )
    script.error(f"conntrack v1.4.8 (conntrack-tools): {count} flow entries have been shown.")
    return 0


# Rules.


def _tables(script: Script, version: int) -> Tables:
    kernel = kernel_of(script)
    if not on_node(script):
        return Tables()
    return kernel.tables if version == 4 else kernel.tables6


def _save(script: Script, args: list[str], version: int) -> int:
    table = args[args.index("-t") + 1] if "-t" in args[:-1] else ""
    if table not in ("", *BUILT_IN):
        script.error(f"iptables-save: invalid table name '{table}'")
        return 1
    script.write(_tables(script, version).save(table))
    return 0


def iptables_save(script: Script, args: list[str]) -> int:
    """iptables-save [-t TABLE]."""
    return _save(script, args, 4)


def ip6tables_save(script: Script, args: list[str]) -> int:
    """ip6tables-save [-t TABLE]."""
    return _save(script, args, 6)


def iptables(script: Script, args: list[str]) -> int:
    """iptables [-t TABLE] -S [CHAIN]: the rules, as commands."""
    table = args[args.index("-t") + 1] if "-t" in args[:-1] else "filter"
    if "-S" not in args and "--list-rules" not in args:
        script.error("iptables v1.8.9 (nf_tables): no command specified\nTry `iptables -S'.")
        return 2
    at = args.index("-S" if "-S" in args else "--list-rules")
    chain = args[at + 1] if at + 1 < len(args) and not args[at + 1].startswith("-") else ""
    lines = _tables(script, 4).save(table).splitlines()
    out = []
    for line in lines:
        if line.startswith(":"):
            name, policy = line[1:].split()[:2]
            out.append((name, f"-N {name}" if policy == "-" else f"-P {name} {policy}"))
        elif line.startswith("-A"):
            out.append((line.split()[1], line))
    shown = [text for name, text in out if not chain or name == chain]
    if chain and not shown:
        script.error("iptables: No chain/target/match by that name.")
        return 1
    script.write("".join(f"{text}\n" for text in shown))
    return 0


def ipvsadm(script: Script, args: list[str]) -> int:
    """ipvsadm -Ln: the virtual servers."""
    kernel = kernel_of(script)
    ipvs = kernel.ipvs if on_node(script) else Ipvs()
    script.write(ipvs.list(kernel.count))
    return 0


def ipset(script: Script, args: list[str]) -> int:
    """ipset list [NAME] | save | list -n."""
    words = [word for word in args if not word.startswith("-")]
    sets = kernel_of(script).ipsets
    if not on_node(script):
        return 0
    if words[:1] == ["save"]:
        script.write(sets.save())
    elif "-n" in args or "-name" in args:
        script.write("".join(f"{name}\n" for name in sorted(sets.sets)))
    else:
        wanted = words[1] if len(words) > 1 else ""
        if wanted and wanted not in sets.sets:
            script.error("ipset v7.19: The set with the given name does not exist")
            return 1
        script.write(sets.list(wanted))
    return 0


def nft(script: Script, args: list[str]) -> int:
    """nft list ruleset | tables | table FAMILY NAME | chain FAMILY TABLE NAME."""
    tables = kernel_of(script).nft if on_node(script) else {}
    words = [word for word in args if not word.startswith("-")]
    if words[:2] == ["list", "ruleset"]:
        script.write("".join(table.list() for table in tables.values()))
        return 0
    if words[:2] == ["list", "tables"]:
        script.write("".join(f"table {t.family} {t.name}\n" for t in tables.values()))
        return 0
    family = words[2] if len(words) > 3 else "ip"
    table = tables.get(family)
    if words[:2] in (["list", "table"], ["list", "chain"], ["list", "map"], ["list", "set"]):
        if table is None or "kube-proxy" not in words:
            script.error("Error: No such file or directory")
            return 1
        text = table.list()
        if words[1] != "table":
            head = f"\t{words[1]} {words[-1]} {{"
            found = [block for block in text.split("\n\n") if head in block]
            if not found:
                script.error("Error: No such file or directory")
                return 1
            block = found[0][found[0].index(head) :].removesuffix("\n}\n")
            text = f"table {family} kube-proxy {{\n{block}\n}}\n"
        script.write(text)
        return 0
    script.error("Error: syntax error, unexpected end of file")
    return 1


COMMANDS: dict[str, Any] = {
    "ip": ip, "ss": sockets, "netstat": sockets, "traceroute": traceroute, "conntrack": conntrack,
    "iptables-save": iptables_save, "ip6tables-save": ip6tables_save, "iptables": iptables,
    "ipvsadm": ipvsadm, "ipset": ipset, "nft": nft,
}  # fmt: skip
