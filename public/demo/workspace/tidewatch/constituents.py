"""Harmonic constituents: the tide at a place as a sum of cosines.

Each constituent turns at a speed fixed by the motions of Earth, Moon and Sun; its
amplitude and phase lag are fitted for each station. Phase lags here are relative to
``REFERENCE_EPOCH`` and include the equilibrium argument of that moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from tidewatch.datum import Datum

REFERENCE_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)

CONSTITUENT_SPEEDS_DEG_PER_HOUR: dict[str, float] = {
    "M2": 28.9841042,
    "S2": 30.0,
    "N2": 28.4397295,
    "K2": 30.0821373,
    "K1": 15.0410686,
    "O1": 13.9430356,
    "P1": 14.9589314,
    "M4": 57.9682084,
    "MS4": 58.9841042,
}


@dataclass(frozen=True, slots=True)
class HarmonicConstituent:
    """One cosine of a station's tide."""

    name: str
    amplitude_m: float
    phase_lag_deg: float

    @property
    def speed_rad_per_hour(self) -> float:
        """Angular speed, from the table of constituents.

        Raises:
            KeyError: if the table has no constituent of this name.
        """
        return math.radians(CONSTITUENT_SPEEDS_DEG_PER_HOUR[self.name])

    def angle_at(self, hours: float) -> float:
        """Argument of the cosine, ``hours`` after the reference epoch."""
        return self.speed_rad_per_hour * hours - math.radians(self.phase_lag_deg)

    def height_at(self, hours: float) -> float:
        """Its part of the height, in metres."""
        return self.amplitude_m * math.cos(self.angle_at(hours))

    def rate_at(self, hours: float) -> float:
        """Its part of the rate of rise, in metres an hour."""
        speed = self.speed_rad_per_hour
        return -self.amplitude_m * speed * math.sin(self.angle_at(hours))


@dataclass(frozen=True, slots=True)
class HarmonicModel:
    """Everything needed to predict the tide at one station."""

    station_code: str
    mean_level_m: float
    constituents: tuple[HarmonicConstituent, ...]
    model_datum: Datum = Datum.CHART

    def highest_possible_m(self) -> float:
        """Mean level with every constituent at its crest: a bound, never exceeded."""
        return self.mean_level_m + total_amplitude(self.constituents)

    def lowest_possible_m(self) -> float:
        """Mean level with every constituent at its trough."""
        return self.mean_level_m - total_amplitude(self.constituents)

    def is_diurnal(self) -> bool:
        """Whether one tide a day dominates, by the form number F > 3."""
        amplitude = {part.name: part.amplitude_m for part in self.constituents}
        daily = amplitude.get("K1", 0.0) + amplitude.get("O1", 0.0)
        half_daily = amplitude.get("M2", 0.0) + amplitude.get("S2", 0.0)
        return daily > 3.0 * half_daily


def total_amplitude(constituents: Iterable[HarmonicConstituent]) -> float:
    """Sum of the amplitudes, in metres."""
    return sum(part.amplitude_m for part in constituents)


def hours_since_epoch(moment: datetime) -> float:
    """Hours from the reference epoch to ``moment``; negative before it."""
    return (moment - REFERENCE_EPOCH) / timedelta(hours=1)
