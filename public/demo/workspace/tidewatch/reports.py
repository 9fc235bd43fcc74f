"""Daily summaries: what one gauge measured in one day."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidewatch.clock import start_of_day
from tidewatch.datum import WaterLevel
from tidewatch.errors import NoReadingError
from tidewatch.readings import GaugeReading, ReadingStore
from tidewatch.stations import Station
from tidewatch.surge import SurgeAnalyzer

CSV_HEADER = (
    "station",
    "day",
    "lowest_m",
    "highest_m",
    "mean_m",
    "largest_residual_m",
    "coverage",
)


@dataclass(frozen=True, slots=True)
class DailySummary:
    """One station's day, in metres above the station's own datum."""

    station_code: str
    day: datetime
    lowest: WaterLevel
    highest: WaterLevel
    mean_m: float
    largest_residual_m: float
    coverage: float

    def tidal_range_m(self) -> float:
        """Highest minus lowest measured level."""
        return self.highest.minus(self.lowest)

    def as_row(self) -> tuple[str, ...]:
        """Its fields as text, in the order of ``CSV_HEADER``."""
        return (
            self.station_code,
            self.day.date().isoformat(),
            f"{self.lowest.height_m:.3f}",
            f"{self.highest.height_m:.3f}",
            f"{self.mean_m:.3f}",
            f"{self.largest_residual_m:+.3f}",
            f"{self.coverage:.2f}",
        )


class DailyReporter:
    """Summarises the archive."""

    def __init__(self, reading_store: ReadingStore, analyzer: SurgeAnalyzer) -> None:
        self._reading_store = reading_store
        self._analyzer = analyzer

    def summarise(self, station: Station, day: datetime) -> DailySummary:
        """The summary of the day that contains ``day``.

        Raises:
            NoReadingError: if the day holds no usable reading.
        """
        start = start_of_day(day)
        end = start + timedelta(days=1)
        readings = [
            reading
            for reading in self._reading_store.readings_between(
                station.code, start, end
            )
            if reading.is_usable
        ]
        if not readings:
            raise NoReadingError(station.code, start)
        levels = [native_level(station, reading) for reading in readings]
        by_height = sorted(levels, key=lambda level: level.height_m)
        return DailySummary(
            station_code=station.code,
            day=start,
            lowest=by_height[0],
            highest=by_height[-1],
            mean_m=statistics.fmean(level.height_m for level in levels),
            largest_residual_m=self._analyzer.largest_residual(
                station.code, start, end
            ),
            coverage=len(readings) / expected_samples(station),
        )


def native_level(station: Station, reading: GaugeReading) -> WaterLevel:
    """A reading's level above the datum its station is registered with."""
    return reading.water_level.referred_to(station.native_datum, station.datum_offsets)


def expected_samples(station: Station) -> int:
    """How many readings a station sends in a day without gaps."""
    return timedelta(days=1) // timedelta(minutes=station.sampling_minutes)


def to_csv(summaries: Iterable[DailySummary]) -> str:
    """Summaries as comma-separated text with a header line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_HEADER)
    writer.writerows(summary.as_row() for summary in summaries)
    return buffer.getvalue()
