"""Quality control: which readings may be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tidewatch.errors import ReadingRejectedError, RejectionReason
from tidewatch.prediction import TidePredictor
from tidewatch.readings import GaugeReading, QualityFlag, ReadingStore
from tidewatch.stations import Station


@dataclass(frozen=True, slots=True)
class QualityLimits:
    """Thresholds of the checks."""

    margin_beyond_tide_m: float = 3.0
    steepest_rise_m_per_minute: float = 0.08
    flatline_readings: int = 6
    lowest_battery_volts: float = 10.8


class QualityController:
    """Judges a reading by itself, by its predecessors and by the tide."""

    def __init__(
        self,
        predictor: TidePredictor,
        reading_store: ReadingStore,
        limits: QualityLimits = QualityLimits(),
    ) -> None:
        self._predictor = predictor
        self._reading_store = reading_store
        self._limits = limits

    def assess(self, station: Station, reading: GaugeReading) -> GaugeReading:
        """The reading with its quality flag.

        Raises:
            ReadingRejectedError: if it cannot be a water level at all.
        """
        self._reject_if_late(reading)
        self._reject_if_out_of_range(station, reading)
        recent = self._recent_readings(station, reading)
        if recent and self._is_spike(recent[-1], reading):
            raise ReadingRejectedError(
                station.code, reading.measured_at, RejectionReason.SPIKE
            )
        if self._is_flatline(recent, reading):
            return reading.flagged(QualityFlag.BAD)
        if self._battery_is_low(reading):
            return reading.flagged(QualityFlag.SUSPECT)
        return reading.flagged(QualityFlag.GOOD)

    def _reject_if_late(self, reading: GaugeReading) -> None:
        latest = self._reading_store.latest_reading(reading.station_code)
        if latest is not None and reading.measured_at <= latest.measured_at:
            raise ReadingRejectedError(
                reading.station_code, reading.measured_at, RejectionReason.OUT_OF_ORDER
            )

    def _reject_if_out_of_range(self, station: Station, reading: GaugeReading) -> None:
        model = self._predictor.model_for(station.code)
        level = reading.water_level.referred_to(
            model.model_datum, station.datum_offsets
        )
        margin_m = self._limits.margin_beyond_tide_m
        lowest = model.lowest_possible_m() - margin_m
        highest = model.highest_possible_m() + margin_m
        if not lowest <= level.height_m <= highest:
            raise ReadingRejectedError(
                station.code, reading.measured_at, RejectionReason.OUT_OF_RANGE
            )

    def _recent_readings(
        self, station: Station, reading: GaugeReading
    ) -> Sequence[GaugeReading]:
        interval = timedelta(minutes=station.sampling_minutes)
        window = interval * self._limits.flatline_readings
        return self._reading_store.readings_between(
            station.code, reading.measured_at - window, reading.measured_at
        )

    def _is_spike(self, previous: GaugeReading, reading: GaugeReading) -> bool:
        elapsed = reading.measured_at - previous.measured_at
        minutes = elapsed / timedelta(minutes=1)
        change_m = abs(reading.water_level.minus(previous.water_level))
        return change_m > self._limits.steepest_rise_m_per_minute * minutes

    def _is_flatline(
        self, recent: Sequence[GaugeReading], reading: GaugeReading
    ) -> bool:
        """Whether the gauge has repeated one height for a whole window."""
        if len(recent) < self._limits.flatline_readings - 1:
            return False
        height_m = reading.water_level.height_m
        return all(earlier.water_level.height_m == height_m for earlier in recent)

    def _battery_is_low(self, reading: GaugeReading) -> bool:
        volts = reading.battery_volts
        return volts is not None and volts < self._limits.lowest_battery_volts
