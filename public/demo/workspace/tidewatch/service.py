"""Assembly: one object that holds the running network."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tidewatch.alerts import AlertDesk
from tidewatch.archive import SqliteReadingStore
from tidewatch.clock import Clock, SystemClock, floor_to_interval
from tidewatch.errors import NoReadingError
from tidewatch.events import EventBus, EventLog, Topic
from tidewatch.ingest import IngestPipeline, IngestReport
from tidewatch.prediction import ExtremeKind, TideExtreme, TidePredictor
from tidewatch.quality import QualityController
from tidewatch.readings import ReadingStore
from tidewatch.reports import DailyReporter, DailySummary
from tidewatch.settings import Settings
from tidewatch.stations import StationRegistry
from tidewatch.surge import SurgeAnalyzer
from tidewatch.watchdog import GaugeWatchdog, SilentGauge

OUTLOOK = timedelta(hours=26)


class TidewatchService:
    """The network: stations, readings, predictions and alerts, wired together."""

    def __init__(
        self, settings: Settings, reading_store: ReadingStore, clock: Clock
    ) -> None:
        self.clock = clock
        self.bus = EventBus()
        self.registry = StationRegistry()
        for station in settings.stations:
            self.registry.enrol(station)
        self.reading_store = reading_store
        self.predictor = TidePredictor(settings.harmonic_models)
        self.analyzer = SurgeAnalyzer(self.registry, self.predictor, self.reading_store)
        self.alert_desk = AlertDesk(self.analyzer, self.bus, settings.alert_rules)
        self.watchdog = GaugeWatchdog(
            self.registry, self.reading_store, self.bus, self.clock
        )
        self.reporter = DailyReporter(self.reading_store, self.analyzer)
        self.alert_log = EventLog(self.bus, Topic.ALERT_RAISED, Topic.ALERT_CLEARED)
        self._pipeline = IngestPipeline(
            self.registry,
            QualityController(
                self.predictor, self.reading_store, settings.quality_limits
            ),
            self.reading_store,
            self.bus,
            self.clock,
        )

    def ingest(self, lines: Iterable[str]) -> IngestReport:
        """Take in a batch of telegrams, then look for silent gauges."""
        report = self._pipeline.ingest_lines(lines)
        self.watchdog.patrol()
        return report

    def upcoming_extremes(self, station_code: str) -> list[TideExtreme]:
        """High and low waters of the coming day at a station."""
        station = self.registry.require(station_code)
        interval = timedelta(minutes=station.sampling_minutes)
        start = floor_to_interval(self.clock.now_utc(), interval)
        return list(
            self.predictor.extremes_between(station.code, start, start + OUTLOOK)
        )

    def next_high_water(self, station_code: str) -> TideExtreme | None:
        """The next high water at a station."""
        for extreme in self.upcoming_extremes(station_code):
            if extreme.kind is ExtremeKind.HIGH_WATER:
                return extreme
        return None

    def silent_gauges(self) -> list[SilentGauge]:
        """Gauges that have stopped sending."""
        return self.watchdog.silent_gauges()

    def summaries_for(self, day: datetime) -> list[DailySummary]:
        """A summary for every active station that measured on a day."""
        summaries = []
        for station in self.registry.active_stations():
            try:
                summaries.append(self.reporter.summarise(station, day))
            except NoReadingError:
                continue
        return summaries


def open_service(settings: Settings, clock: Clock | None = None) -> TidewatchService:
    """The service on its database, with readings past their retention removed."""
    clock = clock or SystemClock()
    archive = SqliteReadingStore(settings.database_path)
    archive.purge_before(clock.now_utc() - settings.retention)
    return TidewatchService(settings, archive, clock)
