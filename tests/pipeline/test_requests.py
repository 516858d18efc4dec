"""Requests, end to end: each is counted once, and the operator hears of those that fail."""

import json
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles

import pytest
import yaml

from console import minutes
from tests.pipeline.conftest import ADDRESSES, Pipeline, milliseconds, wait_until

RULES = Path(__file__).parents[2] / "analytics" / "rules.yml"
# Each address a group: many incidents of one outage, none of which knows of the others.
PROBE = {
    "name": "address_fails",
    "source": "access",
    "measure": "share",
    "where": {"column": "Status", "at_least": 500},
    "among": [{"column": "Direction", "equals": "in"}, {"column": "Route", "equals": "order"}],
    "group_by": "ClientIP",
    "threshold": 0.5,
    "minimum_lines": 3,
    "window_seconds": 10,
    "quiet_seconds": 10,
}


def requests(pipeline: Pipeline) -> list[dict]:
    """Every line of the access logs of all hosts."""
    found = []
    for host in pipeline.generators:
        text = pipeline.on(host, "sh", "-c", "cat /var/log/surgewatch/access.log*")
        found += [json.loads(line) for line in text.splitlines()]
    return found


def from_users(lines: list[dict]) -> list[dict]:
    return [one for one in lines if (one["Direction"], one["Visitor"]) == ("in", "user")]


def test_each_order_was_placed_before_its_lines_were_written(pipeline: Pipeline) -> None:
    """And the shop asked stock and payment for each, through the proxy that notes it."""
    written = pipeline.written()  # before the requests: more orders come meanwhile
    invoices = {line["InvoiceNo"] for line in written}
    lines = requests(pipeline)
    placed = [one for one in from_users(lines) if (one["Route"], one["Status"]) == ("order", 201)]
    assert len(placed) >= len(invoices) > 0
    for service in ("stock", "payment"):
        calls = [one for one in lines if (one["To"], one["Status"]) == (service, 200)]
        assert len(calls) >= len(placed)
    orders = {line["ClientIP"] for line in written}
    assert orders <= {one["ClientIP"] for one in placed}
    ids = [one["RequestId"] for one in lines]
    assert len(ids) == len(set(ids))


def test_each_request_is_counted_in_its_minute(pipeline: Pipeline) -> None:
    """What the access logs say of the days that they are of, the tables say, too.

    With a host that goes, so do its logs: `test_scaling` comes after.
    """
    for host in pipeline.generators:
        pipeline.ask(host, "GET", "/basket", 20, 20)
    with pipeline.without_orders():
        wait_until(lambda: pipeline.bytes_behind() == 0, "the agents", 60)

        def counted() -> bool:
            lines = from_users(requests(pipeline))
            days = sorted({one["EventTime"][:10] for one in lines})
            found = [minutes.report(pipeline.stack, day, datetime.now(UTC).date()) for day in days]
            return sum(one.requests for one in found) == len(lines)

        wait_until(counted, "as many requests as there are lines", 150)


def test_failing_requests_are_told_within_seconds(
    pipeline: Pipeline, full: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Payment fails: orders wait, and of each address that asked an incident is told at once."""
    rules = yaml.safe_load(RULES.read_text())["rules"]
    probing = tmp_path / "rules.yml"
    probing.write_text(yaml.safe_dump({"rules": [*rules, PROBE]}))
    pipeline.play("analytics", analytics_rules_file=str(probing))
    # At the shipped pace: else the orders of the moments before outnumber those that fail.
    pipeline.play("generators", log_generator_surges=[])
    host = pipeline.generators[0]
    last = pipeline.last_alarm()
    seconds = 120 if full else 30
    for name in pipeline.generators:
        pipeline.on(name, "systemctl", "stop", "surgewatch-shop-payment")
    try:
        asked = pipeline.ask(host, "POST", "/orders", seconds, 20)
        assert asked > 0
        wait_until(
            lambda: "502" in (pipeline.generator_state(host)["waiting"] or ""),
            "the generator's orders to wait",
            60,
        )
        down = wait_until(
            lambda: [
                row
                for row in pipeline.alarms("route_down", after=last)
                if row["scope"] == "order" and row["notified_at"]
            ],
            "the alarm of the route that is down",
            30,
        )
        assert down[0]["kind"] == "OPEN"
    finally:
        for name in pipeline.generators:
            pipeline.on(name, "systemctl", "start", "surgewatch-shop-payment")
    wait_until(lambda: pipeline.generator_state(host)["waiting"] is None, "orders again", 60)
    rows = [
        row
        for row in pipeline.alarms("address_fails", after=last)
        if row["kind"] == "OPEN" and row["notified_at"]
    ]
    assert len(rows) > ADDRESSES / 2
    failed = {}
    for one in requests(pipeline):
        if one["Status"] >= 500:
            failed.setdefault(one["ClientIP"], []).append(milliseconds(one["EventTime"]))
    delays = []
    for row in rows:
        tick = milliseconds(row["alarm_creation_time"])
        crossed = max(time for time in failed[row["scope"]] if time < tick)
        delays.append((milliseconds(row["notified_at"]) - crossed) / 1000)
    *_, p99 = cuts = quantiles(delays, n=100, method="inclusive")
    with capsys.disabled():
        print(
            f"\nfailing request to notification, {len(delays)} incidents: "
            f"p50 {cuts[49]:.2f} s, p99 {p99:.2f} s"
        )
