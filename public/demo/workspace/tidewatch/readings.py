"""What gauges measure, and the interface of every place that keeps it."""

from __future__ import annotations

import bisect
import enum
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from tidewatch.datum import WaterLevel
from tidewatch.errors import NoReadingError


class QualityFlag(enum.IntEnum):
    """How far a reading can be trusted; a higher value is a worse reading."""

    GOOD = 1
    UNCHECKED = 2
    SUSPECT = 3
    BAD = 4


@dataclass(frozen=True, slots=True)
class GaugeReading:
    """One measurement of the water level at a station."""

    station_code: str
    measured_at: datetime
    water_level: WaterLevel
    battery_volts: float | None = None
    quality_flag: QualityFlag = QualityFlag.UNCHECKED

    @property
    def is_usable(self) -> bool:
        """Whether computations may rest on it."""
        return self.quality_flag <= QualityFlag.UNCHECKED

    def flagged(self, quality_flag: QualityFlag) -> GaugeReading:
        """The same measurement with another flag."""
        return replace(self, quality_flag=quality_flag)


class ReadingStore(Protocol):
    """A place that keeps readings, in order of time for each station."""

    def append_reading(self, reading: GaugeReading) -> None:
        """Keep a reading; one of the same station and moment is replaced."""

    def latest_reading(self, station_code: str) -> GaugeReading | None:
        """The newest reading of a station."""

    def readings_between(
        self, station_code: str, start: datetime, end: datetime
    ) -> Sequence[GaugeReading]:
        """Readings with ``start <= measured_at < end``, oldest first."""


class MemoryReadingStore:
    """Readings in sorted lists: for tests, replays and small networks."""

    def __init__(self) -> None:
        self._moments: defaultdict[str, list[datetime]] = defaultdict(list)
        self._readings: defaultdict[str, list[GaugeReading]] = defaultdict(list)

    def append_reading(self, reading: GaugeReading) -> None:
        """Keep a reading; one of the same station and moment is replaced."""
        moments = self._moments[reading.station_code]
        readings = self._readings[reading.station_code]
        index = bisect.bisect_left(moments, reading.measured_at)
        if index < len(moments) and moments[index] == reading.measured_at:
            readings[index] = reading
            return
        moments.insert(index, reading.measured_at)
        readings.insert(index, reading)

    def latest_reading(self, station_code: str) -> GaugeReading | None:
        """The newest reading of a station."""
        readings = self._readings.get(station_code)
        return readings[-1] if readings else None

    def readings_between(
        self, station_code: str, start: datetime, end: datetime
    ) -> Sequence[GaugeReading]:
        """Readings with ``start <= measured_at < end``, oldest first."""
        moments = self._moments.get(station_code, [])
        first = bisect.bisect_left(moments, start)
        last = bisect.bisect_left(moments, end)
        return self._readings[station_code][first:last] if first < last else []


def nearest_reading(
    store: ReadingStore, station_code: str, moment: datetime, *, tolerance: timedelta
) -> GaugeReading:
    """The usable reading closest to ``moment``.

    Raises:
        NoReadingError: if there is none within ``tolerance`` on either side.
    """
    candidates = [
        reading
        for reading in store.readings_between(
            station_code, moment - tolerance, moment + tolerance
        )
        if reading.is_usable
    ]
    if not candidates:
        raise NoReadingError(station_code, moment)
    return min(candidates, key=lambda reading: abs(reading.measured_at - moment))
