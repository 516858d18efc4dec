"""What a day or a month amounts to, from the minutes that the function alarm_reader tells."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from analytics_engine.records.buckets import percentile

from console import alarms
from console.errors import ConsoleError
from console.stack import Stack

PERCENTS = (50, 95, 99)


@dataclass
class Route:
    """What users asked of a route of a service. Times in milliseconds; None: unknown."""

    service: str
    route: str
    requests: int
    failed: int
    """Of these, those that were answered with 5xx."""
    refused: int
    """With 4xx; of which `aborted` went away before the answer (499)."""
    aborted: int
    bytes: int
    availability: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


@dataclass
class Budget:
    """What is left of an objective's budget in a month so far: 1 is all, below 0 is overspent."""

    rule: str
    scope: str
    objective: float
    availability: float
    left: float


@dataclass
class Report:
    """A day (`2026-11-29`) or a month (`2026-11`), in UTC. None: unknown, for there was nothing."""

    period: str
    requests: int
    failed: int
    availability: float | None
    routes: list[Route]
    budgets: list[Budget]
    """Of the month."""
    orders: int | None
    peak_minute: int | None
    """Orders in the busiest minute."""
    peak_hour: str | None
    """In which hour that was."""
    hosts: int | None
    """How many generator hosts that minute would have needed."""
    host_orders_per_second: float
    """What one is trusted with."""

    def json(self) -> dict[str, Any]:
        return asdict(self)


def days_of(period: str, today: date) -> list[date]:
    """The days of a month, or the one; up to today."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}(-\d{2})?", period):
            raise ValueError
        whole_month = len(period) == len("2026-11")
        first = date.fromisoformat(f"{period}-01" if whole_month else period)
    except ValueError:
        raise ConsoleError(
            f"{period} is neither a day (2026-11-29) nor a month (2026-11)."
        ) from None
    after = first + timedelta(days=1)
    if whole_month:
        after = (first + timedelta(days=31)).replace(day=1)
    count = (min(after, today + timedelta(days=1)) - first).days
    return [first + timedelta(days=number) for number in range(count)]


def report(stack: Stack, period: str, today: date | None = None) -> Report:
    """Ask for a period, day by day: so much the function answers in its time."""
    today = today or datetime.now(UTC).date()
    counts: dict[tuple[str, str], Counter[str]] = {}
    histograms: dict[tuple[str, str], Counter[int]] = {}
    hours: list[alarms.Row] = []
    for day in days_of(period, today):
        for row in alarms.ask(stack, "requests", day=str(day)):
            key = (row.pop("service"), row.pop("route"))
            counts.setdefault(key, Counter()).update(row)
        for row in alarms.ask(stack, "latency", day=str(day)):
            key = (row["service"], row["route"])
            histograms.setdefault(key, Counter())[row["bucket"]] += row["requests"]
        hours += alarms.ask(stack, "orders", day=str(day))
    routes = [_route(key, counts[key], histograms.get(key, Counter())) for key in sorted(counts)]
    budgets = [
        Budget(row["rule"], row["scope"], row["objective"], row["availability"], row["left_share"])
        for row in alarms.ask(stack, "budget", month=period[: len("2026-11")])
    ]
    requests = sum(one.requests for one in routes)
    failed = sum(one.failed for one in routes)
    per_second = float(stack["surgewatch_host_orders_per_second"])
    busiest = max(hours, key=lambda hour: hour["peak_minute"], default=None)
    peak = busiest and busiest["peak_minute"]
    return Report(
        period,
        requests,
        failed,
        _share(requests, failed),
        routes,
        budgets,
        sum(hour["orders"] for hour in hours) if hours else None,
        peak,
        busiest and busiest["hour"],
        None if peak is None else max(math.ceil(peak / 60 / per_second), 1),
        per_second,
    )


def _route(key: tuple[str, str], counts: Counter[str], histogram: Counter[int]) -> Route:
    return Route(
        *key,
        counts["requests"],
        counts["status_5xx"],
        counts["status_4xx"],
        counts["status_499"],
        counts["bytes"],
        _share(counts["requests"], counts["status_5xx"]),
        *(percentile(histogram, percent) for percent in PERCENTS),
    )


def _share(requests: int, failed: int) -> float | None:
    """Where nobody asked, whether it was there is unknown: that is not 100 %."""
    return 1 - failed / requests if requests else None


def sentences(report: Report) -> list[str]:
    """The report on lines, for people."""
    lines = [
        f"{report.period} (UTC)",
        f"Requests of users  {report.requests:,}, availability {_percent(report.availability)}",
    ]
    if report.routes:
        lines += _table(
            [("service", "route", "requests", "available", *(f"p{p}" for p in PERCENTS))]
            + [
                (
                    one.service,
                    one.route,
                    f"{one.requests:,}",
                    _percent(one.availability),
                    *(_time(ms) for ms in (one.p50_ms, one.p95_ms, one.p99_ms)),
                )
                for one in report.routes
            ]
        )
    if not report.budgets:
        lines.append("Error budgets      unknown: no request counted for an objective")
    for budget in report.budgets:
        scope = f" {budget.scope}" if budget.scope else ""
        lines.append(
            f"Error budget       {budget.rule}{scope}: {_percent(budget.left)} of the month's left"
            f" (objective {_percent(budget.objective)}, so far {_percent(budget.availability)})"
        )
    return lines + _orders(report)


def _orders(report: Report) -> list[str]:
    if report.orders is None or report.peak_minute is None or report.peak_hour is None:
        return ["Orders             unknown"]
    hour = report.peak_hour.replace("T", " ")[:16]
    hosts = "1 host" if report.hosts == 1 else f"{report.hosts} hosts"
    return [
        f"Orders             {report.orders:,}, at most {report.peak_minute:,} in a minute"
        f" (in the hour from {hour})",
        f"Hosts              {hosts} would have done, each trusted with"
        f" {report.host_orders_per_second:g} orders a second",
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Two columns of text, the others of numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  "
        + "  ".join(
            text.ljust(width) if number < 2 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _percent(share: float | None) -> str:
    """As much as is needed to tell 99.99 % from 100 %: never rounded up to all."""
    if share is None:
        return "unknown"
    number = f"{math.floor(share * 100_000 + 1e-6) / 1000:.3f}"
    return f"{number.rstrip('0').rstrip('.')} %"


def _time(ms: float | None) -> str:
    if ms is None:
        return "unknown"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.2f} s"
