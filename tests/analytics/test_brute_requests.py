"""Of requests, too, the embedded engine says what brute force says, however the stream is read."""

import math
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.records.ticks import milliseconds
from analytics_engine.records.where import Where
from analytics_engine.rules.rule import Network, Percentile, Rule

from tests.analytics.brute import Brute, BruteBurn, Said, known, lines_of
from tests.analytics.streams import REQUESTS, SERVICES, START, Asked, Drive, requests

END = START + 400_000
IN, USER = Where("Direction", equals="in"), Where("Visitor", equals="user")
FAILS, SLOW = Where("Status", at_least=500), Where("Seconds", at_least=0.8)
ORDER = Where("Route", one_of=["order", "home"])
RULES = [
    Rule(
        "fails",
        0.3,
        measure="share",
        where=FAILS,
        among=[IN, USER],
        group_by="Route",
        minimum_lines=4,
        window_seconds=5,
        quiet_seconds=10,
        reminder_seconds=3,
    ),
    Rule(
        "slow",
        Percentile(75),
        measure="share",
        where=SLOW,
        among=[IN, ORDER],
        minimum_lines=3,
        window_seconds=4,
        quiet_seconds=6,
        reminder_seconds=2,
    ),
    Rule(
        "addresses",
        3,
        measure="distinct",
        column="ClientIP",
        where=Where("Status", equals="404"),
        among=IN,
        window_seconds=3,
        quiet_seconds=5,
        reminder_seconds=4,
    ),
    Rule(
        "network",
        5,
        among=IN,
        group_by=Network("ClientIP", (24, 64)),
        window_seconds=3,
        quiet_seconds=4,
        reminder_seconds=4,
    ),
    Rule(
        "slowest",
        1.5,
        measure="highest",
        column="Seconds",
        among=USER,
        group_by="Service",
        window_seconds=2,
        quiet_seconds=5,
        reminder_seconds=3,
    ),
]


def number(put: Asked, column: str) -> float:
    try:
        return float(put.line.get(column, ""))
    except ValueError:
        return math.nan


def is_in(put: Asked) -> bool:
    return put.line["Direction"] == "in"


def is_user(put: Asked) -> bool:
    return put.line.get("Visitor") == "user"


def fails(put: Asked) -> bool:
    return number(put, "Status") >= 500


def is_slow(put: Asked) -> bool:
    return number(put, "Seconds") >= 0.8


def share(test: Callable[[Asked], bool]) -> Callable[[Sequence[Asked]], float]:
    return lambda puts: sum(map(test, puts)) / len(puts)


def third_quartile_is_slow(puts: Sequence[Asked]) -> bool:
    ranked = sorted(map(is_slow, puts))  # as their seconds do; some have none, and are not slow
    return len(puts) >= 3 and ranked[math.ceil(0.75 * len(ranked)) - 1]


def network(put: Asked) -> str:
    if (text := known(put.line.get("ClientIP", ""))) == "unknown":
        return text
    address = ip_address(text)
    address = getattr(address, "ipv4_mapped", None) or address
    return str(ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))


BRUTE: dict[str, dict[str, Any]] = {
    "fails": {
        "scope": lambda put: put.line.get("Route", ""),
        "counted": lambda put: is_in(put) and is_user(put),
        "value": share(fails),
        "hot": lambda puts: len(puts) >= 4 and 10 * sum(map(fails, puts)) >= 3 * len(puts),
    },
    "slow": {
        "counted": lambda put: is_in(put) and put.line.get("Route") in ("order", "home"),
        "value": share(is_slow),
        "hot": third_quartile_is_slow,
    },
    "addresses": {
        "counted": lambda put: is_in(put) and number(put, "Status") == 404,
        "value": lambda puts: len({known(put.line.get("ClientIP", "")) for put in puts}),
    },
    "network": {"scope": network, "counted": is_in},
    "slowest": {
        "scope": lambda put: put.line["Service"],
        "counted": lambda put: is_user(put) and not math.isnan(number(put, "Seconds")),
        "value": lambda puts: max(number(put, "Seconds") for put in puts),
    },
}


def expected(puts: Sequence[Asked]) -> list[Said]:
    found = []
    for rule in RULES:
        numbers = (rule.threshold, rule.window_seconds, rule.quiet_seconds, rule.reminder_seconds)
        found += Brute(rule.name, *numbers, **BRUTE[rule.name]).alarms(puts, END)
    return sorted(found)


@pytest.mark.parametrize("late", [False, True], ids=["on time", "with late lines"])
def test_live_and_from_a_backlog(late: bool, full: bool) -> None:
    seen: set[tuple[str, bool]] = set()
    for seed in range(200 if full else 20):
        puts = requests(seed, late)
        wanted = expected(puts)
        assert Drive(RULES, puts, seed, source=REQUESTS).run(END) == wanted, seed
        assert Drive(RULES, puts, seed, source=REQUESTS).backlog(END) == wanted, seed
        seen |= {(said.kind, said.late) for said in wanted}
    assert {"OPEN", "REMINDER", "CLOSE"} <= {kind for kind, _ in seen}
    assert (("CORRECTION", False) in seen) == late
    assert (("OPEN", True) in seen) == late


@pytest.mark.parametrize("late", [False, True], ids=["on time", "with late lines"])
def test_crashes(late: bool, full: bool, tmp_path) -> None:
    for seed in range(200 if full else 5):
        puts = requests(seed, late)
        drive = Drive(RULES, puts, seed, str(tmp_path / f"{seed}.db"), REQUESTS)
        assert drive.run(END, crashes=0.1) == expected(puts), seed


BURN = Rule(
    "burn",
    measure="burn",
    objective=0.95,
    where=FAILS,
    among=[IN, USER],
    minimum_bad=3,
    group_by="Service",
    reminder_seconds=3600,
)
LEAP = 3 * 3_600_000


def burnt(puts: Sequence[Asked], end_ms: int) -> list[tuple]:
    found = []
    for service in SERVICES:
        lines = [
            (line.own, line.effective, fails(line.put))
            for line in lines_of(puts, lambda put: "", lambda put: True)
            if line.put.line["Service"] == service and is_in(line.put) and is_user(line.put)
        ]
        if lines:
            said = BruteBurn(lines, 0.95, 3).said(600, 36_000, (end_ms - 500) // 100)
            found += [(service, *one) for one in said]
    return sorted(found)


def told(alarms: Sequence[Alarm]) -> list[tuple]:
    names = ("threshold", "window_seconds", "severity", "order_count", "value")
    said = {(alarm.incident_id, alarm.sequence): alarm for alarm in alarms}
    return sorted(
        (
            alarm.scope,
            alarm.kind,
            milliseconds(alarm.event_time) // 100,
            *(getattr(alarm, name) for name in names),
        )
        for alarm in said.values()
    )


@pytest.mark.parametrize("late", [False, True], ids=["on time", "with late lines"])
def test_burn_rates(late: bool, full: bool, tmp_path) -> None:
    """Live, from a backlog and through crashes; hours pass between bursts."""
    seen = set()
    for seed in range(200 if full else 3):
        puts = requests(seed, late, LEAP)
        end = puts[-1].put_ms + 8 * 3_600_000
        wanted = burnt(puts, end)
        live, backlog = (Drive([BURN], puts, seed, source=REQUESTS) for _ in range(2))
        killed = Drive([BURN], puts, seed, str(tmp_path / f"{seed}.db"), REQUESTS)
        live.run(end)
        backlog.backlog(end)
        killed.run(end, crashes=0.1)
        for drive in (live, backlog, killed):
            assert told(drive.alarms) == wanted, seed
        seen |= {(kind, severity) for _, kind, _, _, _, severity, *_ in wanted}
    assert {kind for kind, _ in seen} == {"OPEN", "REMINDER", "CLOSE"}
    assert {severity for _, severity in seen} == {"critical", "warning"}
