"""The astronomical tide: heights at a moment, high and low waters in a span."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidewatch.clock import ensure_utc, moments_between
from tidewatch.constituents import HarmonicModel, hours_since_epoch
from tidewatch.datum import WaterLevel
from tidewatch.errors import PredictionWindowError, UnknownStationError

LONGEST_WINDOW = timedelta(days=32)
SCAN_STEP = timedelta(minutes=20)
EXTREME_PRECISION = timedelta(seconds=1)


class ExtremeKind(enum.StrEnum):
    """Which way the tide turns."""

    HIGH_WATER = "high_water"
    LOW_WATER = "low_water"


@dataclass(frozen=True, slots=True)
class TideExtreme:
    """A moment at which the tide turns."""

    kind: ExtremeKind
    occurs_at: datetime
    predicted_level: WaterLevel


class TidePredictor:
    """Predicts from the harmonic models of many stations."""

    def __init__(self, models: Iterable[HarmonicModel]) -> None:
        self._models = {model.station_code: model for model in models}

    def model_for(self, station_code: str) -> HarmonicModel:
        """The station's harmonic model.

        Raises:
            UnknownStationError: if there is none.
        """
        try:
            return self._models[station_code]
        except KeyError:
            raise UnknownStationError(station_code) from None

    def predicted_level(self, station_code: str, moment: datetime) -> WaterLevel:
        """The astronomical water level at a moment, above the model's datum."""
        model = self.model_for(station_code)
        hours = hours_since_epoch(ensure_utc(moment))
        tide_m = sum(part.height_at(hours) for part in model.constituents)
        return WaterLevel(model.mean_level_m + tide_m, model.model_datum)

    def rate_of_rise(self, station_code: str, moment: datetime) -> float:
        """Metres an hour at a moment, positive while the tide comes in."""
        hours = hours_since_epoch(ensure_utc(moment))
        constituents = self.model_for(station_code).constituents
        return sum(part.rate_at(hours) for part in constituents)

    def extremes_between(
        self, station_code: str, start: datetime, end: datetime
    ) -> Iterator[TideExtreme]:
        """High and low waters in ``start..end``, in order of time.

        Raises:
            PredictionWindowError: if the span is empty or longer than
                ``LONGEST_WINDOW``.
        """
        check_window(start, end)
        rising = self.rate_of_rise(station_code, start) > 0
        previous = start
        for moment in moments_between(start + SCAN_STEP, end, SCAN_STEP):
            still_rising = self.rate_of_rise(station_code, moment) > 0
            if still_rising != rising:
                turn = self._find_turn(station_code, previous, moment)
                kind = ExtremeKind.HIGH_WATER if rising else ExtremeKind.LOW_WATER
                yield TideExtreme(kind, turn, self.predicted_level(station_code, turn))
                rising = still_rising
            previous = moment

    def _find_turn(
        self, station_code: str, before: datetime, after: datetime
    ) -> datetime:
        """Bisect the interval in which the rate of rise changes its sign."""
        rising = self.rate_of_rise(station_code, before) > 0
        while after - before > EXTREME_PRECISION:
            middle = before + (after - before) / 2
            if (self.rate_of_rise(station_code, middle) > 0) == rising:
                before = middle
            else:
                after = middle
        return before


def check_window(start: datetime, end: datetime) -> None:
    """Refuse a span that is empty or too long to scan."""
    if end <= start:
        raise PredictionWindowError(start, end, "the window is empty")
    if end - start > LONGEST_WINDOW:
        days = LONGEST_WINDOW.days
        raise PredictionWindowError(start, end, f"the window exceeds {days} days")
