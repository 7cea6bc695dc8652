"""The shell's commands for the network: wget, curl, nslookup.

Such a command hands its question to the node's network tools and waits; when the answer is there,
`answered` prints what the real tool prints and gives its exit code.

In Kubernetes: no counterpart; there, images bring busybox wget, curl and nslookup.
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


def _ask(script: Script, verb: str, name: str, *words: str) -> type[WAIT]:
    script.pending = (verb, *words)
    script.process.runtime.ask(script.process, script.key, verb, name)
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
    return _ask(script, "resolve", name, "nslookup", name)


def answered(script: Script, result: Any) -> int:
    """The network has answered what a command waits for; returns its exit code."""
    _, tool, *words = script.pending
    script.pending = ()
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


COMMANDS: dict[str, Any] = {
    "wget": wget, "curl": curl, "nslookup": nslookup,
}  # fmt: skip
