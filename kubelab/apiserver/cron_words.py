"""What is wrong with a cron schedule or a time zone, in the words of the cron library.

In Kubernetes: robfig/cron's ParseStandard and Go's time.LoadLocation.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo

_FIELDS = (
    (0, 59, ()),
    (0, 23, ()),
    (1, 31, ()),
    (1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    (0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_NAMED = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


class _Problem(Exception):
    """A part of the schedule cannot be read."""


def problem(schedule: str) -> str:
    """What is wrong with a schedule of five fields; nothing, if it can be read."""
    if schedule.startswith("@"):
        if schedule in _NAMED or re.fullmatch(r"@every ([0-9.]+(ns|us|ms|s|m|h))+", schedule):
            return ""
        if schedule.startswith("@every "):
            return f"failed to parse duration {schedule}"
        return f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != 5:
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    try:
        for text, (low, high, names) in zip(fields, _FIELDS, strict=True):
            for part in text.split(","):
                _range(part, low, high, names)
    except _Problem as error:
        return str(error)
    return ""


def _range(text: str, low: int, high: int, names: tuple[str, ...]) -> None:
    bounds, *steps = text.split("/")
    ends = bounds.split("-")
    if len(steps) > 1:
        raise _Problem(f"too many slashes: {text}")
    if len(ends) > 2:
        raise _Problem(f"too many hyphens: {text}")
    if ends[0] in ("*", "?"):
        start, end = low, high
    else:
        start = _number(ends[0], low, names)
        end = _number(ends[-1], low, names)
        if steps and len(ends) == 1:
            end = high
    step = _number(steps[0], 0, ()) if steps else 1
    if start < low:
        raise _Problem(f"beginning of range ({start}) below minimum ({low}): {text}")
    if end > high:
        raise _Problem(f"end of range ({end}) above maximum ({high}): {text}")
    if start > end:
        raise _Problem(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise _Problem(f"step of range should be a positive number: {text}")


def _number(text: str, first: int, names: tuple[str, ...]) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + first
    if not re.fullmatch(r"[0-9]+", text):
        raise _Problem(
            f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
        )
    return int(text)


def time_zone(name: str) -> tuple[str, ...]:
    """What is wrong with the name of a time zone."""
    if not name:
        return ("timeZone must be nil or non-empty string",)
    if name.lower() == "local":
        return (
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        )
    return () if _known(name) or not _known("Europe/Berlin") else (f"unknown time zone {name}",)


def _known(name: str) -> bool:
    """Whether there is such a zone; a machine without the database knows none."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
