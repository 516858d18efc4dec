"""Show the last alarms, or what a month's alarms amount to."""

import argparse
import json
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from analytics_engine.offline.report import amount

from console import alarms
from console import stack as stacks
from console.stack import Stack
from console.terminal import out

USES_STACK = True
POLL_SECONDS = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    mode.add_argument("--summary", metavar="MONTH", help="a month's busiest hours, as 2026-11")
    parser.add_argument("--source", help="only those of this stream, e.g. access")
    parser.add_argument("--json", action="store_true", help="one object a line, for programs")


def run(options: argparse.Namespace) -> int:
    stack = stacks.load()
    if options.summary:
        rows = alarms.ask(stack, "summary", month=options.summary)
        return _show_json(rows) if options.json else _show_summary(rows)
    wanted = {"source": options.source} if options.source else {}
    rows = follow(stack, **wanted) if options.follow else iter(alarms.ask(stack, "list", **wanted))
    for row in rows:
        out.print(json.dumps(row) if options.json else alarms.sentence(row))
    return 0


def follow(stack: Stack, **wanted: str) -> Iterator[dict[str, Any]]:
    """The last alarms, and those that come, in the order they were recorded; never ends."""
    rows = alarms.ask(stack, "list", **wanted)
    last = 0
    while True:
        for row in rows:
            last = row["id"]
            yield row
        time.sleep(POLL_SECONDS)
        rows = alarms.ask(stack, "list", after=last, **wanted)


def _show_json(rows: list[dict[str, Any]]) -> int:
    for row in rows:
        print(json.dumps(row))
    return 0


def _show_summary(rows: list[dict[str, Any]]) -> int:
    """A line an hour and rule, and a sum for each rule."""
    if not rows:
        out.print("No alarm in that month.")
    rows = sorted(rows, key=lambda row: (row["rule"], row["hour"]))
    for rule, hours in groupby(rows, key=lambda row: row["rule"]):
        hours = list(hours)
        out.print(rule, style="bold")
        for row in hours:
            out.print(f"  {row['hour'].replace('T', ' ')[:16]}  {_amounts([row])}")
        out.print(f"  {'whole month':<16}  {_amounts(hours)}\n")
    return 0


def _amounts(rows: list[dict[str, Any]]) -> str:
    incidents = sum(row["incidents"] for row in rows)
    worst = min if rows[0]["below"] else max
    return (
        f"{incidents:>6} {'incident ' if incidents == 1 else 'incidents'}"
        f"{sum(row['minutes_in_alarm'] for row in rows):>9.1f} minutes in alarm"
        f"   peak {amount(worst(row['peak'] for row in rows))}"
    )
