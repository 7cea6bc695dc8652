"""Sentences about what members say to each other: votes, heartbeats, entries, who leads.

Numbers and names come from the event alone. Where a message changes a member's role, that is what
the sentence says, as it is what matters.

In Kubernetes: the lines that etcd's raft library logs (`became candidate at term 5`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubelab.sim.kernel import Event

Detail = Any


def tell(event: Event) -> str:
    """The sentence about an event of Raft."""
    turned = _turned(event)
    if turned:
        return turned
    return WORDS[event.verb](event, event.detail)


def _turned(event: Event) -> str:
    """What became of a member whose role has changed; empty if it has not."""
    detail, name = event.detail, event.target
    role, was, term = detail.get("role"), detail.get("was"), detail.get("term")
    if role is None or role == was:
        return ""
    if role == "leader":
        return f"{name} becomes leader of term {term} because a majority voted for it."
    if role == "pre-candidate":
        waited = detail.get("heard_before_ms", 0) / 1000
        return (
            f"{name} asks whether it could win an election because it heard no leader for "
            f"{waited:.1f} s."
        )
    if role == "candidate":
        return f"{name} becomes candidate in term {term}, votes for itself and asks the others."
    if was == "leader":
        if event.verb == "heartbeat_timeout":
            return f"{name} steps down because it no longer hears a majority."
        return f"{name} steps down because {event.actor} is already in term {term}."
    if detail.get("leader"):
        return f"{name} follows {detail['leader']}, the leader of term {term}."
    return f"{name} gives up its candidacy in term {term}."


def _vote(event: Event, detail: Detail) -> str:
    real = event.verb == "request_vote"
    what = "for its vote" if real else "whether it would vote for it"
    return f"{event.actor} asks {event.target} {what} in term {detail.get('term')}."


def _voted(event: Event, detail: Detail) -> str:
    what = "does not get" if detail.get("reject") else "gets"
    promise = "the promise of a vote" if event.verb == "pre_vote_result" else "a vote"
    return f"{event.target} {what} {promise} from {event.actor} in term {detail.get('term')}."


def _append(event: Event, detail: Detail) -> str:
    if "overwritten" in detail:
        first, last = detail["overwritten"]
        what = f"entry {first}" if first == last else f"entries {first} to {last}"
        return (
            f"{event.target} replaces its {what} by those of {event.actor}, the leader, because "
            f"no majority had agreed on them."
        )
    count = detail.get("entries", 0)
    if not count:
        return f"{event.target} hears that entry {detail.get('leader_commit')} is agreed on."
    first = detail.get("index", 0) + 1
    what = f"entry {first}" if count == 1 else f"entries {first} to {first + count - 1}"
    return f"{event.target} writes {what} of {event.actor}, the leader, into its log."


def _appended(event: Event, detail: Detail) -> str:
    if detail.get("reject"):
        return (
            f"{event.target} learns that the log of {event.actor} is not the same at entry "
            f"{detail.get('index')}, so it goes further back."
        )
    return f"{event.target} learns that {event.actor} has entry {detail.get('index')}."


def _apply(event: Event, detail: Detail) -> str:
    index = detail.get("index")
    if "method" in detail:
        if "change" in detail:
            verb = {"create": "stores new", "update": "stores", "delete": "deletes"}
            what = f"{verb[detail['change']]} {detail['key']} as revision {detail['revision']}"
        else:
            what = f"carries out a {str(detail['method']).replace('_', ' ')}, changing no key"
        return f"{event.target} {what} because entry {index} is agreed on by a majority."
    if "voters" in detail:
        return f"{event.target} changes who votes to {', '.join(detail['voters'])}."
    return f"{event.target} applies entry {index}, which changes no key."


def _timed_out(event: Event, detail: Detail) -> str:
    if not detail.get("timed_out"):
        return f"{event.target} looks for calls that waited too long and finds none."
    clients = " and ".join(dict.fromkeys(detail["timed_out"]))
    return f"{event.target} tells {clients} that a request timed out because no majority agreed."


def _no_leader(event: Event, detail: Detail) -> str:
    count = detail.get("watches", 0)
    ended = "1 watch that needs one" if count == 1 else f"{count} watches that need one"
    return f"{event.target} has known no leader for three seconds, so it ends {ended}."


def waiting(event: Event) -> str:
    """A call that cannot be answered at once because others must agree; else empty."""
    detail = event.detail
    what = f"the {event.verb.replace('_', ' ')} of {event.actor}"
    if detail.get("forwarded"):
        return f"{event.target} passes {what} on to {detail['forwarded']}, the leader."
    if detail.get("no_leader"):
        return f"{event.target} keeps {what} because it knows no leader."
    if detail.get("waits") and "revision" not in detail:
        return f"{event.target} makes sure that it is up to date before it answers {what}."
    if "index" in detail and "revision" not in detail:
        return f"{event.target} puts {what} into its log as entry {detail['index']} and sends it."
    return ""


WORDS: dict[str, Callable[[Event, Detail], str]] = {
    "request_pre_vote": _vote,
    "request_vote": _vote,
    "pre_vote_result": _voted,
    "vote_result": _voted,
    "append_entries": _append,
    "append_result": _appended,
    "apply": _apply,
    "give_up": _timed_out,
    "heartbeat": lambda e, d: f"{e.target} hears that {e.actor} still leads term {d.get('term')}.",
    "heartbeat_result": lambda e, d: f"{e.target} hears that {e.actor} still follows it.",
    "heartbeat_timeout": lambda e, d: f"{e.target} tells all that it still leads.",
    "election_timeout": lambda e, d: f"{e.target} asks again because no election was won.",
    "campaign_now": lambda e, d: f"{e.target} lets its election timer run out.",
    "install_snapshot": lambda e, d: (
        f"{e.target} takes the whole store from {e.actor} because the log goes back no further."
    ),
    "timeout_now": lambda e, d: f"{e.target} is told by {e.actor} to take over as leader.",
    "forward_proposal": lambda e, d: (
        f"{e.actor} passes a write on to {e.target}, which it takes for the leader."
    ),
    "read_index": lambda e, d: f"{e.actor} asks {e.target} from which entry on it may read.",
    "read_index_result": lambda e, d: (
        f"{e.target} learns that {e.actor} still leads: it may read from entry "
        f"{d.get('read_index')} on."
    ),
    "no_leader": _no_leader,
    "retry_read": lambda e, d: f"{e.target} asks again for leave to read.",
    "forward_call": lambda e, d: f"{e.actor} passes a call about a lease or member to {e.target}.",
    "call_answered": lambda e, d: f"{e.target} hears the leader's answer to a call.",
    "disturb": lambda e, d: f"The link from {e.target} to {d.get('to')} becomes unreliable.",
    "set_clock_rate": lambda e, d: f"The clock of {e.target} runs at another speed.",
    "leave": lambda e, d: f"{e.target} stops because it no longer belongs to the cluster.",
    "member_add": lambda e, d: f"{e.actor} asks {e.target} to take a member in.",
    "member_remove": lambda e, d: f"{e.actor} asks {e.target} to take a member out.",
    "member_promote": lambda e, d: f"{e.actor} asks {e.target} to let a learner vote.",
    "move_leader": lambda e, d: f"{e.actor} asks {e.target} to let another member lead.",
}
