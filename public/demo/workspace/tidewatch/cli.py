"""The command line: ``python3 -m tidewatch.cli --settings network.toml COMMAND``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timezone
from pathlib import Path
from typing import TextIO

from tidewatch.errors import TidewatchError
from tidewatch.reports import to_csv
from tidewatch.service import TidewatchService, open_service
from tidewatch.settings import load_settings
from tidewatch.stations import GeoPosition

EXIT_OK = 0
EXIT_FAILURE = 1


def build_parser() -> argparse.ArgumentParser:
    """The arguments and commands."""
    parser = argparse.ArgumentParser(prog="tidewatch", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="TOML file")
    commands = parser.add_subparsers(dest="command", required=True)

    ingest = commands.add_parser("ingest", help="take in telegrams from a file")
    ingest.add_argument("telegrams", type=Path, help="one telegram a line")

    tides = commands.add_parser("tides", help="high and low waters of the coming day")
    tides.add_argument("station_code")

    summary = commands.add_parser("summary", help="one day of all stations, as CSV")
    summary.add_argument("day", type=date.fromisoformat)

    nearest = commands.add_parser("nearest", help="the gauges nearest to a place")
    nearest.add_argument("latitude_deg", type=float)
    nearest.add_argument("longitude_deg", type=float)
    return parser


def run_ingest(
    service: TidewatchService, telegrams: Iterable[str], out: TextIO
) -> None:
    """Take in telegrams and print what became of them."""
    report = service.ingest(telegrams)
    print(f"{report.accepted} of {report.total_lines} lines accepted", file=out)
    for reason, count in report.rejections.most_common():
        print(f"  {count} refused: {reason.value}", file=out)
    for alert in service.alert_desk.alerts_in_force():
        print(f"  {alert.station_code}: {alert.level.name}", file=out)
    now = service.clock.now_utc()
    for gauge in service.silent_gauges():
        print(f"  {gauge.station_code} silent for {gauge.silent_for(now)}", file=out)


def run_tides(service: TidewatchService, station_code: str, out: TextIO) -> None:
    """Print the coming high and low waters of a station."""
    print(service.registry.require(station_code).harbour_name, file=out)
    for extreme in service.upcoming_extremes(station_code):
        moment, level = extreme.occurs_at, extreme.predicted_level
        print(f"{moment:%d %b %H:%M}  {extreme.kind.value:<10}  {level}", file=out)


def run_summary(service: TidewatchService, day: date, out: TextIO) -> None:
    """Print one day of every station as CSV."""
    midnight = datetime.combine(day, time.min, tzinfo=timezone.utc)
    out.write(to_csv(service.summaries_for(midnight)))


def run_nearest(service: TidewatchService, position: GeoPosition, out: TextIO) -> None:
    """Print the stations nearest to a place, with their distances."""
    for station in service.registry.nearest_to(position):
        distance_km = station.position.distance_km(position)
        print(f"{station.code}  {station.harbour_name}  {distance_km:.0f} km", file=out)


def main(arguments: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Run one command and return the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        service = open_service(load_settings(options.settings))
        match options.command:
            case "ingest":
                with options.telegrams.open(errors="replace") as telegrams:
                    run_ingest(service, telegrams, out)
            case "tides":
                run_tides(service, options.station_code, out)
            case "summary":
                run_summary(service, options.day, out)
            case "nearest":
                position = GeoPosition(options.latitude_deg, options.longitude_deg)
                run_nearest(service, position, out)
    except (TidewatchError, OSError) as error:
        print(f"tidewatch: {error}", file=sys.stderr)
        return EXIT_FAILURE
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
