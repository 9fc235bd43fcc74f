"""Vertical reference levels, and heights that know which one they refer to."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from tidewatch.errors import DatumMismatchError

METRES_PER_FOOT = 0.3048


class Datum(enum.Enum):
    """A level from which heights are counted."""

    CHART = "CD"
    MEAN_SEA = "MSL"
    NATIONAL = "ND"

    @classmethod
    def from_code(cls, code: str) -> Datum:
        """The datum for a code as gauges send it, in either case.

        Raises:
            ValueError: if there is no such datum.
        """
        return cls(code.strip().upper())


@dataclass(frozen=True, slots=True)
class DatumOffsets:
    """A station's reference levels, in metres above its chart datum."""

    mean_sea_above_chart: float
    national_above_chart: float

    def above_chart(self, datum: Datum) -> float:
        """Height of ``datum`` above chart datum, in metres."""
        if datum is Datum.MEAN_SEA:
            return self.mean_sea_above_chart
        if datum is Datum.NATIONAL:
            return self.national_above_chart
        return 0.0

    def shift_between(self, source: Datum, target: Datum) -> float:
        """What to add to a height above ``source`` to get one above ``target``."""
        return self.above_chart(source) - self.above_chart(target)


@dataclass(frozen=True, slots=True)
class WaterLevel:
    """A height of the water's surface, in metres above a datum."""

    height_m: float
    datum: Datum

    def referred_to(self, datum: Datum, offsets: DatumOffsets) -> WaterLevel:
        """The same surface, as a height above another datum."""
        if datum is self.datum:
            return self
        shift_m = offsets.shift_between(self.datum, datum)
        return WaterLevel(self.height_m + shift_m, datum)

    def raised_by(self, delta_m: float) -> WaterLevel:
        """A surface ``delta_m`` higher, above the same datum."""
        return WaterLevel(self.height_m + delta_m, self.datum)

    def minus(self, other: WaterLevel) -> float:
        """Metres by which this surface stands above ``other``.

        Raises:
            DatumMismatchError: if the two refer to different levels.
        """
        if other.datum is not self.datum:
            raise DatumMismatchError(self.datum.value, other.datum.value)
        return self.height_m - other.height_m

    def in_feet(self) -> float:
        """The height in international feet."""
        return self.height_m / METRES_PER_FOOT

    def __str__(self) -> str:
        return f"{self.height_m:.2f} m {self.datum.value}"
