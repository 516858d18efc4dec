"""The whole chain, end to end: nothing lost, nothing invented, every alarm as counted by hand."""

import random
from bisect import bisect_left
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles

import pytest

from console.alarms import Row
from tests.pipeline.brute_force import Alarm, surges
from tests.pipeline.conftest import Pipeline, milliseconds, wait_until

BASE = 100  # lines a second
WINDOW, QUIET, REMINDER = 15, 5, 10  # seconds


def test_every_alarm_is_the_one_that_counting_gives(
    pipeline: Pipeline, full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Surges of random size about the threshold, found by the engine and by brute force."""
    threshold = int(1.5 * BASE * WINDOW)
    pipeline.play(
        "analytics",
        surge_threshold=threshold,
        surge_quiet_seconds=QUIET,
        surge_reminder_seconds=REMINDER,
    )
    pipeline.play("generators", log_generator_lines_per_second=BASE, log_generator_surges=[])
    began = pipeline.decided()
    last = pipeline.last_alarm()

    draw = random.Random(1)
    first = pipeline.elapsed() + 60
    planned = [
        # The first one is beyond doubt, so that there is an incident to compare.
        {
            "start": first + 26 * number,
            "duration": 4,
            "factor": round(draw.uniform(2, 6), 2) if number else 6,
        }
        for number in range(20 if full else 3)
    ]
    pipeline.play("generators", log_generator_lines_per_second=BASE, log_generator_surges=planned)
    over = planned[-1]["start"] + planned[-1]["duration"] + WINDOW + QUIET + 2
    wait_until(lambda: pipeline.elapsed() > over, "the planted surges", 120 + over - first)
    ended = milliseconds(pipeline.written()[-1]["EventTime"])
    wait_until(lambda: pipeline.decided() > ended, "the engine's last tick", 60)

    arrived = pipeline.arrived()
    lines = [times for times in arrived.values() if times[0] >= began - WINDOW * 1000]
    counted = surges(lines, threshold, WINDOW * 1000, QUIET * 1000, REMINDER * 1000)
    expected = [alarm for alarm in counted if began <= alarm.tick <= ended]
    assert "OPEN" in [alarm.kind for alarm in expected]

    def rows() -> list[Row]:
        return [
            row
            for row in pipeline.alarms("order_surge", after=last)
            if row["kind"] != "CORRECTION"
            and not row["late"]
            and began <= milliseconds(row["alarm_creation_time"]) <= ended
        ]

    def announced() -> list[Row] | None:
        found = rows()
        return found if len(found) >= len(expected) and found[-1]["notified_at"] else None

    recorded = wait_until(announced, "the last alarm's announcement", 30)
    assert [
        Alarm(row["kind"], milliseconds(row["alarm_creation_time"]), row["Number_of_orders"])
        for row in recorded
    ] == expected

    delays = seconds_to_announce(recorded, sorted(time for time, _ in lines))
    *_, p99 = cuts = quantiles(delays, n=100, method="inclusive")
    with capsys.disabled():
        print(
            f"\nlog line to notification, {len(delays)} alarms at {BASE} lines/s: "
            f"p50 {cuts[49]:.2f} s, p99 {p99:.2f} s"
        )


def seconds_to_announce(rows: list[Row], times: list[int]) -> list[float]:
    """From the last line that made a tick hot, to the mark that its alarm was announced."""
    delays = []
    for row in rows:
        if row["kind"] != "CLOSE":  # what closes an incident is that no line came
            last = times[bisect_left(times, milliseconds(row["alarm_creation_time"])) - 1]
            delays.append((milliseconds(row["notified_at"]) - last) / 1000)
    return delays


def test_every_line_becomes_an_item(pipeline: Pipeline, full: bool) -> None:
    """A minute at 1,000 lines and 500 requests a second.

    Only the malformed records among the lines are rejected. In the long form each unit is killed
    once meanwhile. That each request was counted is seen to in `test_requests`.
    """
    rejected_before = pipeline.rejected()
    goal = pipeline.count_written() + 60_000
    pipeline.play("generators", log_generator_lines_per_second=1000, log_generator_surges=[])
    # Put beside the agents: the log is the generator's, which takes up what others write.
    pipeline.stack.client("kinesis").put_records(
        StreamName=pipeline.stack["surgewatch_streams"]["orders"]["name"],
        Records=[
            {"Data": f"not an order line, {number}\n".encode(), "PartitionKey": str(number)}
            for number in range(50)
        ],
    )
    with ThreadPoolExecutor() as visitors:
        asked = [
            visitors.submit(pipeline.ask, name, "GET", "/", 60, 500 / len(pipeline.generators))
            for name in pipeline.generators
        ]
        if full:
            pipeline.kill_each_unit()
    assert all(one.result() > 0 for one in asked)
    wait_until(lambda: pipeline.count_written() >= goal, "60,000 lines", 300)
    with pipeline.without_orders():
        wait_until(lambda: pipeline.bytes_behind() == 0, "the agents", 60)
        written = {
            f"{line['InvoiceNo']}-{line['StockCode']}-{line['LineNo']}"
            for line in pipeline.written()
        }
        items = wait_until(
            lambda: found if len(found := pipeline.items()) >= len(written) else None,
            "the last item",
            120,
        )
    assert items == written
    rejected = wait_until(
        lambda: found if len(found := pipeline.rejected() - rejected_before) >= 50 else None,
        "the rejected records",
        60,
    )
    assert len(rejected) == 50
