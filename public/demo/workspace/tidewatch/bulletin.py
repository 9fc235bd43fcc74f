"""Harbour bulletins: the coming high water, surge included, in a few lines of text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tidewatch.alerts import AlertDesk, SurgeAlert
from tidewatch.datum import Datum, WaterLevel
from tidewatch.prediction import ExtremeKind, TideExtreme, TidePredictor
from tidewatch.stations import Station, StationRegistry
from tidewatch.surge import SurgeAnalyzer

LOOK_AHEAD = timedelta(hours=15)


@dataclass(frozen=True, slots=True)
class HarbourBulletin:
    """What a harbour master wants to know before the next high water."""

    harbour_name: str
    issued_at: datetime
    high_water: TideExtreme
    expected_level: WaterLevel
    residual_m: float
    alert: SurgeAlert | None

    def as_text(self) -> str:
        """The bulletin as it is sent out."""
        lines = [
            f"{self.harbour_name}, {self.issued_at:%d %b %Y %H:%M} UTC",
            f"High water {self.high_water.occurs_at:%H:%M}: {self.expected_level}",
            f"Surge now: {self.residual_m:+.2f} m",
        ]
        if self.alert is not None:
            lines.append(f"{self.alert.level.name} since {self.alert.raised_at:%H:%M}")
        return "\n".join(lines)


class BulletinWriter:
    """Writes bulletins from predictions, the current surge and alerts."""

    def __init__(
        self,
        registry: StationRegistry,
        predictor: TidePredictor,
        analyzer: SurgeAnalyzer,
        alert_desk: AlertDesk,
    ) -> None:
        self._registry = registry
        self._predictor = predictor
        self._analyzer = analyzer
        self._alert_desk = alert_desk

    def write(
        self, station_code: str, now: datetime, *, datum: Datum = Datum.CHART
    ) -> HarbourBulletin | None:
        """The bulletin for a station; None if no high water lies ahead.

        Raises:
            UnknownStationError: if the station is not registered.
            NoReadingError: if it has no recent reading.
        """
        station = self._registry.require(station_code)
        high_water = self._next_high_water(station, now)
        if high_water is None:
            return None
        estimate = self._analyzer
        expected_level = self._analyzer.expected_level(high_water, estimate)
        return HarbourBulletin(
            harbour_name=station.harbour_name,
            issued_at=now,
            high_water=high_water,
            expected_level=expected_level.referred_to(datum, station.datum_offsets),
            residual_m=estimate.residual_m,
            alert=self._alert_desk.alert_in_force(station_code),
        )

    def _next_high_water(self, station: Station, now: datetime) -> TideExtreme | None:
        """The first high water within ``LOOK_AHEAD``."""
        extremes = self._predictor.extremes_between(station.code, now, now + LOOK_AHEAD)
        for extreme in extremes:
            if extreme.kind is ExtremeKind.HIGH_WATER:
                return extreme
        return None
