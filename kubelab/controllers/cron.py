"""Cron schedules: when the next time is.

A schedule has five fields: minute, hour, day of the month, month, day of the week; each is a list
of numbers, names, ranges and steps. If both days are restricted, either may match. `next_after`
goes day by day, so that a schedule of once a year is found quickly, and gives up after five years.

In Kubernetes: github.com/robfig/cron/v3, which the CronJob controller uses.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
YEARS = 5


class ScheduleError(ValueError):
    """Raised for a text that is no schedule."""


class Schedule(NamedTuple):
    """The values of each field in order, and whether each of the days is restricted."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    any_day: bool
    any_weekday: bool

    def fits(self, day: datetime) -> bool:
        """Whether the schedule has times on a day."""
        if day.month not in self.months:
            return False
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        if self.any_day or self.any_weekday:
            return by_day and by_weekday
        return by_day or by_weekday

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time strictly after a moment, in the moment's own time zone."""
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        for _ in range(366 * YEARS):
            if self.fits(day):
                for hour in self.hours:
                    for minute in self.minutes:
                        found = day.replace(hour=hour, minute=minute)
                        if found >= start:
                            return found
            day += timedelta(days=1)
        return None


@lru_cache(maxsize=256)
def parse(text: str) -> Schedule:
    """The schedule of a text. Raises ScheduleError."""
    fields = MACROS.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: {fields}")
    minutes, hours, days, months, weekdays = (
        _field(part, number) for number, part in enumerate(fields)
    )
    any_day, any_weekday = fields[2][0] in "*?", fields[4][0] in "*?"
    return Schedule(minutes, hours, days, months, weekdays, any_day, any_weekday)


def _field(text: str, number: int) -> tuple[int, ...]:
    low, high = BOUNDS[number]
    values: dict[int, None] = {}
    for part in text.split(","):
        span, _, step = part.partition("/")
        if span in ("*", "?"):
            first, last = low, high
        else:
            begin, dash, end = span.partition("-")
            first = _number(begin, number)
            last = _number(end, number) if dash else (high if step else first)
        stride = int(step) if step.isdigit() else 1
        if (step and not step.isdigit()) or not stride or first > last:
            raise ScheduleError(f"failed to parse int from {part}")
        if first < low or last > high:
            raise ScheduleError(f"value of {part} is out of bounds ({low}-{high})")
        values |= dict.fromkeys(range(first, last + 1, stride))
    return tuple(sorted(values))


def _number(text: str, number: int) -> int:
    names = {3: MONTHS, 4: DAYS}.get(number, [])
    word = text.lower()
    if word in names:
        return names.index(word) + (1 if number == 3 else 0)
    if not text.isdigit():
        raise ScheduleError(f"failed to parse int from {text}")
    # Sunday is 0; a 7 is taken for it, too.
    return 0 if number == 4 and text == "7" else int(text)


def zone(name: str | None) -> tzinfo:
    """The time zone of a name; UTC where none is given. Raises ScheduleError."""
    if not name:
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ScheduleError(f"unknown time zone {name}") from error
