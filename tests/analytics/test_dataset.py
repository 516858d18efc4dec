"""The whole data set at three speeds: both engines say what brute force says.

Needs SURGEWATCH_DATASET; without --full it takes a tenth, and leaves out Flink.
"""

import csv
import json
import lzma
import os
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from analytics_engine.offline.backtest import backtest
from analytics_engine.rules.rule import Rule

from tests.analytics.brute import Brute, Put, Said, rfc3339
from tests.analytics.flink import Flink
from tests.analytics.streams import ORDERS, START, over_orders, said


@pytest.fixture(scope="module")
def rows(full: bool) -> list[list[str]]:
    """Rows with the number of each line in its invoice."""
    path = os.environ.get("SURGEWATCH_DATASET")
    if not path:
        pytest.skip("SURGEWATCH_DATASET is not set")
    with lzma.open(path, "rt", encoding="latin-1", newline="") as file:
        found = list(csv.reader(file))[1:]
    numbers: Counter[str] = Counter()
    for row in found:
        numbers[row[0]] += 1
        row.append(str(numbers[row[0]]))
    return found if full else found[: len(found) // 10]


SPEEDS = [(20, 15, 60), (300, 15, 60), (5_000, 1, 2)]
"""Lines a second, window and quiet time in seconds."""


@dataclass(frozen=True)
class Replay:
    """The data set as recorded at one speed, and what is to be said of it."""

    log: Path
    rule: Rule
    wanted: list[Said]


@pytest.fixture(params=SPEEDS, ids=lambda speed: f"{speed[0]} a second")
def replay(request: pytest.FixtureRequest, rows: list[list[str]], tmp_path: Path) -> Replay:
    rate, window, quiet = request.param
    rng = random.Random(rate)
    puts, time_ms, now = [], START, float(START)
    pace = 1.0
    with (tmp_path / "orders.log").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, row in enumerate(rows):
            if number % (2 * window * rate) == 0:
                pace = rng.choice((0.5, 0.8, 1.0, 1.3, 2.0))
                now += rng.choice((0, 0, 5_000, 1_500 * quiet))
            now += 1000 / rate / pace
            time_ms = int(now)
            event_time = rfc3339(time_ms // 100)[:-3] + f"{time_ms % 100:02}Z"
            writer.writerow([*row, event_time, f"192.0.2.{number % 200}"])
            puts.append(Put(0, time_ms, time_ms, row[0], int(row[8])))
    threshold = int(1.2 * window * rate)
    rule = Rule("order_surge", threshold, window_seconds=window, quiet_seconds=quiet)
    brute = Brute("order_surge", threshold, window, quiet, 60)
    wanted = brute.alarms(puts, time_ms + 100_000)
    assert len(wanted) > 3
    return Replay(tmp_path / "orders.log", rule, wanted)


def test_the_engine_says_the_same(replay: Replay) -> None:
    alarms = backtest([replay.log], over_orders([replay.rule])).alarms
    assert sorted(map(said, alarms)) == replay.wanted


def test_flink_says_the_same(replay: Replay, flink: Flink) -> None:
    (flink.folder / "orders").mkdir()
    with replay.log.open(newline="") as log, (flink.folder / "orders/1.json").open("w") as out:
        for row in csv.reader(log):
            out.write(json.dumps(dict(zip(ORDERS.kind.columns, row, strict=True))) + "\n")
    rules = {"rules": [msgspec.to_builtins(replay.rule)]}
    (flink.folder / "rules.yml").write_text(json.dumps(rules))
    names = ("incident_id", "sequence", "kind", "event_time", "order_count")
    found = sorted(tuple(alarm[name] for name in names) for alarm in flink.alarms())
    assert found == [said[:5] for said in replay.wanted]
