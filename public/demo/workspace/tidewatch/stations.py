"""Where the gauges stand, and the registry that knows them all."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tidewatch.datum import Datum, DatumOffsets
from tidewatch.errors import DuplicateStationError, UnknownStationError

EARTH_RADIUS_KM = 6371.0088


@dataclass(frozen=True, slots=True)
class GeoPosition:
    """A place in degrees, north and east positive."""

    latitude_deg: float
    longitude_deg: float

    def distance_km(self, other: GeoPosition) -> float:
        """Great-circle distance by the haversine formula."""
        lat_a, lat_b = map(math.radians, (self.latitude_deg, other.latitude_deg))
        delta_lat = lat_b - lat_a
        delta_lon = math.radians(other.longitude_deg - self.longitude_deg)
        chord = (
            math.sin(delta_lat / 2) ** 2
            + math.cos(lat_a) * math.cos(lat_b) * math.sin(delta_lon / 2) ** 2
        )
        return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(chord))


@dataclass(frozen=True, slots=True)
class Station:
    """A tide gauge and the levels its heights refer to."""

    code: str
    harbour_name: str
    position: GeoPosition
    datum_offsets: DatumOffsets
    native_datum: Datum = Datum.CHART
    sampling_minutes: int = 10
    decommissioned: bool = False


@dataclass(slots=True)
class StationRegistry:
    """All stations by code."""

    _by_code: dict[str, Station] = field(default_factory=dict)

    def enrol(self, station: Station) -> Station:
        """Add a station and return it.

        Raises:
            DuplicateStationError: if its code is taken.
        """
        if station.code in self._by_code:
            raise DuplicateStationError(station.code)
        self._by_code[station.code] = station
        return station

    def require(self, station_code: str) -> Station:
        """The station with this code.

        Raises:
            UnknownStationError: if there is none.
        """
        try:
            return self._by_code[station_code]
        except KeyError:
            raise UnknownStationError(station_code) from None

    def decommission(self, station_code: str) -> Station:
        """Mark a station as no longer measuring; its readings stay."""
        retired = replace(self.require(station_code), decommissioned=True)
        self._by_code[station_code] = retired
        return retired

    def active_stations(self) -> Iterator[Station]:
        """Stations that still measure, by code."""
        for code in sorted(self._by_code):
            station = self._by_code[code]
            if not station.decommissioned:
                yield station

    def nearest_to(self, position: GeoPosition, *, limit: int = 3) -> list[Station]:
        """The active stations closest to a place, nearest first."""
        return sorted(
            self.active_stations(),
            key=lambda station: station.position.distance_km(position),
        )[:limit]

    def __contains__(self, station_code: str) -> bool:
        return station_code in self._by_code

    def __len__(self) -> int:
        return len(self._by_code)
