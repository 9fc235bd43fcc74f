"""Every failure that a caller of Tidewatch may want to tell apart."""

from __future__ import annotations

import enum
from datetime import datetime


class RejectionReason(enum.StrEnum):
    """Why a reading was not taken into the archive."""

    OUT_OF_RANGE = "out_of_range"
    SPIKE = "spike"
    FLATLINE = "flatline"
    OUT_OF_ORDER = "out_of_order"
    SENSOR_FAULT = "sensor_fault"


class TidewatchError(Exception):
    """Base class: catch this one to catch them all."""


class UnknownStationError(TidewatchError):
    """A station code that the registry does not hold."""

    def __init__(self, station_code: str) -> None:
        super().__init__(f"no station is registered under {station_code!r}")
        self.station_code = station_code


class DuplicateStationError(TidewatchError):
    """A station code that is taken already."""

    def __init__(self, station_code: str) -> None:
        super().__init__(f"station {station_code!r} is registered already")
        self.station_code = station_code


class DatumMismatchError(TidewatchError):
    """Two heights were combined that refer to different levels."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"expected a height above {expected}, got one above {found}")
        self.expected = expected
        self.found = found


class ReadingRejectedError(TidewatchError):
    """Quality control refused a reading."""

    def __init__(
        self, station_code: str, measured_at: datetime, reason: RejectionReason
    ) -> None:
        super().__init__(f"{station_code} at {measured_at.isoformat()}: {reason.value}")
        self.station_code = station_code
        self.measured_at = measured_at
        self.reason = reason


class MalformedTelegramError(TidewatchError):
    """A line from a gauge that does not follow the telegram format."""

    def __init__(self, line: str, problem: str) -> None:
        super().__init__(f"{problem}: {line!r}")
        self.line = line
        self.problem = problem


class NoReadingError(TidewatchError):
    """A station has no reading where one is needed."""

    def __init__(self, station_code: str, moment: datetime) -> None:
        super().__init__(f"{station_code} has no reading near {moment.isoformat()}")
        self.station_code = station_code
        self.moment = moment


class PredictionWindowError(TidewatchError):
    """A span of time too long, or empty, for a prediction."""

    def __init__(self, start: datetime, end: datetime, problem: str) -> None:
        super().__init__(f"{start.isoformat()} to {end.isoformat()}: {problem}")
        self.start = start
        self.end = end


class SettingsError(TidewatchError):
    """A configuration key with a missing or impossible value."""

    def __init__(self, key: str, problem: str) -> None:
        super().__init__(f"setting {key}: {problem}")
        self.key = key
        self.problem = problem
