"""What is varied in the sweeps: a weight, the members of an etcd, the number of requests, a delay.

Each function works out its outcomes on copies and gives them to `sweep.py` to draw; `descend` makes
the what-if that a panel stands for.

In Kubernetes: nothing like it; one would build a cluster for each value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubelab.sim.kernel import SECOND
from kubelab.views.sweep import Sweep, outcome
from kubelab.views.words import plural

if TYPE_CHECKING:
    from kubelab.views.view import View

WEIGHTS = (0, 1, 2, 5, 10, 20, 50, 100)
REQUESTS = (10, 30, 100, 200)
MEMBERS = (1, 2, 3, 4, 5, 6, 7)
DELAYS_MS = (1, 5, 20, 100, 500)
# So long an election may take, and then a write, before it counts as impossible.
WRITE_SECONDS = 8
SWEEP_KEY = b"kubelab/sweep"


def copy_of(view: View) -> Any:
    """A copy of the cluster at the moment that the view shows."""
    twin = view.cluster.fork()
    if view.is_past:
        twin.rewind(view.cursor.event)
    return twin


def beside(view: View, cluster: Any, **options: Any) -> View:
    """A what-if of a view that shows another run."""
    made = type(view)(cluster, view.kind, {**view.options, **options})
    made.origin = view
    view.twin = made
    return made


# One weight of the scheduler.


def _weights(view: View) -> dict[str, Any]:
    twin, pod = copy_of(view), view.options.get("pod")
    data = view.kind.frame(view.cluster, view.cursor, view.options)
    pod = pod or data["pod"]
    out: dict[str, Any] = {"revision": data["revision"], "outcomes": [], "plugins": [],
                           "varied": "", "none": "Nothing was scored here. Step to a decision that "
                           "finds a node, then choose by sweep again."}  # fmt: skip
    if not data.get("scale"):
        return out
    plugins = [row["plugin"] for row in data["scale"]]
    plugin = view.options.get("plugin")
    plugin = plugin if plugin in plugins else max(data["scale"], key=_spread)["plugin"]
    now = next(row["weight"] for row in data["scale"] if row["plugin"] == plugin)
    for weight in sorted({*WEIGHTS, now}):
        after = twin.scheduler.what_if(pod, weights={plugin: weight}).after.to_dict()
        totals = after["totals"] or {}
        most = max(totals.values(), default=0) or 1
        best = sorted(totals, key=lambda n: (n != after["node"], -totals[n], n))[:6]
        bars = [{"name": n, "share": totals[n] / most, "text": str(totals[n]),
                 "won": n == after["node"]} for n in best]  # fmt: skip
        said = f"goes to {after['node']}" if after["node"] else "finds no node"
        out["outcomes"].append(outcome(str(weight), f"×{weight}", said, bars, weight == now))
    out |= {"varied": f"Weight of {plugin} for {pod.rpartition('/')[2]}", "plugins": plugins,
            "plugin": plugin}  # fmt: skip
    return out


def _spread(row: dict[str, Any]) -> int:
    """How far apart a plugin's points are: the one that tells the nodes apart is varied first."""
    points = [cell["weighted"] for cell in row["cells"].values()]
    return max(points, default=0) - min(points, default=0)


def _with_weight(view: View, value: str) -> View:
    data = view.frame
    return beside(view, copy_of(view), weights={data["plugin"]: int(value)}, plugin=data["plugin"])


def plugin_choice(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """Which weight is varied."""
    if not data.get("plugins"):
        return []
    return [{"type": "choice", "name": "plugin", "label": "Weight of", "value": data["plugin"],
             "options": data["plugins"]}]  # fmt: skip


def sliders(data: dict[str, Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    """The view's own inputs: which plugin, and its weight; moving that makes a what-if."""
    if not data.get("done") or not data["scale"]:
        return []
    names = [row["plugin"] for row in data["scale"]]
    chosen = options.get("plugin") if options.get("plugin") in names else names[0]
    weight = next(row["weight"] for row in data["scale"] if row["plugin"] == chosen)
    return [
        {"type": "choice", "name": "plugin", "label": "Weight of", "value": chosen,
         "options": names},
        {"type": "range", "name": "weight", "label": "what if it counted", "min": 0, "max": 100,
         "value": weight, "text": f"×{weight}"},
    ]  # fmt: skip


WEIGHT = Sweep(_weights, _with_weight, plugin_choice)


# Members of an etcd, and how many of them fail.


def survives(cluster: Any, members: list[str], failed: int) -> bool:
    """Whether a write is agreed on after so many members have stopped."""
    if failed >= len(members):
        return False
    for name in members[:failed]:
        cluster.faults.stop(name)
    # An election comes first, where the leader was among them.
    cluster.run(WRITE_SECONDS)
    store = getattr(cluster, "etcd", cluster)
    call = store.call("put", member=members[-1], key=SWEEP_KEY, value=b"1")
    cluster.run(WRITE_SECONDS)
    return bool(call.done) and call.error is None


def _members(view: View) -> dict[str, Any]:
    cluster = view.cluster
    names = sorted(part for part in cluster.world.components if part.startswith("etcd-"))
    alone = not hasattr(cluster, "etcd")
    outcomes = []
    for count in MEMBERS if alone else (len(names),):
        lost, bars = 0, []
        for failed in range(1, min(count, 4) + 1):
            made = type(cluster)(count) if alone else copy_of(view)
            made.run(2)
            members = names if not alone else [f"etcd-{at}" for at in range(1, count + 1)]
            good = failed < count and survives(made, members, failed)
            lost = failed if good else lost
            bars.append({"name": f"{failed} stopped", "share": 1 - failed / count,
                         "text": "writes" if good else "fails", "bad": not good})  # fmt: skip
        said = f"survives {plural(lost, 'failure')}; {count // 2 + 1} of {count} must agree"
        label = plural(count, "member")
        outcomes.append(outcome(str(count), label, said, bars, count == len(names)))
    return {"outcomes": outcomes, "none": "", "varied": "Members of an etcd, and how many of them "
            "may stop", "revision": None}  # fmt: skip


def _of_members(view: View, value: str) -> View:
    cluster = view.cluster
    made = copy_of(view) if hasattr(cluster, "etcd") else type(cluster)(int(value))
    made.run(2)
    return beside(view, made)


MEMBER_COUNT = Sweep(_members, _of_members)


# How many requests are sent.


def requests(cluster: Any, options: dict[str, Any], count: int) -> None:
    """Sends so many requests, one after the other, each to its end."""
    for _ in range(count):
        cluster.curl(options["pod"], options["url"])


def _counts(view: View) -> dict[str, Any]:
    options, twin = view.options, copy_of(view)
    out: dict[str, Any] = {"outcomes": [], "revision": None, "varied": "Number of requests",
                           "none": "Say what to request, then choose by sweep again."}  # fmt: skip
    if not options.get("url"):
        return out
    sent = 0
    counts: dict[str, int] = {}
    for wanted in REQUESTS:
        for _ in range(wanted - sent):
            who = twin.curl(options["pod"], options["url"]).pod or "no answer"
            counts[who] = counts.get(who, 0) + 1
        sent = wanted
        bars = [{"name": name.rpartition("/")[2][-9:], "share": number / sent, "text": str(number),
                 "expected": 1 / len(counts), "bad": name == "no answer"}
                for name, number in sorted(counts.items())]  # fmt: skip
        gap = max(abs(n / sent - 1 / len(counts)) for n in counts.values())
        said = f"at most {gap:.0%} off an equal share (the mark)"
        out["outcomes"].append(outcome(str(wanted), plural(wanted, "request"), said, bars))
    return out


def _sent(view: View, value: str) -> View:
    twin = copy_of(view)
    requests(twin, view.options, int(value))
    return beside(view, twin)


REQUEST_COUNT = Sweep(_counts, _sent)


# How slow the way to etcd is.


def again(view: View, delay_ms: int) -> tuple[Any, float] | None:
    """The last thing the user did, done again with a slower way to etcd; and how long it took."""
    history = view.cluster.history
    inputs = [at for at, entry in enumerate(history.inputs) if entry.target != "faults"]
    if not inputs:
        return None
    entry = history.inputs[inputs[-1]]
    twin = view.cluster.fork()
    twin.rewind(entry.position)
    for server in [n for n in twin.world.components if n.startswith("apiserver-")]:
        for member in [n for n in twin.world.components if n.startswith("etcd-")]:
            twin.faults.set_latency(server, member, delay_ms / 1000)
    begun = twin.world.now
    twin.history.inject(entry.target, entry.verb, *entry.args)
    twin.settle()
    return twin, (twin.world.now - begun) / SECOND


def _delays(view: View) -> dict[str, Any]:
    outcomes = []
    runs = [(delay, again(view, delay)) for delay in DELAYS_MS]
    longest = max((run[1] for _, run in runs if run), default=1) or 1
    for delay, run in runs:
        if run is None:
            continue
        twin, took = run
        events = len(twin.trace)
        bars = [{"name": "time", "share": took / longest, "text": f"{took:.2f} s"}]
        said = f"all is quiet after {took:.2f} s, at event {events}"
        outcomes.append(outcome(str(delay), f"{delay} ms each way", said, bars))
    varied = "Your last act again, with a slower way between API server and etcd"
    none = "Do something first, such as an apply."
    return {"outcomes": outcomes, "revision": None, "none": none, "varied": varied}


def _delayed(view: View, value: str) -> View:
    run = again(view, int(value))
    if run is None:
        raise ValueError("there is nothing to do again")
    return beside(view, run[0])


DELAY = Sweep(_delays, _delayed)
