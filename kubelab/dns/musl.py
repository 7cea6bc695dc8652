"""How musl's resolver differs from glibc's: all servers at once, the first that knows is heard.

A question goes to every server of the resolv.conf in one go, A and AAAA together. The first answer
that says something (also that there is no such name) counts, the others are not read. A server that
says SERVFAIL is asked again at once, twice at most; whatever else happens, even a closed port, is
overheard, until the round's time is over and all is asked again.

In Kubernetes: not a part of it; musl 1.2.5's src/network/res_msend.c and lookup_name.c, in images
based on Alpine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.network import resolvconf
from kubelab.network.payloads import Step

if TYPE_CHECKING:
    from kubelab.dns.resolver import Job

SERVFAIL_RETRIES = 2
# What a step says of an answer that came too late to be read.
UNREAD = "UNREAD"


class Musl:
    """The part of a resolver that follows musl's rules."""

    jobs: dict[int, Job]
    # These are the component's own (see kubelab/sim/kernel.py) and the resolver's.
    after: Any
    note: Any
    _query: Any
    _judge: Any

    def ask_all(self, number: int, job: Job) -> None:
        """Sends the open questions of this full name to all servers."""
        servers = job.conf["nameservers"]
        full = job.candidates[job.place]
        if not job.retry:
            unread = tuple(
                Step(full, type_, UNREAD, server) for type_ in job.open for server in servers
            )
            retries = SERVFAIL_RETRIES * len(job.open)
            job = self.jobs[number] = job._replace(unread=unread, again_left=retries)
        port = 0
        for type_ in job.open:
            for at in range(len(servers)):
                port = self._query(number, job, type_, "UDP", port, at)
        rounds = max(1, resolvconf.option(job.conf, "attempts", 2))
        seconds = resolvconf.option(job.conf, "timeout", 5) / rounds
        self.after(seconds, "next_round", number, job.place, job.retry)

    def next_round(self, number: int, place: int, retry: int) -> None:
        """A round's time is over: what is still open is asked again, or given up."""
        job = self.jobs.get(number)
        if job is None or (job.place, job.retry) != (place, retry) or not job.open:
            self.note(late=True)
            return
        if retry + 1 < resolvconf.option(job.conf, "attempts", 2):
            job = self.jobs[number] = job._replace(retry=retry + 1)
            self.note(again="all servers", name=job.candidates[place], rcode="TIMEOUT")
            self.ask_all(number, job)
            return
        lost = tuple(
            step._replace(rcode="TIMEOUT") if step.rcode == UNREAD and step.type in job.open
            else step
            for step in job.unread
        )  # fmt: skip
        got = tuple(next(step for step in lost if step.type == type_) for type_ in job.open)
        rest = tuple(step for step in lost if step not in got)
        self.note(name=job.candidates[place], rcode=got[0].rcode, server=got[0].server)
        job = self.jobs[number] = job._replace(open=(), got=(*job.got, *got), unread=rest)
        self._judge(number, job)

    def reads(self, number: int, job: Job, step: Step, at: int) -> bool:
        """Whether an answer counts; one that does not is overheard or asks for another try."""
        server = job.conf["nameservers"][at]

        def same(other: Step) -> bool:
            return other.type == step.type and other.server == server

        if step.rcode in ("NOERROR", "NXDOMAIN"):
            rest = tuple(other for other in job.unread if not same(other))
            self.jobs[number] = job._replace(unread=rest)
            return True
        heard = tuple(step if same(other) else other for other in job.unread)
        again = step.rcode == "SERVFAIL" and job.again_left > 0
        left = job.again_left - again
        job = self.jobs[number] = job._replace(unread=heard, again_left=left)
        if again:
            self._query(number, job, step.type, "UDP", 0, at)
        return False
