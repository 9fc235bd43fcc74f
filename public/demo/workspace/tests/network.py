"""A small network with known tides, shared by the tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tidewatch.clock import ManualClock
from tidewatch.datum import Datum
from tidewatch.readings import GaugeReading, MemoryReadingStore
from tidewatch.service import TidewatchService
from tidewatch.settings import Settings, settings_from

MORNING = datetime(2026, 3, 14, 6, 0, tzinfo=timezone.utc)
SAMPLING = timedelta(minutes=10)

NETWORK = {
    "retention_days": 30,
    "alert": {"notice": 0.4, "warning": 0.8},
    "station": {
        "HELG": {
            "harbour_name": "Helgoland",
            "latitude_deg": 54.179,
            "longitude_deg": 7.890,
            "mean_sea_above_chart": 1.9,
            "national_above_chart": 1.88,
            "mean_level_m": 1.9,
            "constituents": {"M2": [1.1, 320.0], "S2": [0.28, 28.0]},
        },
        "CUXH": {
            "harbour_name": "Cuxhaven",
            "latitude_deg": 53.868,
            "longitude_deg": 8.717,
            "mean_sea_above_chart": 2.0,
            "national_above_chart": 1.66,
            "native_datum": "ND",
            "mean_level_m": 2.0,
            "constituents": {"M2": [1.38, 341.0], "S2": [0.36, 49.0]},
        },
    },
}


def network_settings() -> Settings:
    """Settings of the two stations."""
    return settings_from(NETWORK)


def network_service(clock: ManualClock | None = None) -> TidewatchService:
    """A service in memory; without a clock, time stands still in the morning."""
    return TidewatchService(
        network_settings(), MemoryReadingStore(), clock or ManualClock(MORNING)
    )


def simulated_reading(
    service: TidewatchService,
    station_code: str,
    moment: datetime,
    surge_m: float = 0.0,
    battery_volts: float | None = 12.6,
) -> GaugeReading:
    """What a perfect gauge would measure under a given surge."""
    level = service.predictor.predicted_level(station_code, moment).raised_by(surge_m)
    station = service.registry.require(station_code)
    native = level.referred_to(station.native_datum, station.datum_offsets)
    return GaugeReading(station_code, moment, native, battery_volts)


def chart_height(service: TidewatchService, reading: GaugeReading) -> float:
    """A reading's height above chart datum, in metres."""
    offsets = service.registry.require(reading.station_code).datum_offsets
    return reading.water_level.referred_to(Datum.CHART, offsets).height_m
