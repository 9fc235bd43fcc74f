"""Configuration: a TOML file, checked on the way in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from tidewatch.alerts import DEFAULT_RULES, AlertLevel, AlertRule
from tidewatch.constituents import (
    CONSTITUENT_SPEEDS_DEG_PER_HOUR,
    HarmonicConstituent,
    HarmonicModel,
)
from tidewatch.datum import Datum, DatumOffsets
from tidewatch.errors import SettingsError
from tidewatch.quality import QualityLimits
from tidewatch.stations import GeoPosition, Station

DEFAULT_DATABASE = "tidewatch.sqlite"
DEFAULT_RETENTION_DAYS = 730


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the service needs to start."""

    stations: tuple[Station, ...]
    harmonic_models: tuple[HarmonicModel, ...]
    database_path: Path = Path(DEFAULT_DATABASE)
    retention: timedelta = timedelta(days=DEFAULT_RETENTION_DAYS)
    alert_rules: tuple[AlertRule, ...] = DEFAULT_RULES
    quality_limits: QualityLimits = QualityLimits()


def load_settings(path: Path) -> Settings:
    """Read a TOML file.

    Raises:
        SettingsError: if it is no TOML, or a key is missing or has an impossible value.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), str(error)) from error
    return settings_from(document)


def settings_from(document: Mapping[str, Any]) -> Settings:
    """Settings from a parsed document; see ``load_settings``."""
    tables = document.get("station", {})
    if not tables:
        raise SettingsError("station", "at least one station is needed")
    retention_days = document.get("retention_days", DEFAULT_RETENTION_DAYS)
    if not isinstance(retention_days, int) or retention_days < 1:
        raise SettingsError("retention_days", "must be a whole number of at least 1")
    return Settings(
        stations=tuple(_station(code, table) for code, table in tables.items()),
        harmonic_models=tuple(_model(code, table) for code, table in tables.items()),
        database_path=Path(document.get("database_path", DEFAULT_DATABASE)),
        retention=timedelta(days=retention_days),
        alert_rules=_alert_rules(document.get("alert", {})) or DEFAULT_RULES,
        quality_limits=_quality_limits(document.get("quality", {})),
    )


def _required(table: Mapping[str, Any], section: str, key: str) -> Any:
    if key not in table:
        raise SettingsError(f"{section}.{key}", "is missing")
    return table[key]


def _station(code: str, table: Mapping[str, Any]) -> Station:
    section = f"station.{code}"
    return Station(
        code=code,
        harbour_name=_required(table, section, "harbour_name"),
        position=GeoPosition(
            latitude_deg=_required(table, section, "latitude_deg"),
            longitude_deg=_required(table, section, "longitude_deg"),
        ),
        datum_offsets=DatumOffsets(
            mean_sea_above_chart=_required(table, section, "mean_sea_above_chart"),
            national_above_chart=_required(table, section, "national_above_chart"),
        ),
        native_datum=Datum.from_code(table.get("native_datum", Datum.CHART.value)),
        sampling_minutes=table.get("sampling_minutes", 10),
    )


def _model(code: str, table: Mapping[str, Any]) -> HarmonicModel:
    section = f"station.{code}.constituents"
    parts = []
    for name, values in table.get("constituents", {}).items():
        if name not in CONSTITUENT_SPEEDS_DEG_PER_HOUR:
            raise SettingsError(f"{section}.{name}", "is no known constituent")
        try:
            amplitude_m, phase_lag_deg = map(float, values)
        except (TypeError, ValueError):
            problem = "must be an amplitude and a phase lag"
            raise SettingsError(f"{section}.{name}", problem) from None
        parts.append(HarmonicConstituent(name, amplitude_m, phase_lag_deg))
    if not parts:
        raise SettingsError(section, "at least one constituent is needed")
    return HarmonicModel(code, table.get("mean_level_m", 0.0), tuple(parts))


def _quality_limits(table: Mapping[str, Any]) -> QualityLimits:
    try:
        return QualityLimits(**table)
    except TypeError as error:
        raise SettingsError("quality", str(error)) from error


def _alert_rules(table: Mapping[str, Any]) -> tuple[AlertRule, ...]:
    rules = []
    for name, threshold_m in table.items():
        try:
            level = AlertLevel[name.upper()]
        except KeyError:
            raise SettingsError(f"alert.{name}", "is no alert level") from None
        rules.append(AlertRule(level, threshold_m=threshold_m))
    return tuple(rules)
