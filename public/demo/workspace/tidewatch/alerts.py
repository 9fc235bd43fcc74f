"""Surge alerts: raised when a residual passes a threshold, cleared with hysteresis."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tidewatch.errors import NoReadingError
from tidewatch.events import EventBus, NetworkEvent, Topic
from tidewatch.surge import SurgeAnalyzer, SurgeEstimate


class AlertLevel(enum.IntEnum):
    """How serious an alert is."""

    NOTICE = 1
    WARNING = 2
    EMERGENCY = 3


@dataclass(frozen=True, slots=True)
class AlertRule:
    """The residual at which a level begins, and how far it must fall to end it."""

    level: AlertLevel
    threshold_m: float
    hysteresis_m: float = 0.05

    def is_reached(self, residual_m: float) -> bool:
        """Whether a residual is large enough to raise this level."""
        return residual_m >= self.threshold_m

    def still_holds(self, residual_m: float) -> bool:
        """Whether a residual is too large to clear this level."""
        return residual_m >= self.threshold_m - self.hysteresis_m


@dataclass(frozen=True, slots=True)
class SurgeAlert:
    """An alert in force at a station."""

    station_code: str
    level: AlertLevel
    raised_at: datetime
    residual_m: float


DEFAULT_RULES = (
    AlertRule(AlertLevel.NOTICE, threshold_m=0.40),
    AlertRule(AlertLevel.WARNING, threshold_m=0.80),
    AlertRule(AlertLevel.EMERGENCY, threshold_m=1.50, hysteresis_m=0.10),
)


class AlertDesk:
    """Watches accepted readings and keeps at most one alert a station."""

    def __init__(
        self,
        analyzer: SurgeAnalyzer,
        bus: EventBus,
        rules: Iterable[AlertRule] = DEFAULT_RULES,
    ) -> None:
        self._analyzer = analyzer
        self._bus = bus
        self._rules = sorted(rules, key=lambda rule: rule.level, reverse=True)
        self._in_force: dict[str, SurgeAlert] = {}
        bus.subscribe(Topic.READING_ACCEPTED, self._on_reading_accepted)

    def alert_in_force(self, station_code: str) -> SurgeAlert | None:
        """The station's alert, if it has one."""
        return self._in_force.get(station_code)

    def alerts_in_force(self) -> list[SurgeAlert]:
        """Every alert, the most serious first."""
        return sorted(
            self._in_force.values(), key=lambda alert: (-alert.level, alert.raised_at)
        )

    def review(self, estimate: SurgeEstimate) -> SurgeAlert | None:
        """Raise, change or clear a station's alert according to an estimate."""
        station_code = estimate.station_code
        current = self._in_force.get(station_code)
        level = self._level_for(estimate.residual_m, current)
        if current is not None and level is current.level:
            return current
        if current is not None:
            del self._in_force[station_code]
            self._bus.emit(
                Topic.ALERT_CLEARED, station_code, estimate.estimated_at, alert=current
            )
        if level is None:
            return None
        alert = SurgeAlert(
            station_code, level, estimate.estimated_at, estimate.residual_m
        )
        self._in_force[station_code] = alert
        self._bus.emit(
            Topic.ALERT_RAISED, station_code, estimate.estimated_at, alert=alert
        )
        return alert

    def _level_for(
        self, residual_m: float, current: SurgeAlert | None
    ) -> AlertLevel | None:
        for rule in self._rules:
            if rule.is_reached(residual_m):
                return rule.level
            if current and rule.level is current.level and rule.still_holds(residual_m):
                return rule.level
        return None

    def _on_reading_accepted(self, event: NetworkEvent) -> None:
        try:
            estimate = self._analyzer.estimate_at(event.station_code, event.occurred_at)
        except NoReadingError:
            return
        self.review(estimate)
