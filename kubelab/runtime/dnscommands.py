"""The shell's commands that ask for names: dig and nslookup.

dig asks for the name as it is (with `+search` along the search path) and shows the message that
came back; nslookup follows the search path and shows addresses. Both ask the pod's own name
servers, or the one that they are given.

In Kubernetes: no counterpart; BIND's dig and busybox' nslookup in images. Left out: dig's batch
files, tracing, and most of its options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.api.objects import Obj, freeze
from kubelab.network.addresses import is_address
from kubelab.network.payloads import Answer, Resolution, Step
from kubelab.runtime.control import WAIT

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script

TYPES = (
    "A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "SOA", "NS", "MX", "ANY", "HINFO", "CAA", "NAPTR",
    "DS", "AXFR",
)  # fmt: skip
SECTIONS = ("cmd", "comments", "question", "answer", "authority", "additional", "stats")
# What dig waits for a server, how often it asks, and the size that it names in its EDNS record.
DIG_OPTIONS = ("timeout:5", "attempts:3", "edns:1232")


def _resolve(
    script: Script, words: tuple[str, ...], name: str, type_: str, conf: Any
) -> type[WAIT]:
    script.pending = ("resolve", *words)
    script.process.runtime.ask(
        script.process, script.key, "resolve", name, type_, conf=freeze(conf)
    )
    return WAIT


def _conf(script: Script) -> Obj:
    """The pod's resolv.conf."""
    conf: Obj = script.process.sandbox.config.resolv_conf
    return conf


def reverse_name(address: str) -> str:
    """The name under which an address is looked up backwards."""
    if ":" not in address:
        return ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    from ipaddress import ip_address

    return ip_address(address).reverse_pointer


def nslookup(script: Script, args: list[str]) -> Any:
    """nslookup [-type=TYPE] NAME [SERVER]."""
    words = [word for word in args if not word.startswith("-")]
    if not words:
        return 1
    type_ = "A"
    for word in args:
        if word.startswith(("-type=", "-query=", "-q=")):
            type_ = word.partition("=")[2].upper()
    name = words[0]
    if is_address(name):
        name, type_ = reverse_name(name) + ".", "PTR"
    conf = dict(_conf(script))
    if len(words) > 1:
        conf["nameservers"] = [words[1]]
    return _resolve(script, ("nslookup", words[0]), name, type_, conf)


def dig(script: Script, args: list[str]) -> Any:
    """dig [@SERVER] [-x ADDRESS] [-t TYPE] [NAME] [TYPE] [+short +search +tcp +[no]SECTION …]."""
    conf = _conf(script)
    words = [word for word in args if word[0] not in "-+@" and word.upper() not in ("IN", "CH")]
    types = [word.upper() for word in words if word.upper() in TYPES]
    names = [word for word in words if word.upper() not in TYPES]
    name = names[0] if names else "."
    type_ = types[0] if types else "A" if names else "NS"
    if "-x" in args[:-1] and is_address(address := args[args.index("-x") + 1]):
        name, type_ = reverse_name(address), "PTR"
    options = [option for option in conf.get("options") or () if option.startswith("ndots")]
    options += [
        option for option in DIG_OPTIONS if not (option[:4] == "edns" and "+noedns" in args)
    ]
    for word in args:
        if word.startswith(("+time=", "+timeout=", "+tries=")):
            key = "attempts" if word.startswith("+tries") else "timeout"
            options = [option for option in options if not option.startswith(key)]
            options.append(f"{key}:{word.partition('=')[2]}")
    if {"+tcp", "+vc"} & set(args):
        options.append("use-vc")
    servers = [word[1:] for word in args if word.startswith("@")]
    if "+search" not in args and not name.endswith("."):
        name += "."
    asked = {
        "nameservers": servers[:1] or list(conf.get("nameservers") or ()), "options": options,
        "searches": list(conf.get("searches") or ()),
    }  # fmt: skip
    return _resolve(script, ("dig", *args), name, type_, asked)


def answered(script: Script, result: Resolution, tool: str, *words: str) -> int:
    """The answer has come: prints what the program prints, and gives its exit code."""
    if tool == "dig":
        return _dig_ends(script, result, words)
    return _nslookup_ends(script, result, words[0])


def _nslookup_ends(script: Script, result: Resolution, name: str) -> int:
    if not result.steps or result.steps[-1].rcode in ("TIMEOUT", "REFUSED"):
        script.write(";; connection timed out; no servers could be reached\n\n")
        return 1
    server = result.steps[-1].server
    script.write(f"Server:\t\t{server}\nAddress:\t{server}:53\n\n")
    if not result.answers:
        if result.rcode == "NOERROR":
            script.write(f"*** Can't find {name}: No answer\n\n")
        else:
            script.write(f"** server can't find {name}: {result.rcode}\n\n")
        return 1
    for row in result.answers:
        owner = row.name.rstrip(".")
        if row.type in ("A", "AAAA"):
            script.write(f"Name:\t{owner}\nAddress: {row.data}\n")
        elif row.type == "PTR":
            script.write(f"{owner}\tname = {row.data.rstrip('.')}\n")
        elif row.type == "CNAME":
            script.write(f"{owner}\tcanonical name = {row.data.rstrip('.')}\n")
        elif row.type == "SRV":
            script.write(f"{owner}\tservice = {row.data.rstrip('.')}\n")
        else:
            script.write(f"{owner}\t{row.type} = {row.data}\n")
    script.write("\n")
    return 0


def _dig_ends(script: Script, result: Resolution, args: tuple[str, ...]) -> int:
    last = result.steps[-1] if result.steps else None
    if last is None or not last.flags:
        for step in result.steps:
            words = "connection refused" if step.rcode == "REFUSED" else "timed out"
            script.write(f";; communications error to {step.server}#53: {words}\n")
        script.write(";; no servers could be reached\n")
        return 9
    if "+short" in args:
        script.write("".join(f"{row.data}\n" for row in last.answers))
        return 0
    shown = dict.fromkeys(SECTIONS, True)
    for word in args:
        on, name = (
            not word.startswith("+no"),
            word.removeprefix("+no" if word[:3] == "+no" else "+"),
        )
        for section in SECTIONS if name == "all" else [name]:
            if section in shown:
                shown[section] = on
    script.write("\n".join(_dig_lines(script, last, args, shown)) + "\n")
    return 0


def _dig_lines(
    script: Script, step: Step, args: tuple[str, ...], shown: dict[str, bool]
) -> list[str]:
    """dig's report on a message, section by section."""
    lines: list[str] = []
    said = " ".join(args)
    if shown["cmd"]:
        lines += ["", f"; <<>> DiG 9.20.11 <<>> {said}", ";; global options: +cmd"]
    counts = (len(step.answers), len(step.authority), len(step.additional) + bool(step.edns))
    if shown["comments"]:
        named = "QUERY: 1, ANSWER: {}, AUTHORITY: {}, ADDITIONAL: {}".format(*counts)
        number = script.process.runtime.chance.below(65536)
        lines += [
            ";; Got answer:",
            f";; ->>HEADER<<- opcode: QUERY, status: {step.rcode}, id: {number}",
            f";; flags: {step.flags}; {named}",
        ]
        if " rd" in step.flags and " ra" not in step.flags:
            lines.append(";; WARNING: recursion requested but not available")
        lines.append("")
        if step.edns:
            udp = f"; EDNS: version: 0, flags:; udp: {step.edns}"
            lines += [";; OPT PSEUDOSECTION:", udp]
    if shown["question"]:
        lines += [";; QUESTION SECTION:" if shown["comments"] else "", _question(step), ""]
    for section, rows in (
        ("answer", step.answers), ("authority", step.authority), ("additional", step.additional),
    ):  # fmt: skip
        if rows and shown[section]:
            lines += [f";; {section.upper()} SECTION:"] if shown["comments"] else []
            lines += [_row(row) for row in rows]
            lines += [""] if shown["comments"] else []
    if shown["stats"]:
        over = "TCP" if {"+tcp", "+vc"} & set(args) or step.size > 1232 else "UDP"
        lines += [
            ";; Query time: 1 msec", f";; SERVER: {step.server}#53({step.server}) ({over})",
            f";; MSG SIZE  rcvd: {step.size}", "",
        ]  # fmt: skip
    return lines


def _row(row: Answer) -> str:
    return _columns(row.name, (24, str(row.ttl)), (32, "IN"), (40, row.type), (48, row.data))


def _question(step: Step) -> str:
    return _columns(f";{step.name}", (32, "IN"), (40, step.type))


def _columns(first: str, *fields: tuple[int, str]) -> str:
    """Fields at their columns, reached with tabs of eight; one space where it is passed already."""
    out, at = first, len(first)
    for column, text in fields:
        if at >= column:
            out, at = out + " ", at + 1
        while at < column:
            out, at = out + "\t", (at // 8 + 1) * 8
        out, at = out + text, at + len(text)
    return out
