"""Show what a day or a month amounts to: requests, times, error budgets, orders."""

import argparse
import json
from datetime import UTC, datetime

from console import minutes
from console import stack as stacks
from console.terminal import line, out

USES_STACK = True


def arguments(parser: argparse.ArgumentParser) -> None:
    period = parser.add_mutually_exclusive_group()
    period.add_argument("--day", metavar="DAY", help="as 2026-11-29, in UTC; default: today")
    period.add_argument("--month", metavar="MONTH", help="as 2026-11")
    parser.add_argument("--json", action="store_true", help="one object, for programs")


def run(options: argparse.Namespace) -> int:
    now = datetime.now(UTC)
    period = options.month or options.day or f"{now:%Y-%m-%d}"
    found = minutes.report(stacks.load(), period, now.date())
    if options.json:
        print(json.dumps(found.json()))
        return 0
    for sentence in minutes.sentences(found):
        out.print(line(sentence))
    return 0
