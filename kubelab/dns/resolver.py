"""The resolver of a node's pods: what glibc does when a program looks a name up.

It reads the pod's resolv.conf: which servers to ask, which endings to try, how long to wait.
Every full name is a query on its own; the first with an answer ends the search. NXDOMAIN and
NODATA go on to the next ending; after a server that does not answer in time, or cannot, comes the
next one, and after the last one the first again; a search that meets no server at all ends at once.

The type `A+AAAA` asks for both at each full name, as getaddrinfo does; any other type is asked
for alone. The option `musl:1` of a resolv.conf chooses the rules of musl (Alpine) instead.

In Kubernetes: not a part of it; glibc 2.36's resolv/res_query.c and res_send.c, in each
container. Left out: caches (nscd), and that glibc by itself turns to `single-request` where one of
two answers stays away.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kubelab.api.objects import Obj, get
from kubelab.dns import wire
from kubelab.dns.musl import Musl
from kubelab.network import resolvconf
from kubelab.network.addresses import is_address
from kubelab.network.kernel import Kernel
from kubelab.network.payloads import Answer, Outcome, Resolution, Step
from kubelab.sim.kernel import Component, Event

BOTH = "A+AAAA"
PORT = 53
# glibc takes no more than these, whatever the file says.
MOST = {"timeout": 30, "attempts": 5}
EDNS_BYTES = 1200


class Job(NamedTuple):
    """A name being looked up: which full name and which server it has come to.

    `open` are the types still to be answered at this full name, `got` the steps of those that are;
    `steps` are those of earlier full names; `retry` counts the servers asked at this one.
    """

    reply_to: str
    token: Any
    source: str
    conf: Obj
    name: str
    types: tuple[str, ...]
    candidates: tuple[str, ...]
    place: int = 0
    retry: int = 0
    open: tuple[str, ...] = ()
    got: tuple[Step, ...] = ()
    steps: tuple[Step, ...] = ()
    saved: str = ""
    asked: str = ""
    # With the option `rotate`: the server that is asked first.
    first_server: int = 0
    # What musl has asked at this full name and has not read an answer to.
    unread: tuple[Step, ...] = ()
    again_left: int = 0

    @property
    def musl(self) -> bool:
        """Whether musl's rules are followed."""
        return bool(resolvconf.option(self.conf, "musl", 0))


class Resolver(Musl, Component):
    """The resolver of a machine's pods, `resolver/<node>`."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.node = name.partition("/")[2]
        # Never set back, so that a late answer fits no newer question.
        self.last_job = 0
        self.jobs: dict[int, Job] = {}

    def start(self) -> None:
        self.jobs = {}

    def _kernel(self) -> Kernel | None:
        kernel = self.world.components.get(f"kernel/{self.node}")
        return kernel if isinstance(kernel, Kernel) and not kernel.stopped else None

    # A question from a program.

    def lookup(
        self, reply_to: str, token: Any, source_ip: str, resolv_conf: Obj, name: str, type_: str
    ) -> None:
        """Looks a name up for a program in a pod; it gets `resolved(token, Resolution)`."""
        self.note(name=name, type=type_, source=source_ip)
        types: tuple[str, ...] = ("A", "AAAA") if type_ == BOTH else (type_,)
        local = _from_hosts(resolv_conf, name, types)
        if local or (type_ == BOTH and is_address(name)):
            rows = local or (Answer(name, 0, "AAAA" if ":" in name else "A", name),)
            self.note(known="the hosts file has it" if local else "it is an address")
            self.send(reply_to, "resolved", token, Resolution(name, type_, "NOERROR", rows))
            return
        candidates = tuple(c for c in search(resolv_conf, name) if _sendable(c))
        servers = tuple(get(resolv_conf, "nameservers", default=()))
        self.note(candidates=list(candidates), servers=list(servers))
        if not servers or not candidates or not wire.is_type(types[0]):
            rcode = "FORMERR" if servers else "TIMEOUT"
            self.send(reply_to, "resolved", token, Resolution(name, type_, rcode))
            return
        if resolvconf.has_option(resolv_conf, "no-aaaa"):
            types = tuple(type_ for type_ in types if type_ != "AAAA")
            if not types:
                self.send(reply_to, "resolved", token, Resolution(name, type_, "NOERROR"))
                return
        self.last_job += 1
        job = Job(reply_to, token, source_ip, resolv_conf, name, types, candidates, asked=type_)
        if len(servers) > 1 and resolvconf.has_option(resolv_conf, "rotate"):
            job = job._replace(first_server=self.chance.below(len(servers)))
        self._ask(self.last_job, job)

    def _ask(self, number: int, job: Job) -> None:
        """Sends the queries for the full name that the job has come to."""
        self.jobs[number] = job = job._replace(open=job.types, got=())
        if job.musl:
            self.ask_all(number, job)
            return
        # All types of a full name go from one socket, so they meet the same server.
        port = 0
        protocol = "TCP" if resolvconf.has_option(job.conf, "use-vc") else "UDP"
        for type_ in job.types[:1] if _one_by_one(job.conf) else job.types:
            port = self._query(number, job, type_, protocol, port)

    def _query(
        self, number: int, job: Job, type_: str, protocol: str, source_port: int = 0, at: int = -1
    ) -> int:
        """Sends one query, to server `at` or the one whose turn it is; returns its own port."""
        kernel = self._kernel()
        full = job.candidates[job.place]
        place = at if at >= 0 else server_place(job.conf, job.retry, job.first_server)
        token = (number, job.place, job.retry, type_, protocol, place)
        if kernel is None:
            self.answered(token, Outcome(False, None, "refused"))
            return 0
        question = wire.query(
            full, type_, self.chance.below(65536),
            payload=EDNS_BYTES
            if resolvconf.has_option(job.conf, "edns0")
            else resolvconf.option(job.conf, "edns", 0),
            authentic=resolvconf.has_option(job.conf, "trust-ad"),
        )  # fmt: skip
        return kernel.open(
            job.source, job.conf["nameservers"][place], PORT, protocol, question, self.name, token,
            waits_seconds(job.conf, job.retry), source_port,
        )  # fmt: skip

    def _server(self, job: Job) -> str:
        servers = job.conf["nameservers"]
        return str(servers[server_place(job.conf, job.retry, job.first_server)])

    # An answer from a server.

    def answered(self, token: tuple[int, int, int, str, str, int], outcome: Outcome) -> None:
        """One query has its answer, or none in time."""
        number, place, retry, type_, protocol, at = token
        job = self.jobs.get(number)
        if job is None or (job.place, job.retry) != (place, retry) or type_ not in job.open:
            self.note(late=True)
            return
        full = job.candidates[job.place]
        server = str(job.conf["nameservers"][at])
        step = Step(full, type_, outcome.error.upper(), server, (), outcome.hops)
        if outcome.ok:
            message = wire.read_response(outcome.payload)
            if message is None:
                step = step._replace(rcode="SERVFAIL", origin=outcome.pod)
            elif message.truncated and protocol == "UDP":
                self.note(name=full, type=type_, truncated=True)
                self._query(number, job, type_, "TCP", at=at)
                return
            else:
                step = step._replace(
                    rcode=message.rcode, answers=message.answers, origin=outcome.pod,
                    authority=message.authority, additional=message.additional,
                    flags=message.flags(), size=message.bytes, edns=message.payload,
                )  # fmt: skip
        self.note(
            name=full, type=type_, rcode=step.rcode, server=step.server, origin=step.origin,
            answers=[f"{row.type} {row.data}" for row in step.answers[:8]],
        )  # fmt: skip
        if job.musl:
            if not self.reads(number, job, step, at):
                return
            job = self.jobs[number]
        left = tuple(other for other in job.open if other != type_)
        job = self.jobs[number] = job._replace(open=left, got=(*job.got, step))
        if not left:
            self._judge(number, job)
        elif not job.musl and _one_by_one(job.conf):
            self._query(number, job, left[0], protocol)

    def _judge(self, number: int, job: Job) -> None:
        """All types of this full name are answered: go on, ask again, or end."""
        got = tuple(step for type_ in job.types for step in job.got if step.type == type_)
        rcodes = [step.rcode for step in got]
        servers = job.conf["nameservers"]
        tries = len(servers) * _limited(job.conf, "attempts", 2)
        answers = tuple(row for step in got for row in step.answers)
        if job.musl:
            # In the order sent: all servers for one type, then for the other.
            got = tuple(sorted((*got, *job.unread), key=lambda step: (
                job.types.index(step.type), servers.index(step.server)
            )))  # fmt: skip
        job = job._replace(steps=(*job.steps, *got), unread=())
        if answers:
            self._end(number, job, "NOERROR", answers)
        elif job.musl and rcodes[0] not in ("NOERROR", "NXDOMAIN"):
            # EAI_AGAIN: musl tries no further ending where nobody could say anything.
            self._end(number, job, rcodes[0])
        elif all(code in ("NOERROR", "NXDOMAIN") for code in rcodes):
            self._next(number, job, "NOERROR" if "NOERROR" in rcodes else "NXDOMAIN")
        elif job.retry + 1 < tries:
            self.note(again=self._server(job._replace(retry=job.retry + 1)))
            self._ask(number, job._replace(retry=job.retry + 1))
        elif "SERVFAIL" in rcodes:
            self._next(number, job, "SERVFAIL")
        elif "TIMEOUT" in rcodes:
            # No more endings; but the name as it is, if it was not tried yet.
            self._skip(number, job)
        else:
            self._end(number, job, rcodes[0])

    def _next(self, number: int, job: Job, rcode: str) -> None:
        """On to the next full name; with none left the search has failed."""
        as_is_first = len(job.candidates) > 1 and job.candidates[0] == f"{job.name}."
        saved = job.saved
        if job.place == 0 and as_is_first:
            # The verdict on the name as it was given counts, whatever the endings say later.
            saved = f"={rcode}"
        elif not saved.startswith("="):
            rank = ("", "NXDOMAIN", "SERVFAIL", "NOERROR")
            saved = max(saved, rcode, key=rank.index)
        stop = job.musl and (as_is_first or rcode == "NOERROR")
        if job.place + 1 < len(job.candidates) and not stop:
            self.note(next=job.candidates[job.place + 1])
            self._ask(number, job._replace(place=job.place + 1, retry=0, saved=saved))
        else:
            self._end(number, job, saved.lstrip("="))

    def _skip(self, number: int, job: Job) -> None:
        as_is = f"{job.name}."
        last = len(job.candidates) - 1
        if job.place < last and job.candidates[last] == as_is:
            self.note(next=as_is)
            self._ask(number, job._replace(place=last, retry=0, saved="SERVFAIL"))
        else:
            self._end(number, job, "TIMEOUT")

    def _end(self, number: int, job: Job, rcode: str, answers: tuple[Answer, ...] = ()) -> None:
        del self.jobs[number]
        self.note(result=rcode, questions=len(job.steps), asked=job.name)
        self.note(found=[row.data for row in answers[:8]])
        done = Resolution(job.name, job.asked, rcode, answers, job.steps)
        self.send(job.reply_to, "resolved", job.token, done)

    @staticmethod
    def tell(event: Event) -> str:
        detail, who = event.detail, "Resolver"
        if event.verb == "lookup":
            name = detail.get("name", "")
            if detail.get("known"):
                return f"{who} asks nobody about {name} because {detail['known']}."
            first = (detail.get("candidates") or [name])[0].rstrip(".")
            return f"{who} tries {first} first because of the pod's resolv.conf."
        if event.verb in ("answered", "next_round") and detail.get("rcode"):
            return _tell_answered(who, detail)
        if event.verb == "start":
            return f"{who} of {event.target.partition('/')[2]} is there."
        return f"{who} ignores an answer that comes too late."


def _tell_answered(who: str, detail: Obj) -> str:
    name, rcode = detail["name"].rstrip("."), detail["rcode"]
    if detail.get("next"):
        following = detail["next"].rstrip(".")
        return f"{who} tries {following} next because the last answer for {name} was {rcode}."
    if detail.get("again"):
        return f"{who} asks {detail['again']} again because the answer for {name} was {rcode}."
    if detail.get("found"):
        return f"{who} is done because {name} has the answer {detail['found'][-1]}."
    if detail.get("result"):
        return f"{who} gives up on {detail['asked']} because {_why(detail)}."
    return f"{who} waits for the other type because {detail['type']} {name} gave {rcode}."


def _why(detail: Obj) -> str:
    """Why a search has ended without an answer."""
    return {
        "NOERROR": "the name exists, but has no record of the wished type",
        "NXDOMAIN": "none of its full names exists",
        "TIMEOUT": f"{detail['server']} did not answer in time",
        "REFUSED": f"nobody serves {detail['server']}: the question was refused at once",
        "SERVFAIL": "the name server could not answer now",
    }.get(detail["result"], f"the last answer was {detail['result']}")


def search(conf: Obj, name: str) -> tuple[str, ...]:
    """The full names to try, by glibc's rules or, with the option `musl:1`, by musl's."""
    found = resolvconf.candidates(conf, name)
    if resolvconf.option(conf, "musl", 0) and found[0] == f"{name}.":
        return found[:1]
    return found


def _limited(conf: Obj, name: str, default: int) -> int:
    return min(resolvconf.option(conf, name, default), MOST[name])


def _one_by_one(conf: Obj) -> bool:
    """Whether AAAA is asked only after A is answered."""
    return any(resolvconf.has_option(conf, f"single-request{end}") for end in ("", "-reopen"))


def server_place(conf: Obj, retry: int, first: int = 0) -> int:
    """Which of the servers is asked at the `retry`-th try."""
    return (first + retry) % len(conf["nameservers"])


def waits_seconds(conf: Obj, retry: int) -> float:
    """How long a server may take: the n-th gets the time doubled n times, shared by all.

    musl shares its time evenly among its rounds, but reads until the end what comes from any.
    """
    seconds, count = _limited(conf, "timeout", 5), len(conf["nameservers"])
    if resolvconf.option(conf, "musl", 0):
        rounds = _limited(conf, "attempts", 2)
        return seconds * (rounds - retry) / rounds
    place = retry % count
    return float(max(1, (seconds << place) // count if place else seconds))


def _sendable(name: str) -> bool:
    """Whether a full name can be put into a query at all."""
    labels = name.removesuffix(".").split(".")
    fits = len(name) < 255 and all(0 < len(label) < 64 for label in labels)
    return name == "." or (fits and name.isascii() and "\\" not in name)


def _from_hosts(conf: Obj, name: str, types: tuple[str, ...]) -> tuple[Answer, ...]:
    """What the pod's /etc/hosts says; only address lookups of programs read that file."""
    if len(types) < 2:
        return ()
    wanted = name.rstrip(".").lower()
    rows = [
        Answer(name, 0, "AAAA" if ":" in entry["ip"] else "A", entry["ip"])
        for entry in get(conf, "hosts", default=())
        if wanted in (host.lower() for host in entry.get("hostnames", ()))
    ]
    if not rows and wanted == "localhost":
        rows.append(Answer(name, 0, "A", "127.0.0.1"))
    return tuple(rows)
