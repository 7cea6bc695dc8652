"""The shell's commands for the network: wget, curl, ping, nc; dig is in `dnscommands.py`.

Such a command hands its question to the node's network tools and waits; when the answer is there,
`answered` prints what the real tool prints and gives its exit code.

In Kubernetes: no counterpart; there, images bring busybox wget, nslookup and ping, curl and dig.
Left out: the second between two packets of ping,
and a ping without -c, which sends one packet instead of going on for ever.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from kubelab.network.addresses import text_of
from kubelab.network.payloads import Exchange, Resolution
from kubelab.runtime import dnscommands
from kubelab.runtime.control import READ, WAIT
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
    """curl [-sSfIv] [-o FILE] [-m SECONDS] [-H HEADER] [-X METHOD] [-d DATA] [-w FORMAT] URL."""
    url = _url(args, tuple(CURL_VALUES))
    if not url:
        script.error("curl: (2) no URL specified")
        return 2
    given = dict.fromkeys(CURL_VALUES.values(), "")
    headers: list[tuple[str, str]] = []
    for word, value in itertools.pairwise(args):
        if CURL_VALUES.get(word) == "header":
            name, _, rest = value.partition(":")
            headers.append((name, rest.strip()))
        elif word in CURL_VALUES:
            given[CURL_VALUES[word]] = value
    letters = "".join(word for word in args if re.fullmatch(r"-[a-zA-Z]+", word))
    letters += "".join(CURL_LONG.get(word, "") for word in args)
    url = url if "://" in url else f"http://{url}"
    method = given["method"] or ("HEAD" if "I" in letters else "POST" if given["data"] else "GET")
    try:
        seconds = min(float(given["all"] or 1e9), float(given["connect"] or 1e9))
    except ValueError:
        script.error("curl: option -m: expected a proper numerical parameter")
        return 2
    more = (method, tuple(headers), given["data"], seconds if seconds < 1e9 else 0.0)
    return _ask(script, "curl", url, "curl", given["output"], letters, given["format"], url,
                method, more=more)  # fmt: skip


CURL_VALUES = {
    "-o": "output", "--output": "output", "-m": "all", "--max-time": "all",
    "--connect-timeout": "connect", "-H": "header", "--header": "header", "-X": "method",
    "--request": "method", "-w": "format", "--write-out": "format", "-d": "data", "--data": "data",
}  # fmt: skip
CURL_LONG = {
    "--silent": "s", "--show-error": "S", "--fail": "f", "--head": "I", "--verbose": "v",
    "--include": "i",
}  # fmt: skip


MOST_PINGS = 1000
NC_USAGE = "BusyBox v1.38.0 multi-call binary.\n\nUsage: nc [-zvu] [-w SEC] HOST PORT"


def ping(script: Script, args: list[str]) -> Any:
    """ping [-c N] HOST: one packet after the other."""
    host = _url(args, ("-c", "-i", "-w", "-W", "-s"))
    count = _option(args, "-c", "1")
    if not count.isdigit() or not 0 < int(count) <= MOST_PINGS:
        script.error(f"ping: invalid number '{count}'")
        return 1
    if not host:
        script.error("ping: usage: ping [OPTIONS] HOST")
        return 1
    return _ask(script, "connect", host, "ping", host, count, more=(0, "ICMP"))


def nc(script: Script, args: list[str]) -> Any:
    """nc [-zvu] [-w SECONDS] HOST PORT: a connection, which carries what the input has."""
    words = [
        word
        for before, word in itertools.pairwise(["", *args])
        if not word.startswith("-") and not re.fullmatch(r"-\w*w", before)
    ]
    letters = "".join(word for word in args if re.fullmatch(r"-[a-z]+", word))
    if len(words) != 2 or not words[1].isdigit() or not 0 < int(words[1]) < 65536:
        script.error(f"nc: bad port '{words[1]}'" if len(words) == 2 else NC_USAGE)
        return 1
    host, port = words
    payload: Any = None
    if "z" not in letters:
        text = script.take_all()
        if text is None:
            return READ
        payload = text or None
    limited = "w" if "w" in letters else ""
    verbose = "v" if "v" in letters else ""
    more = (int(port), "UDP" if "u" in letters else "TCP", payload)
    return _ask(script, "connect", host, "nc", host, port, limited, verbose, more=more)


def _option(args: list[str], name: str, default: str) -> str:
    return args[args.index(name) + 1] if name in args[:-1] else default


def answered(script: Script, result: Any) -> Any:
    """The network has answered what a command waits for; returns its exit code, or WAIT."""
    _, tool, *words = script.pending
    script.pending = ()
    if isinstance(result, Resolution):
        return dnscommands.answered(script, result, tool, *words)
    if tool == "ping":
        return _ping_goes_on(script, result, *words)
    if tool == "nc":
        return _nc_ends(script, result, *words)
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


def _curl_ends(
    script: Script, exchange: Exchange, output: str, letters: str, format_: str, url: str,
    method: str,
) -> int:  # fmt: skip
    """Prints what curl prints: the body, with -v the talk, with -I or -i the head, with -w more."""
    loud, code = "s" not in letters or "S" in letters, 0
    host = urlsplit(url).hostname or ""
    port = urlsplit(url).port or (443 if url.startswith("https:") else 80)
    path = urlsplit(url).path or "/"
    verbose = "v" in letters
    address = _connected(exchange, host)
    if verbose and address:
        script.error(f"*   Trying {text_of(address, port)}...")
    if exchange.error:
        found = re.match(r"curl: \((\d+)\)", exchange.error)
        code = int(found[1]) if found else 1
        if loud:
            script.error(exchange.error)
    else:
        status = f"HTTP/1.1 {exchange.status} {_REASONS.get(exchange.status, 'Unknown')}"
        head = [status, *(f"{name}: {value}" for name, value in getattr(
            exchange.payload, "headers", ()
        ))]  # fmt: skip
        if verbose:
            script.error(f"* Connected to {host} ({address}) port {port}")
            script.error(f"> {method} {path} HTTP/1.1\n> Host: {urlsplit(url).netloc}")
            script.error("> User-Agent: curl/8.14.1\n> Accept: */*\n> ")
            script.error("".join(f"< {line}\n" for line in head) + "< ")
        if "f" in letters and exchange.status >= 400:
            code = 22
            if loud:
                script.error(f"curl: (22) The requested URL returned error: {exchange.status}")
        else:
            shown = (
                "".join(f"{line}\r\n" for line in [*head, ""]) if set("Ii") & set(letters) else ""
            )
            body = "" if method == "HEAD" else exchange.body
            code = _deliver(script, output, shown + body)
    if format_:
        script.write(_written_out(format_, exchange, url, code))
    return code


def _connected(exchange: Exchange, host: str) -> str:
    """The address that the client has connected to; a service's, where it was one."""
    found = exchange.resolution
    return next(iter(found.addresses), "") if found is not None else host


def _written_out(format_: str, exchange: Exchange, url: str, code: int) -> str:
    """The text of curl's -w, with its variables filled in."""
    values = {
        "http_code": f"{exchange.status:03d}", "response_code": f"{exchange.status:03d}",
        "remote_ip": _connected(exchange, urlsplit(url).hostname or ""), "url": url,
        "url_effective": url, "exitcode": str(code), "size_download": str(len(exchange.body)),
        "time_total": f"{exchange.elapsed_ns / 1e9:.6f}",
        "errormsg": exchange.error.partition(") ")[2],
    }  # fmt: skip
    text = re.sub(r"%\{(\w+)\}", lambda at: values.get(at[1], ""), format_)
    return text.replace("\\n", "\n").replace("\\t", "\t")


def _ping_goes_on(script: Script, exchange: Exchange, host: str, count: str, *times: str) -> Any:
    """A packet has come back, or has not: the next one, or the sum. `times` are of those before."""
    if not exchange.address:
        script.error(f"ping: bad address '{host}'")
        return 1
    if not times:
        script.write(f"PING {host} ({exchange.address}): 56 data bytes\n")
    if exchange.error.endswith("Network is unreachable"):
        script.error("ping: sendto: Network is unreachable")
        return 1
    if not exchange.error:
        chains = [hop.chain for hop in exchange.hops]
        routed = chains[chains.index("answer") :].count("route") if "answer" in chains else 0
        shown = f"seq={len(times)} ttl={63 - routed} time={exchange.elapsed_ns / 1e6:.3f} ms"
        script.write(f"64 bytes from {exchange.address}: {shown}\n")
    times = (*times, "" if exchange.error else str(exchange.elapsed_ns))
    if len(times) < int(count):
        more = (0, "ICMP")
        return _ask(script, "connect", exchange.address, "ping", host, count, *times, more=more)
    got = [int(time) / 1e6 for time in times if time]
    lost = 100 * (len(times) - len(got)) // len(times)
    script.write(
        f"\n--- {host} ping statistics ---\n{len(times)} packets transmitted, "
        f"{len(got)} packets received, {lost}% packet loss\n"
    )
    if got:
        sums = "/".join(f"{value:.3f}" for value in (min(got), sum(got) / len(got), max(got)))
        script.write(f"round-trip min/avg/max = {sums} ms\n")
    return 0 if got else 1


def _nc_ends(
    script: Script, exchange: Exchange, host: str, port: str, limited: str, verbose: str
) -> int:
    if not exchange.address:
        script.error(f"nc: bad address '{host}'")
        return 1
    address = exchange.address if exchange.error else _connected(exchange, host)
    where = f"{host} ({text_of(address, int(port))})"
    if exchange.error:
        why = exchange.error.rpartition(": ")[2]
        late = limited and why == "Connection timed out"
        script.error("nc: timed out" if late else f"nc: {where}: {why}")
        return 1
    if verbose:
        script.error(f"{where} open")
    if isinstance(exchange.payload, str):
        script.write(exchange.payload)
    return 0


COMMANDS: dict[str, Any] = {
    "wget": wget, "curl": curl, "ping": ping, "nc": nc,
    "nslookup": dnscommands.nslookup, "dig": dnscommands.dig,
}  # fmt: skip
