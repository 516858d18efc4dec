"""A burn rate over a month: a healthy service wakes nobody, and an outage soon somebody."""

import json
import random
from pathlib import Path

import pytest
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.offline.backtest import backtest
from analytics_engine.records.ticks import milliseconds, rfc3339
from analytics_engine.rules.files import load

START = 1_769_904_000_000
MINUTE, DAY = 60_000, 86_400_000
RULE = (
    "rules: [{name: availability, measure: burn, objective: 0.999,"
    " where: {column: Country, equals: bad}, reminder_seconds: null}]"
)
MINUTES = {1: 13, 5: 4, 20: 2}
"""Until an outage is told at most, by requests a minute: ten bad ones must have come."""


def alarms(folder: Path, rate: float, days: int, outage: int | None = None) -> list[Alarm]:
    """Of a service at half its budget, that fails wholly from a moment (ms) on."""
    rng = random.Random(f"{rate} {outage}")
    now, count = 0.0, 0
    with (folder / "log").open("w") as log:
        while (now := now + rng.expovariate(rate) * MINUTE) < days * DAY:
            bad = rng.random() < 0.0005 if outage is None or now < outage else True
            line = {
                "InvoiceNo": str(count),
                "LineNo": "1",
                "Country": "bad" if bad else "good",
                "EventTime": rfc3339(START + int(now)),
            }
            log.write(json.dumps(line) + "\n")
            count += 1
    (folder / "rules.yml").write_text(RULE)
    return backtest([folder / "log"], load(folder / "rules.yml")).alarms


@pytest.mark.parametrize("rate", [0.2, 1, 5, 20, 100])
def test_a_healthy_service_wakes_nobody(tmp_path: Path, full: bool, rate: float) -> None:
    if not full and rate != 1:
        pytest.skip("One rate is enough without --full")
    found = alarms(tmp_path, rate, 30)
    assert [alarm.event_time for alarm in found if alarm.severity == "critical"] == []


@pytest.mark.parametrize("rate", MINUTES)
def test_an_outage_is_told_soon(tmp_path: Path, rate: float) -> None:
    outage = 3 * 3_600_000
    found = alarms(tmp_path, rate, 1, outage)
    opened = next(a for a in found if a.kind == "OPEN" and a.severity == "critical")
    assert START + outage < milliseconds(opened.event_time)
    assert milliseconds(opened.event_time) - START - outage <= MINUTES[rate] * MINUTE
