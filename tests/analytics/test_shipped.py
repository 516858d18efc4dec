"""The shipped rules over requests: a healthy shop is left in peace, and one that fails is not."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.offline.backtest import backtest
from analytics_engine.records.ticks import milliseconds, rfc3339
from analytics_engine.rules.files import HOME, load
from log_generator.record import client_address

START = 1_769_904_000_000
DAY = 86_400
SHIPPED = 2.9
"""Orders a minute at the shipped pace: a line a second, some 21 lines an order."""
PAGES = ("home", "product", "basket", "checkout")
CALLS = ("stock", "payment")
RETRIES = (0, 1, 3, 7, 15, 31, 63, 127)
"""Seconds after which a customer has tried again whose order failed."""


def visits(rate: float, seconds: float, outage: float, down: str) -> Iterator[tuple[float, dict]]:
    """Orders with the pages before them and the calls behind them, second by second.

    A healthy shop is at half its budget; from `outage` on the routes fail that are `down`.
    """
    rng = random.Random(f"{rate} {seconds} {down}")
    now, number = 0.0, 0
    while (now := now + rng.expovariate(rate / 60)) < seconds:
        number += 1
        customer = str(12_346 + rng.randrange(4_372)).encode() if rng.random() < 0.85 else b""
        address = client_address(customer, str(number).encode()).decode()
        visitor = "bot" if rng.random() < 0.03 else "user"

        def line(
            at: float, route: str, visitor: str = visitor, address: str = address, **given: object
        ) -> tuple[float, dict]:
            fails = (at >= outage and down in (route, "all")) or rng.random() < 0.0005
            status = 502 if fails else 404 if rng.random() < 0.01 else 200
            seconds = 0.9 if rng.random() < 0.002 else round(rng.uniform(0.002, 0.2), 3)
            asked = {
                "Service": "shop",
                "Direction": "in",
                "Route": route,
                "Visitor": visitor,
                "Status": status,
                "Seconds": seconds,
                "ClientIP": address,
            }
            return at, asked | given

        for page in PAGES:
            yield line(now + rng.random(), page)
        if visitor == "bot":
            continue
        for wait in RETRIES:
            order = line(now + 1 + wait, "order")
            for service in CALLS:
                calls = {"Direction": "out", "To": service, "ClientIP": ""}
                yield line(now + 1 + wait, "reservation", **calls)
            yield order
            if order[1]["Status"] < 500:
                break


def alarms(
    folder: Path, rate: float, seconds: float, outage: float = float("inf"), down: str = ""
) -> list[Alarm]:
    lines = sorted(visits(rate, seconds, outage, down), key=lambda line: line[0])
    with (folder / "access.log").open("w") as log:
        for number, (at, line) in enumerate(lines):
            moment = rfc3339(START + round(at * 1000))
            log.write(json.dumps({"EventTime": moment, "RequestId": str(number)} | line) + "\n")
    return backtest([folder / "access.log"], load(HOME / "rules.yml")).alarms


def seconds_until(found: list[Alarm], outage: float, *wanted: str) -> float:
    """From the outage to the first OPEN of a rule and scope."""
    first = next(a for a in found if a.kind == "OPEN" and [a.rule, a.scope] == list(wanted))
    return (milliseconds(first.event_time) - START) / 1000 - outage


@pytest.mark.parametrize(("rate", "days"), [(SHIPPED, 3), (60, 0.05), (600, 0.01)])
def test_a_healthy_shop_is_left_in_peace(
    tmp_path: Path, full: bool, rate: float, days: float
) -> None:
    assert alarms(tmp_path, rate, (10 if full else 1) * days * DAY) == []


def test_a_shop_that_is_down_wakes_somebody_at_the_shipped_pace(tmp_path: Path) -> None:
    outage = 7_200.0
    found = alarms(tmp_path, SHIPPED, outage + 900, outage, "all")
    assert {alarm.rule for alarm in found} >= {"route_down", "shop_availability"}
    critical = [a for a in found if a.rule == "shop_availability" and a.severity == "critical"]
    assert 0 < (milliseconds(critical[0].event_time) - START) / 1000 - outage <= 120
    assert 0 < seconds_until(found, outage, "route_down", "order") <= 60


def test_orders_that_fail_are_told_by_their_route_alone(tmp_path: Path) -> None:
    outage = 600.0
    found = alarms(tmp_path, SHIPPED, outage + 300, outage, "order")
    assert {a.scope for a in found if a.rule == "route_down"} == {"order"}
    assert 0 < seconds_until(found, outage, "route_down", "order") <= 90


def test_of_a_busy_shop_a_route_that_fails_is_told_within_seconds(tmp_path: Path) -> None:
    outage = 60.0
    found = alarms(tmp_path, 600, outage + 60, outage, "product")
    assert {a.scope for a in found if a.rule in ("route_fails", "route_down")} == {"product"}
    assert 0 < seconds_until(found, outage, "route_fails", "product") <= 5


def test_a_shop_that_nobody_reaches_is_silent(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    alarms(tmp_path, SHIPPED, 1_800)
    probe = {"Service": "shop", "Direction": "in", "Visitor": "probe", "Status": 200}
    with log.open("a") as file:
        for number in range(1_900, 3_000, 10):
            moment = {"EventTime": rfc3339(START + number * 1000), "RequestId": f"p{number}"}
            file.write(json.dumps(moment | probe) + "\n")
    found = backtest([log], load(HOME / "rules.yml")).alarms
    assert [(alarm.rule, alarm.kind) for alarm in found] == [("requests_silent", "OPEN")]
