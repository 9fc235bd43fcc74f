"""Time as the service sees it: always UTC, and replaceable in tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Protocol


class Clock(Protocol):
    """Something that knows what time it is."""

    def now_utc(self) -> datetime:
        """The current moment, aware, in UTC."""


class SystemClock:
    """The machine's own clock."""

    def now_utc(self) -> datetime:
        """The current moment, aware, in UTC."""
        return datetime.now(timezone.utc)


class ManualClock:
    """A clock that stands still until it is moved: for tests and replays."""

    def __init__(self, start: datetime) -> None:
        self._moment = ensure_utc(start)

    def now_utc(self) -> datetime:
        """The moment the clock was last set to."""
        return self._moment

    def advance(self, step: timedelta) -> datetime:
        """Move forward by ``step`` and return the new moment.

        Raises:
            ValueError: if ``step`` is negative.
        """
        if step < timedelta(0):
            raise ValueError("a clock does not run backwards")
        self._moment += step
        return self._moment


def ensure_utc(moment: datetime) -> datetime:
    """``moment`` in UTC.

    Raises:
        ValueError: if it carries no time zone, and so could mean anything.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} carries no time zone")
    return moment.astimezone(timezone.utc)


def floor_to_interval(moment: datetime, interval: timedelta) -> datetime:
    """The last multiple of ``interval`` since midnight UTC, at or before ``moment``."""
    midnight = start_of_day(moment)
    return midnight + (moment - midnight) // interval * interval


def start_of_day(moment: datetime) -> datetime:
    """Midnight UTC at the beginning of the day of ``moment``."""
    return ensure_utc(moment).replace(hour=0, minute=0, second=0, microsecond=0)


def moments_between(
    start: datetime, end: datetime, step: timedelta
) -> Iterator[datetime]:
    """Moments from ``start`` to ``end``, both included, ``step`` apart."""
    moment = start
    while moment <= end:
        yield moment
        moment += step
