"""The whole chain, end to end: nothing lost, nothing invented, and every alarm as counted by hand."""

import json
import random
from datetime import UTC, datetime

import pytest

from tests.pipeline.brute_force import Alarm, surges
from tests.pipeline.conftest import Pipeline, wait_until

MALFORMED = "not an order line, {number}"


def milliseconds(time: str) -> int:
    return round(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000)


def test_every_alarm_is_the_one_that_counting_gives(pipeline: Pipeline, full: bool) -> None:
    """Surges of random size about the threshold, at 100 lines a second."""
    base, window, quiet, reminder = 100, 15, 5, 10
    draw = random.Random(1)
    planted = 20 if full else 3
    rule = {
        "surge_threshold": int(1.5 * base * window),
        "surge_quiet_seconds": quiet,
        "surge_reminder_seconds": reminder,
        # What is under test is the counting, not whether this machine keeps up.
        "analytics_lateness_ms": 5000,
    }
    pipeline.play("analytics", **rule)
    begin = pipeline.elapsed() + 45
    planned = [
        {"start": begin + 26 * number, "duration": 4, "factor": round(draw.uniform(2, 6), 2)}
        for number in range(planted)
    ]
    # One beyond doubt, so that there is an alarm to compare.
    planned[0]["factor"] = 6
    last = pipeline.last_alarm()
    pipeline.play(
        "generators", log_generator_lines_per_second=base, log_generator_surges=planned
    )
    wait_until(
        lambda: pipeline.elapsed() > planned[-1]["start"] + 4 + window + quiet + 2,
        "the planted surges",
        60 + 30 * planted,
    )
    end = pipeline.last_event_time()
    wait_until(lambda: pipeline.decided() > end, "the engine's last tick", 60)
    pipeline.play("generators", log_generator_lines_per_second=base, log_generator_surges=[])

    times = [milliseconds(line["EventTime"]) for line in pipeline.written()]
    expected = [
        alarm
        for alarm in surges(
            times, rule["surge_threshold"], window * 1000, quiet * 1000, reminder * 1000
        )
        if alarm.tick < milliseconds(end)
    ]
    assert [alarm.kind for alarm in expected].count("OPEN") >= 1

    def recorded() -> list[Alarm]:
        return [
            Alarm(row["kind"], milliseconds(row["alarm_creation_time"]), row["Number_of_orders"])
            for row in pipeline.alarms("order_surge", after=last)
        ]

    wait_until(lambda: len(recorded()) >= len(expected), "the last alarm's row", 30)
    assert recorded() == expected


def test_every_line_becomes_an_item(pipeline: Pipeline) -> None:
    """A minute at 1,000 lines a second; malformed lines among them are rejected, and only they."""
    rejected_before = pipeline.rejected()
    goal = pipeline.count_written() + 60_000
    pipeline.play("generators", log_generator_lines_per_second=1000, log_generator_surges=[])
    malformed = "".join(MALFORMED.format(number=number) + "\n" for number in range(50))
    host = pipeline.generators[0]
    pipeline.on(
        host,
        "sh",
        "-c",
        f"umask 027; printf %s '{malformed}' > /var/log/surgewatch/orders.log.malformed"
        " && chgrp surgewatch-logs /var/log/surgewatch/orders.log.malformed",
    )
    wait_until(lambda: pipeline.count_written() >= goal, "60,000 lines", 180)
    for name in pipeline.generators:
        pipeline.on(name, "systemctl", "stop", "surgewatch-log-generator")
    try:
        wait_until(lambda: pipeline.bytes_behind() == 0, "the agents", 60)
        written = {
            f"{line['InvoiceNo']}-{line['StockCode']}-{line['LineNo']}"
            for line in pipeline.written()
        }
        items = wait_until(
            lambda: (found if len(found := pipeline.items()) >= len(written) else None),
            "the last item",
            120,
        )
    finally:
        for name in pipeline.generators:
            pipeline.on(name, "systemctl", "start", "surgewatch-log-generator")
    assert items == written
    rejected = wait_until(
        lambda: (
            found if len(found := pipeline.rejected() - rejected_before) >= 50 else None
        ),
        "the rejected records",
        60,
    )
    assert len(rejected) == 50
