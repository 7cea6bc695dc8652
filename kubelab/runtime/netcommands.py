"""The shell's commands for the network: wget, curl, nslookup, dig, ping.

Such a command hands its question to the node's network tools and waits; when the answer is there,
`answered` prints what the real tool prints and gives its exit code.

In Kubernetes: no counterpart; there, images bring busybox wget, nslookup and ping, curl and dig.
Left out: more than one packet of ping; servers other than the pod's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from kubelab.network.payloads import Exchange, Resolution
from kubelab.runtime.control import WAIT
from kubelab.runtime.files import ReadOnly
from kubelab.runtime.textcommands import path_of

if TYPE_CHECKING:
    from kubelab.runtime.shell import Script


def _ask(
    script: Script, verb: str, name: str, *words: str, more: tuple[Any, ...] = ()
) -> type[WAIT]:
    script.pending = (verb, *words)
    script.process.runtime.ask(script.process, script.key, verb, name, *more)
    return WAIT


def _url(args: list[str], with_value: tuple[str, ...]) -> str:
    """The first word that is no option and no option's value."""
    skip = False
    for word in args:
        if skip:
            skip = False
        elif word in with_value:
            skip = True
        elif not word.startswith("-"):
            return word
    return ""


def wget(script: Script, args: list[str]) -> Any:
    """wget [-q] [-O FILE] URL."""
    url = _url(args, ("-O", "-T", "-t", "--timeout", "--tries", "-o"))
    if not url:
        script.error("wget: missing URL")
        return 1
    flags = "".join(word for word in args if re.fullmatch(r"-[a-zA-Z]+-?", word))
    output = "-" if "O-" in flags else args[args.index("-O") + 1] if "-O" in args[:-1] else ""
    headers = "headers" if {"-S", "--server-response"} & set(args) else ""
    quiet = "quiet" if "q" in flags else ""
    return _ask(
        script, "curl", url if "://" in url else f"http://{url}", "wget", output, headers, quiet
    )


def curl(script: Script, args: list[str]) -> Any:
    """curl [-s] [-f] URL."""
    url = _url(args, ("-o", "-m", "--max-time", "--connect-timeout", "-H", "-X", "-w", "-d"))
    if not url:
        script.error("curl: (2) no URL specified")
        return 2
    flags = "".join(word for word in args if re.fullmatch(r"-[a-zA-Z]+", word))
    loud = "loud" if "s" not in flags or "S" in flags else ""
    fail = "fail" if "f" in flags or "--fail" in args else ""
    output = args[args.index("-o") + 1] if "-o" in args[:-1] else ""
    return _ask(
        script, "curl", url if "://" in url else f"http://{url}", "curl", output, loud, fail
    )


def nslookup(script: Script, args: list[str]) -> Any:
    """nslookup NAME."""
    name = _url(args, ())
    if not name:
        return 1
    return _ask(script, "resolve", name, "nslookup", name, more=("A",))


def dig(script: Script, args: list[str]) -> Any:
    """dig [+short] [+search] [-x ADDRESS] [NAME] [TYPE]: one name as it is, with no search path."""
    if "-x" in args[:-1]:
        address = args[args.index("-x") + 1]
        name, type_ = ".".join(reversed(address.split("."))) + ".in-addr.arpa", "PTR"
    else:
        words = [word for word in args if word[0] not in "-+@" and word.upper() != "IN"]
        types = [word.upper() for word in words if word.upper() in TYPES]
        names = [word for word in words if word.upper() not in TYPES]
        name = names[0] if names else "."
        type_ = types[0] if types else "A" if names else "NS"
    if "+search" not in args and not name.endswith("."):
        name += "."
    short = "short" if "+short" in args else ""
    return _ask(script, "resolve", name, "dig", " ".join(args), type_, short, more=(type_,))


def ping(script: Script, args: list[str]) -> Any:
    """ping [-c N] HOST: one packet."""
    host = _url(args, ("-c", "-i", "-w", "-W", "-s"))
    if not host:
        script.error("ping: usage: ping [OPTIONS] HOST")
        return 1
    return _ask(script, "connect", host, "ping", host, more=(0, "ICMP"))


def answered(script: Script, result: Any) -> int:
    """The network has answered what a command waits for; returns its exit code."""
    _, tool, *words = script.pending
    script.pending = ()
    if tool == "dig":
        return _dig_ends(script, result, *words)
    if tool == "ping":
        return _ping_ends(script, result, words[0])
    if isinstance(result, Resolution):
        return _nslookup_ends(script, result, words[0])
    if tool == "wget":
        return _wget_ends(script, result, *words)
    return _curl_ends(script, result, *words)


_REASONS = {200: "OK", 404: "Not Found", 500: "Internal Server Error", 503: "Service Unavailable"}


def _deliver(script: Script, output: str, body: str) -> int:
    if output in ("", "-"):
        script.write(body)
    elif output != "/dev/null":
        try:
            script.process.files.write(path_of(script, output), body)
        except (ReadOnly, FileNotFoundError):
            script.error(f"wget: can't open '{output}': Read-only file system")
            return 1
    return 0


def _wget_ends(script: Script, exchange: Exchange, output: str, headers: str, quiet: str) -> int:
    if exchange.error:
        code = re.match(r"curl: \((\d+)\)", exchange.error)
        number = code[1] if code else ""
        host = re.search(r"(?:host:|to) (\S+)", exchange.error)
        if number == "6":
            script.error(f"wget: bad address '{host[1] if host else ''}'")
        elif number == "7":
            at = exchange.address or (host[1] if host else "")
            script.error(f"wget: can't connect to remote host ({at}): Connection refused")
        else:
            script.error("wget: download timed out")
        return 1
    line = f"HTTP/1.1 {exchange.status} {_REASONS.get(exchange.status, 'Unknown')}"
    if headers:
        script.error(f"  {line}")
    if exchange.status >= 400:
        script.error(f"wget: server returned error: {line}")
        return 1
    return _deliver(script, output or "/dev/null", exchange.body)


def _curl_ends(script: Script, exchange: Exchange, output: str, loud: str, fail: str) -> int:
    if exchange.error:
        code = re.match(r"curl: \((\d+)\)", exchange.error)
        if loud:
            script.error(exchange.error)
        return int(code[1]) if code else 1
    if fail and exchange.status >= 400:
        if loud:
            script.error(f"curl: (22) The requested URL returned error: {exchange.status}")
        return 22
    return _deliver(script, output, exchange.body)


def _nslookup_ends(script: Script, result: Resolution, name: str) -> int:
    if not result.steps or result.steps[-1].rcode in ("TIMEOUT", "REFUSED"):
        script.write(";; connection timed out; no servers could be reached\n\n")
        return 1
    server = result.steps[-1].server
    script.write(f"Server:\t\t{server}\nAddress:\t{server}:53\n\n")
    if not result.addresses:
        script.write(f"** server can't find {name}: {result.rcode}\n\n")
        return 1
    for row in result.answers:
        if row.type in ("A", "AAAA"):
            script.write(f"Name:\t{row.name.rstrip('.')}\nAddress: {row.data}\n")
    script.write("\n")
    return 0


def _dig_ends(script: Script, result: Resolution, asked: str, type_: str, short: str) -> int:
    last = result.steps[-1] if result.steps else None
    if last is None or (last.rcode in ("TIMEOUT", "REFUSED") and not last.origin):
        script.write(";; no servers could be reached\n")
        return 9
    if short:
        script.write("".join(f"{row.data}\n" for row in last.answers))
        return 0
    lines = [
        "", f"; <<>> DiG 9.20 <<>> {asked}", ";; global options: +cmd", ";; Got answer:",
        f";; ->>HEADER<<- opcode: QUERY, status: {last.rcode}",
        f";; QUERY: 1, ANSWER: {len(last.answers)}", "", ";; QUESTION SECTION:",
        f";{last.name}\t\tIN\t{type_}", "",
    ]  # fmt: skip
    if last.answers:
        lines.append(";; ANSWER SECTION:")
        lines += [f"{row.name}\t{row.ttl}\tIN\t{row.type}\t{row.data}" for row in last.answers]
        lines.append("")
    lines.append(f";; SERVER: {last.server}#53({last.server}) (UDP)\n")
    script.write("\n".join(lines) + "\n")
    return 0


def _ping_ends(script: Script, exchange: Exchange, host: str) -> int:
    if not exchange.address:
        script.error(f"ping: bad address '{host}'")
        return 1
    script.write(f"PING {host} ({exchange.address}): 56 data bytes\n")
    milliseconds = exchange.elapsed_ns / 1e6
    if not exchange.error:
        chains = [hop.chain for hop in exchange.hops]
        routed = chains[chains.index("answer") :].count("route") if "answer" in chains else 0
        times = f"time={milliseconds:.3f} ms"
        script.write(f"64 bytes from {exchange.address}: seq=0 ttl={63 - routed} {times}\n")
    got = 0 if exchange.error else 1
    script.write(
        f"\n--- {host} ping statistics ---\n1 packets transmitted, {got} packets received, "
    )
    script.write(f"{100 - 100 * got}% packet loss\n")
    if got:
        times = "/".join([f"{milliseconds:.3f}"] * 3)
        script.write(f"round-trip min/avg/max = {times} ms\n")
    return 1 - got


TYPES = ("A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "SOA", "NS", "MX", "ANY")
COMMANDS: dict[str, Any] = {
    "wget": wget, "curl": curl, "nslookup": nslookup, "dig": dig, "ping": ping,
}  # fmt: skip
