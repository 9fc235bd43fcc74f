"""The way in: from a gauge's line of text to an archived reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tidewatch.clock import Clock
from tidewatch.errors import (
    MalformedTelegramError,
    ReadingRejectedError,
    RejectionReason,
    UnknownStationError,
)
from tidewatch.events import EventBus, Topic
from tidewatch.quality import QualityController
from tidewatch.readings import GaugeReading, QualityFlag, ReadingStore
from tidewatch.stations import StationRegistry
from tidewatch.telegram import parse_telegram

UNKNOWN_SENDER = "?"


@dataclass(slots=True)
class IngestReport:
    """What became of a batch of telegrams."""

    accepted: int = 0
    dropped_lines: int = 0
    by_flag: Counter[QualityFlag] = field(default_factory=Counter)
    rejections: Counter[RejectionReason] = field(default_factory=Counter)

    @property
    def total_lines(self) -> int:
        """Every line of the batch that was not blank."""
        return self.accepted + self.dropped_lines + self.rejections.total()


class IngestPipeline:
    """Parses, checks, archives and announces readings."""

    def __init__(
        self,
        registry: StationRegistry,
        quality_controller: QualityController,
        reading_store: ReadingStore,
        bus: EventBus,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._quality_controller = quality_controller
        self._reading_store = reading_store
        self._bus = bus
        self._clock = clock

    def accept_reading(self, reading: GaugeReading) -> GaugeReading:
        """Check one reading, keep it and announce it; returns it with its flag.

        Raises:
            UnknownStationError: if its station is not registered.
            ReadingRejectedError: if quality control refuses it.
        """
        station = self._registry.require(reading.station_code)
        assessed = self._quality_controller.assess(station, reading)
        self._reading_store.append_reading(assessed)
        self._bus.emit(
            Topic.READING_ACCEPTED,
            station.code,
            assessed.measured_at,
            reading=assessed,
        )
        return assessed

    def ingest_lines(self, lines: Iterable[str]) -> IngestReport:
        """Take in a batch; a bad line is announced and never stops the rest."""
        report = IngestReport()
        for line in lines:
            if line.strip():
                self._ingest_line(line, report)
        return report

    def _ingest_line(self, line: str, report: IngestReport) -> None:
        try:
            assessed = self.accept_reading(parse_telegram(line))
        except ReadingRejectedError as rejection:
            report.rejections[rejection.reason] += 1
            self._bus.emit(
                Topic.READING_REFUSED,
                rejection.station_code,
                rejection.measured_at,
                reason=rejection.reason,
            )
        except UnknownStationError as error:
            report.dropped_lines += 1
            self._announce_dropped(error.station_code, line, str(error))
        except MalformedTelegramError as error:
            report.dropped_lines += 1
            self._announce_dropped(UNKNOWN_SENDER, line, error.problem)
        else:
            report.accepted += 1
            report.by_flag[assessed.quality_flag] += 1

    def _announce_dropped(self, station_code: str, line: str, problem: str) -> None:
        self._bus.emit(
            Topic.TELEGRAM_DROPPED,
            station_code,
            self._clock.now_utc(),
            line=line,
            problem=problem,
        )
