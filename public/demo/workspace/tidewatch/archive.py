"""Readings in SQLite: what the service uses in operation."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

from tidewatch.datum import Datum, WaterLevel
from tidewatch.readings import GaugeReading, QualityFlag

SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (
    station_code  TEXT    NOT NULL,
    measured_at   INTEGER NOT NULL,
    height_m      REAL    NOT NULL,
    datum         TEXT    NOT NULL,
    battery_volts REAL,
    quality_flag  INTEGER NOT NULL,
    PRIMARY KEY (station_code, measured_at)
) WITHOUT ROWID
"""

COLUMNS = "station_code, measured_at, height_m, datum, battery_volts, quality_flag"


class SqliteReadingStore:
    """A reading store in one database file; moments are kept to the second."""

    def __init__(self, database: Path | str) -> None:
        self._connection = sqlite3.connect(database)
        with self._connection:
            self._connection.execute(SCHEMA)

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        self._connection.close()

    def append_reading(self, reading: GaugeReading) -> None:
        """Keep a reading; one of the same station and moment is replaced."""
        row = (
            reading.station_code,
            _to_seconds(reading.measured_at),
            reading.water_level.height_m,
            reading.water_level.datum.value,
            reading.battery_volts,
            int(reading.quality_flag),
        )
        with self._connection:
            self._connection.execute(
                f"INSERT OR REPLACE INTO reading ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )

    def latest_reading(self, station_code: str) -> GaugeReading | None:
        """The newest reading of a station."""
        query = (
            f"SELECT {COLUMNS} FROM reading WHERE station_code = ? "
            "ORDER BY measured_at DESC LIMIT 1"
        )
        with closing(self._connection.execute(query, (station_code,))) as cursor:
            row = cursor.fetchone()
        return _to_reading(row) if row else None

    def readings_between(
        self, station_code: str, start: datetime, end: datetime
    ) -> Sequence[GaugeReading]:
        """Readings with ``start <= measured_at < end``, oldest first."""
        query = (
            f"SELECT {COLUMNS} FROM reading WHERE station_code = ? "
            "AND measured_at >= ? AND measured_at < ? ORDER BY measured_at"
        )
        bounds = (station_code, _to_seconds(start), _to_seconds(end))
        with closing(self._connection.execute(query, bounds)) as cursor:
            return [_to_reading(row) for row in cursor]

    def purge_before(self, moment: datetime) -> int:
        """Delete readings older than ``moment``; returns how many there were."""
        with self._connection:
            cursor = self._connection.execute(
                "DELETE FROM reading WHERE measured_at < ?", (_to_seconds(moment),)
            )
        return cursor.rowcount


def _to_seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _to_reading(row: tuple) -> GaugeReading:
    station_code, seconds, height_m, datum_code, battery_volts, flag = row
    return GaugeReading(
        station_code=station_code,
        measured_at=datetime.fromtimestamp(seconds, tz=timezone.utc),
        water_level=WaterLevel(height_m, Datum.from_code(datum_code)),
        battery_volts=battery_volts,
        quality_flag=QualityFlag(flag),
    )
