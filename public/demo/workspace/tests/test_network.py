"""Telegrams, quality control, alerts and the archive, through the whole service."""

from __future__ import annotations

import io
import unittest
from datetime import timedelta

from tests.network import MORNING, NETWORK, SAMPLING, network_service, simulated_reading
from tidewatch.alerts import AlertLevel
from tidewatch.archive import SqliteReadingStore
from tidewatch.cli import run_ingest, run_nearest, run_summary, run_tides
from tidewatch.clock import ManualClock
from tidewatch.errors import (
    MalformedTelegramError,
    RejectionReason,
    SettingsError,
)
from tidewatch.events import EventLog, Topic
from tidewatch.readings import QualityFlag
from tidewatch.settings import settings_from
from tidewatch.stations import GeoPosition
from tidewatch.telegram import format_telegram, parse_telegram


class TelegramTest(unittest.TestCase):
    """What is formatted can be parsed; what is altered cannot."""

    def test_round_trip(self) -> None:
        reading = simulated_reading(network_service(), "HELG", MORNING)
        parsed = parse_telegram(format_telegram(reading))
        self.assertEqual(parsed.measured_at, MORNING)
        difference_m = parsed.water_level.minus(reading.water_level)
        self.assertAlmostEqual(difference_m, 0, places=3)

    def test_an_altered_digit_fails_the_checksum(self) -> None:
        line = format_telegram(simulated_reading(network_service(), "HELG", MORNING))
        altered = line.replace("T0600Z", "T0610Z")
        with self.assertRaises(MalformedTelegramError):
            parse_telegram(altered)


class IngestTest(unittest.TestCase):
    """Readings are accepted, flagged, refused or dropped, and each is announced."""

    def setUp(self) -> None:
        self.clock = ManualClock(MORNING)
        self.service = network_service(self.clock)
        self.log = EventLog(self.service.bus)

    def line(self, step: int, surge_m: float = 0.0, volts: float = 12.6) -> str:
        """The telegram of the reading ``step`` samples after the morning."""
        moment = MORNING + step * SAMPLING
        reading = simulated_reading(self.service, "HELG", moment, surge_m, volts)
        return format_telegram(reading)

    def test_a_mixed_batch(self) -> None:
        report = self.service.ingest(
            [self.line(0), "", self.line(1, volts=10.1), self.line(2, surge_m=2.5)]
            + [self.line(1), "$TGR,HELG*00"]
        )
        self.assertEqual((report.accepted, report.dropped_lines), (2, 1))
        self.assertEqual(report.by_flag[QualityFlag.SUSPECT], 1)
        self.assertEqual(report.rejections[RejectionReason.SPIKE], 1)
        self.assertEqual(report.rejections[RejectionReason.OUT_OF_ORDER], 1)
        self.assertEqual(report.total_lines, 5)
        self.assertEqual(len(self.log.of_topic(Topic.TELEGRAM_DROPPED)), 1)

    def test_alerts_rise_and_clear_with_hysteresis(self) -> None:
        levels = []
        for step, surge_m in enumerate((0.1, 0.5, 0.9, 0.78, 0.5, 0.38, 0.1)):
            self.service.ingest([self.line(step, surge_m)])
            alert = self.service.alert_desk.alert_in_force("HELG")
            levels.append(alert and alert.level)
        notice, warning = AlertLevel.NOTICE, AlertLevel.WARNING
        self.assertEqual(levels, [None, notice, warning, warning, notice, notice, None])
        self.assertEqual(len(self.service.alert_log.of_topic(Topic.ALERT_RAISED)), 3)

    def test_a_silent_gauge_is_noticed_and_recovers(self) -> None:
        self.service.ingest([self.line(0)])
        self.clock.advance(timedelta(minutes=31))
        self.service.ingest([])
        (gauge,) = self.service.silent_gauges()
        self.assertEqual(gauge.silent_since, MORNING)
        self.service.ingest([self.line(4)])
        self.assertEqual(self.service.silent_gauges(), [])
        self.assertEqual(len(self.log.of_topic(Topic.GAUGE_RECOVERED)), 1)


class ArchiveTest(unittest.TestCase):
    """The database answers as the memory store does."""

    def test_it_keeps_replaces_and_purges(self) -> None:
        service = network_service()
        archive = SqliteReadingStore(":memory:")
        self.addCleanup(archive.close)
        for step in range(4):
            moment = MORNING + step * SAMPLING
            reading = simulated_reading(service, "CUXH", moment)
            archive.append_reading(reading)
            service.reading_store.append_reading(reading)
        archive.append_reading(reading.flagged(QualityFlag.GOOD))
        latest = archive.latest_reading("CUXH")
        self.assertEqual(latest, reading.flagged(QualityFlag.GOOD))
        span = ("CUXH", MORNING + SAMPLING, MORNING + 3 * SAMPLING)
        self.assertEqual(
            archive.readings_between(*span),
            service.reading_store.readings_between(*span),
        )
        self.assertEqual(archive.purge_before(MORNING + SAMPLING), 1)


class CommandTest(unittest.TestCase):
    """Commands print what the service knows."""

    def test_commands(self) -> None:
        service, out = network_service(), io.StringIO()
        lines = [
            format_telegram(simulated_reading(service, "HELG", MORNING + i * SAMPLING))
            for i in range(3)
        ]
        run_ingest(service, lines, out)
        run_tides(service, "CUXH", out)
        run_nearest(service, GeoPosition(53.9, 8.7), out)
        run_summary(service, MORNING.date(), out)
        text = out.getvalue()
        self.assertIn("3 of 3 lines accepted", text)
        self.assertEqual(text.count("high_water"), 2)
        self.assertLess(text.index("CUXH  Cuxhaven"), text.index("HELG  Helgoland"))
        self.assertIn("HELG,2026-03-14,", text)

    def test_settings_name_the_offending_key(self) -> None:
        for key, broken in (
            ("alert.panic", {"alert": {"panic": 1.0}}),
            ("retention_days", {"retention_days": 0}),
            ("quality", {"quality": {"tolerance": 1.0}}),
            ("station", {"station": {}}),
        ):
            with self.assertRaises(SettingsError) as caught:
                settings_from(NETWORK | broken)
            self.assertEqual(caught.exception.key, key)
