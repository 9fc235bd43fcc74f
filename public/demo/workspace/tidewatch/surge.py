"""Storm surge: what the water does beyond the astronomical tide."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidewatch.datum import WaterLevel
from tidewatch.errors import NoReadingError
from tidewatch.prediction import ExtremeKind, TideExtreme, TidePredictor
from tidewatch.readings import GaugeReading, ReadingStore, nearest_reading
from tidewatch.stations import StationRegistry

READING_TOLERANCE = timedelta(minutes=15)
TREND_WINDOW = timedelta(hours=3)
FEWEST_FOR_TREND = 4


@dataclass(frozen=True, slots=True)
class SurgeEstimate:
    """The difference between the measured and the predicted level."""

    station_code: str
    estimated_at: datetime
    residual_m: float
    trend_m_per_hour: float

    def extrapolated_m(self, moment: datetime) -> float:
        """The residual at a later moment if the trend goes on."""
        hours = (moment - self.estimated_at) / timedelta(hours=1)
        return self.residual_m + self.trend_m_per_hour * max(hours, 0.0)


class SurgeAnalyzer:
    """Compares readings with predictions, station by station."""

    def __init__(
        self,
        registry: StationRegistry,
        predictor: TidePredictor,
        reading_store: ReadingStore,
    ) -> None:
        self._registry = registry
        self._predictor = predictor
        self._reading_store = reading_store

    def residual_of(self, reading: GaugeReading) -> float:
        """Measured minus predicted level of one reading, in metres."""
        station = self._registry.require(reading.station_code)
        predicted = self._predictor.predicted_level(station.code, reading.measured_at)
        measured = reading.water_level.referred_to(
            predicted.datum, station.datum_offsets
        )
        return measured.minus(predicted)

    def estimate_at(self, station_code: str, moment: datetime) -> SurgeEstimate:
        """The surge at a moment, with its trend over the hours before.

        Raises:
            NoReadingError: if no usable reading lies near the moment.
        """
        reading = nearest_reading(
            self._reading_store, station_code, moment, tolerance=READING_TOLERANCE
        )
        return SurgeEstimate(
            station_code=station_code,
            estimated_at=reading.measured_at,
            residual_m=self.residual_of(reading),
            trend_m_per_hour=self._trend_before(station_code, reading.measured_at),
        )

    def expected_level(
        self, extreme: TideExtreme, estimate: SurgeEstimate
    ) -> WaterLevel:
        """A predicted extreme raised by the surge expected at that time."""
        surge_m = estimate.extrapolated_m(extreme.occurs_at)
        return extreme.predicted_level.raised_by(surge_m)

    def largest_residual(
        self, station_code: str, start: datetime, end: datetime
    ) -> float:
        """The residual of greatest size in a span, with its sign.

        Raises:
            NoReadingError: if the span holds no usable reading.
        """
        residuals = [
            self.residual_of(reading)
            for reading in self._usable_between(station_code, start, end)
        ]
        if not residuals:
            raise NoReadingError(station_code, start)
        return max(residuals, key=abs)

    def next_exceedance(
        self, station_code: str, threshold: WaterLevel, start: datetime, end: datetime
    ) -> TideExtreme | None:
        """The first high water expected to reach a threshold, surge included."""
        estimate = self.estimate_at(station_code, start)
        for extreme in self._predictor.extremes_between(station_code, start, end):
            if extreme.kind is not ExtremeKind.HIGH_WATER:
                continue
            if self.expected_level(extreme, estimate).minus(threshold) >= 0.0:
                return extreme
        return None

    def _usable_between(
        self, station_code: str, start: datetime, end: datetime
    ) -> list[GaugeReading]:
        readings = self._reading_store.readings_between(station_code, start, end)
        return [reading for reading in readings if reading.is_usable]

    def _trend_before(self, station_code: str, moment: datetime) -> float:
        """Slope of the residuals by least squares; 0 where there are too few."""
        readings = self._usable_between(station_code, moment - TREND_WINDOW, moment)
        if len(readings) < FEWEST_FOR_TREND:
            return 0.0
        hours = [
            (reading.measured_at - moment) / timedelta(hours=1) for reading in readings
        ]
        residuals = [self.residual_of(reading) for reading in readings]
        return statistics.linear_regression(hours, residuals).slope
