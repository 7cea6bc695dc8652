"""How long something took or lasts, in the short form that people read: `45s`, `5m30s`, `4d`.

The longer the time the coarser the form: never more than two units, and the smaller one only while
the larger one is small. Ages in tables are differences of two times of the cluster's own clock.

In Kubernetes: k8s.io/apimachinery/pkg/util/duration.
"""

from __future__ import annotations

from kubelab.sim.kernel import SECOND, parse_timestamp

UNKNOWN = "<unknown>"


def human(ns: int) -> str:
    """A length of time as tables show it."""
    seconds = int(ns / SECOND)
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    return _two(years, "y", days % 365, "d") if days < 365 * 8 else f"{years}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def since(timestamp: str | None, now_ns: int) -> str:
    """How long ago a metav1.Time or MicroTime is; `<unknown>` where there is none."""
    return human(now_ns - parse_timestamp(timestamp)) if timestamp else UNKNOWN


def go(seconds: float) -> str:
    """A length of time as Go writes it: `1m30s`, `500ms`, `0s`."""
    if not seconds:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    whole, rest = divmod(round(seconds, 9), 60)
    minutes = int(whole)
    text = f"{rest:.9f}".rstrip("0").rstrip(".") + "s"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m{text}"
    return f"{minutes}m{text}" if minutes else text
