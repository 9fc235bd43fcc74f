"""Notices gauges that have stopped sending."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidewatch.clock import Clock
from tidewatch.events import EventBus, NetworkEvent, Topic
from tidewatch.readings import ReadingStore
from tidewatch.stations import Station, StationRegistry

MISSED_SAMPLES_ALLOWED = 3


@dataclass(frozen=True, slots=True)
class SilentGauge:
    """A gauge that has sent nothing for too long."""

    station_code: str
    silent_since: datetime

    def silent_for(self, now: datetime) -> timedelta:
        """How long it has been silent."""
        return now - self.silent_since


class GaugeWatchdog:
    """Compares the age of each station's newest reading with its sampling interval."""

    def __init__(
        self,
        registry: StationRegistry,
        reading_store: ReadingStore,
        bus: EventBus,
        clock: Clock,
    ) -> None:
        self._registry = registry
        self._reading_store = reading_store
        self._bus = bus
        self._clock = clock
        self._silent: dict[str, SilentGauge] = {}
        bus.subscribe(Topic.READING_ACCEPTED, self._on_reading_accepted)

    def patrol(self) -> list[SilentGauge]:
        """Look at every active station; return the gauges found newly silent."""
        newly_silent = []
        for station in self._registry.active_stations():
            if station.code in self._silent:
                continue
            gauge = self._silent_gauge(station)
            if gauge is None:
                continue
            self._silent[station.code] = gauge
            newly_silent.append(gauge)
            self._bus.emit(
                Topic.GAUGE_SILENT,
                station.code,
                self._clock.now_utc(),
                silent_since=gauge.silent_since,
            )
        return newly_silent

    def silent_gauges(self) -> list[SilentGauge]:
        """Gauges known to be silent, the longest silent first."""
        return sorted(self._silent.values(), key=lambda gauge: gauge.silent_since)

    def _silent_gauge(self, station: Station) -> SilentGauge | None:
        latest = self._reading_store.latest_reading(station.code)
        if latest is None:
            return None
        patience = timedelta(minutes=station.sampling_minutes) * MISSED_SAMPLES_ALLOWED
        if self._clock.now_utc() - latest.measured_at <= patience:
            return None
        return SilentGauge(station.code, silent_since=latest.measured_at)

    def _on_reading_accepted(self, event: NetworkEvent) -> None:
        gauge = self._silent.pop(event.station_code, None)
        if gauge is not None:
            self._bus.emit(
                Topic.GAUGE_RECOVERED,
                event.station_code,
                event.occurred_at,
                silent_since=gauge.silent_since,
            )
