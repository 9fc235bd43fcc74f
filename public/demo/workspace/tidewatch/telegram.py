"""The gauges' telegrams: one line of text for each reading.

A line looks like ``$TGR,HELG,20260314T0620Z,CD,+2.413,12.6,0*CS``: the sender, the
station, the moment, the datum, the height in metres, the battery in volts (empty
where it is not measured), the sensor's status (0 is well), and a checksum: the
exclusive or of every byte between ``$`` and ``*``.
"""

from __future__ import annotations

from datetime import datetime, timezone
from functools import reduce
from operator import xor

from tidewatch.datum import Datum, WaterLevel
from tidewatch.errors import (
    MalformedTelegramError,
    ReadingRejectedError,
    RejectionReason,
)
from tidewatch.readings import GaugeReading

SENDER = "TGR"
FIELD_COUNT = 7
MOMENT_FORMAT = "%Y%m%dT%H%MZ"
SENSOR_OK = "0"


def checksum(payload: str) -> str:
    """Two upper-case hexadecimal digits that a payload must end with."""
    return f"{reduce(xor, payload.encode('ascii'), 0):02X}"


def parse_telegram(line: str) -> GaugeReading:
    """The reading a line stands for, not yet checked for quality.

    Raises:
        MalformedTelegramError: if the line does not follow the format.
        ReadingRejectedError: if the gauge itself reports a faulty sensor.
    """
    fields = _checked_fields(line)
    _, station_code, moment, datum_code, height, volts, sensor_status = fields
    try:
        measured_at = datetime.strptime(moment, MOMENT_FORMAT)
        measured_at = measured_at.replace(tzinfo=timezone.utc)
        water_level = WaterLevel(float(height), Datum.from_code(datum_code))
        battery_volts = float(volts) if volts else None
    except ValueError as error:
        raise MalformedTelegramError(line, str(error)) from error
    if sensor_status != SENSOR_OK:
        raise ReadingRejectedError(
            station_code, measured_at, RejectionReason.SENSOR_FAULT
        )
    return GaugeReading(station_code, measured_at, water_level, battery_volts)


def format_telegram(reading: GaugeReading) -> str:
    """The line a gauge would send for a reading."""
    volts = "" if reading.battery_volts is None else f"{reading.battery_volts:.1f}"
    payload = ",".join(
        (
            SENDER,
            reading.station_code,
            reading.measured_at.strftime(MOMENT_FORMAT),
            reading.water_level.datum.value,
            f"{reading.water_level.height_m:+.3f}",
            volts,
            SENSOR_OK,
        )
    )
    return f"${payload}*{checksum(payload)}"


def _checked_fields(line: str) -> list[str]:
    """The fields of a line whose frame, checksum and sender are right."""
    text = line.strip()
    if not text.isascii():
        raise MalformedTelegramError(line, "not ASCII")
    if not text.startswith("$") or text[-3:-2] != "*":
        raise MalformedTelegramError(line, "not framed by $ and *")
    payload, found = text[1:-3], text[-2:]
    if checksum(payload) != found.upper():
        raise MalformedTelegramError(line, f"checksum is {checksum(payload)}")
    fields = payload.split(",")
    if len(fields) != FIELD_COUNT:
        raise MalformedTelegramError(line, f"{len(fields)} fields, not {FIELD_COUNT}")
    if fields[0] != SENDER:
        raise MalformedTelegramError(line, f"unknown sender {fields[0]}")
    return fields
