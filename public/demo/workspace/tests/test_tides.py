"""Predictions, datums and surge against values that can be worked out by hand."""

from __future__ import annotations

import unittest
from datetime import timedelta

from tests.network import (
    MORNING,
    SAMPLING,
    chart_height,
    network_service,
    simulated_reading,
)
from tidewatch.constituents import (
    REFERENCE_EPOCH,
    HarmonicConstituent,
    HarmonicModel,
)
from tidewatch.datum import Datum, DatumOffsets, WaterLevel
from tidewatch.errors import (
    DatumMismatchError,
    NoReadingError,
    PredictionWindowError,
    UnknownStationError,
)
from tidewatch.prediction import LONGEST_WINDOW, ExtremeKind, TidePredictor


class PredictionTest(unittest.TestCase):
    """A tide of one constituent turns when its cosine does."""

    def setUp(self) -> None:
        solar = HarmonicConstituent("S2", amplitude_m=1.5, phase_lag_deg=90.0)
        self.predictor = TidePredictor([HarmonicModel("TEST", 2.0, (solar,))])

    def test_crest_follows_the_phase_lag(self) -> None:
        crest = REFERENCE_EPOCH + timedelta(hours=3)
        level = self.predictor.predicted_level("TEST", crest)
        self.assertAlmostEqual(level.height_m, 3.5, places=9)
        self.assertAlmostEqual(self.predictor.rate_of_rise("TEST", crest), 0, places=9)

    def test_extremes_alternate_every_six_hours(self) -> None:
        extremes = list(
            self.predictor.extremes_between(
                "TEST", REFERENCE_EPOCH, REFERENCE_EPOCH + timedelta(days=1)
            )
        )
        kinds = [extreme.kind for extreme in extremes]
        self.assertEqual(kinds, [ExtremeKind.HIGH_WATER, ExtremeKind.LOW_WATER] * 2)
        gaps = [
            later.occurs_at - earlier.occurs_at
            for earlier, later in zip(extremes, extremes[1:])
        ]
        for gap in gaps:
            self.assertAlmostEqual(gap / timedelta(hours=1), 6.0, places=2)

    def test_impossible_windows_are_refused(self) -> None:
        for end in (REFERENCE_EPOCH, REFERENCE_EPOCH + 2 * LONGEST_WINDOW):
            with self.assertRaises(PredictionWindowError):
                list(self.predictor.extremes_between("TEST", REFERENCE_EPOCH, end))

    def test_a_station_without_a_model_is_unknown(self) -> None:
        with self.assertRaises(UnknownStationError):
            self.predictor.predicted_level("NONE", REFERENCE_EPOCH)


class DatumTest(unittest.TestCase):
    """Heights change with their datum, surfaces do not."""

    offsets = DatumOffsets(mean_sea_above_chart=2.0, national_above_chart=1.66)

    def test_there_and_back(self) -> None:
        chart = WaterLevel(3.0, Datum.CHART)
        national = chart.referred_to(Datum.NATIONAL, self.offsets)
        self.assertAlmostEqual(national.height_m, 1.34)
        back = national.referred_to(Datum.CHART, self.offsets)
        self.assertAlmostEqual(back.minus(chart), 0.0)

    def test_different_datums_do_not_mix(self) -> None:
        with self.assertRaises(DatumMismatchError):
            WaterLevel(1.0, Datum.CHART).minus(WaterLevel(1.0, Datum.MEAN_SEA))


class SurgeTest(unittest.TestCase):
    """A simulated surge is found again, whatever datum the gauge uses."""

    def test_residual_and_trend(self) -> None:
        service = network_service()
        for step in range(13):
            reading = simulated_reading(
                service, "CUXH", MORNING + step * SAMPLING, surge_m=0.02 * step
            )
            service.reading_store.append_reading(reading)
        estimate = service.analyzer.estimate_at("CUXH", MORNING + 12 * SAMPLING)
        self.assertAlmostEqual(estimate.residual_m, 0.24)
        self.assertAlmostEqual(estimate.trend_m_per_hour, 0.12)
        later = estimate.estimated_at + timedelta(hours=2)
        self.assertAlmostEqual(estimate.extrapolated_m(later), 0.48)

    def test_exceedance_depends_on_the_surge(self) -> None:
        for surge_m, expected in ((0.0, None), (1.0, ExtremeKind.HIGH_WATER)):
            service = network_service()
            reading = simulated_reading(service, "HELG", MORNING, surge_m)
            service.reading_store.append_reading(reading)
            extreme = service.analyzer.next_exceedance(
                "HELG",
                WaterLevel(3.5, Datum.CHART),
                MORNING,
                MORNING + timedelta(hours=26),
            )
            self.assertEqual(extreme and extreme.kind, expected)

    def test_without_readings_there_is_no_estimate(self) -> None:
        with self.assertRaises(NoReadingError):
            network_service().analyzer.estimate_at("HELG", MORNING)

    def test_simulation_agrees_with_the_prediction(self) -> None:
        service = network_service()
        reading = simulated_reading(service, "CUXH", MORNING)
        level = service.predictor.predicted_level("CUXH", MORNING)
        self.assertAlmostEqual(chart_height(service, reading), level.height_m)
