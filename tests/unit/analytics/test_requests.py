"""Rules over requests, from an access log to the alarm."""

import gzip
import json
from pathlib import Path

import pytest
from analytics_engine.offline.backtest import backtest
from analytics_engine.rules.files import HOME, Definitions, load

from tests.unit.analytics.conftest import time_of

STREAMS = """
surgewatch_streams:
  orders: {record: order, lateness_ms: 500}
  access: {record: access, lateness_ms: 500}
"""
RULES = """
rules:
  - name: checkout_slow
    source: access
    measure: share
    where: {column: Seconds, at_least: 0.8}
    among:
      - {column: Direction, equals: in}
      - {column: Route, equals: order}
      - {column: Visitor, equals: user}
    threshold: {percentile: 99}
    minimum_lines: 100
    window_seconds: 60
  - name: shop_availability
    source: access
    measure: burn
    objective: 0.999
    where: {column: Status, at_least: 500}
    among: [{column: Direction, equals: in}, {column: Visitor, equals: user}]
    group_by: Service
  - name: network_flood
    source: access
    measure: lines
    among: {column: Visitor, one_of: [user, bot]}
    group_by: {column: ClientIP, network: [24, 64]}
    threshold: 500
    window_seconds: 60
  - {name: order_surge, threshold: 30}
"""


@pytest.fixture
def definitions(tmp_path: Path) -> Definitions:
    (tmp_path / "streams.yml").write_text(STREAMS)
    (tmp_path / "rules.yml").write_text(RULES)
    return load(tmp_path / "rules.yml", records=HOME / "records", streams=tmp_path / "streams.yml")


def request(number: int, ms: int, **given: object) -> str:
    line = {
        "EventTime": time_of(ms),
        "RequestId": f"{number:032x}",
        "Service": "shop",
        "Direction": "in",
        "Route": "order",
        "Visitor": "user",
        "Status": 201,
        "Seconds": 0.1,
        "ClientIP": f"2001:db8:{number % 50000:x}::1",
    }
    return json.dumps(line | given) + "\n"


def said(path: Path, definitions: Definitions) -> list[tuple[str, str, str, str]]:
    replay = backtest([path], definitions)
    assert replay.left_out == {}
    return [(a.rule, a.kind, a.scope, a.unit) for a in replay.alarms]


def test_a_healthy_shop_is_left_in_peace(tmp_path: Path, definitions: Definitions) -> None:
    lines = [request(n, n * 200, Seconds=0.9 if n % 200 == 100 else 0.1) for n in range(3_000)]
    bots = [request(n, n * 200, Visitor="bot", Status=502, Seconds=2) for n in range(5_000, 6_000)]
    (tmp_path / "access.log").write_text("".join([*lines, *bots]))
    assert said(tmp_path / "access.log", definitions) == []


def test_one_request_more_than_the_percentile_allows_is_slow(
    tmp_path: Path, definitions: Definitions
) -> None:
    slow = [
        request(n, n * 200, Seconds=0.8 if n in (250, 260, 270, 280) else 0.1) for n in range(600)
    ]
    with gzip.open(tmp_path / "access.log.1.gz", "wt") as file:
        file.writelines(slow)
    found = said(tmp_path / "access.log.1.gz", definitions)
    assert found == [
        ("checkout_slow", "OPEN", "", "share"),
        ("checkout_slow", "CLOSE", "", "share"),
    ]


def test_failing_requests_burn_the_budget_of_their_service(
    tmp_path: Path, definitions: Definitions
) -> None:
    lines = [
        request(n, n * 500, Service=("shop", "stock")[n % 2], Status=502 if n % 20 == 1 else 200)
        for n in range(1_200)
    ]
    calls = [request(n, n * 10, Direction="out", Status=502) for n in range(5_000, 5_100)]
    (tmp_path / "access.log").write_text("".join([*lines, *calls]))
    found = said(tmp_path / "access.log", definitions)
    assert {(rule, scope) for rule, _, scope, _ in found} == {("shop_availability", "stock")}


def test_a_network_floods_though_each_address_asks_once(
    tmp_path: Path, definitions: Definitions
) -> None:
    lines = [request(n, n * 100, ClientIP=f"203.0.113.{n % 256}", Route="home") for n in range(550)]
    (tmp_path / "access.log").write_text("".join(lines))
    found = said(tmp_path / "access.log", definitions)
    assert [(rule, scope) for rule, _, scope, _ in found] == [
        ("network_flood", "203.0.113.0/24")
    ] * 2
