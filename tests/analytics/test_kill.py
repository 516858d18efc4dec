"""The service on real streams: killed at any moment, while shards split and merge."""

import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from analytics_engine.rules.files import HOME

from tests.analytics.brute import Brute, Put, Said
from tests.analytics.streams import Asked

THRESHOLD, WINDOW, QUIET, REMINDER = 12, 2, 3, 2
RULES = f"""
rules:
  - name: order_surge
    threshold: {THRESHOLD}
    window_seconds: {WINDOW}
    quiet_seconds: {QUIET}
    reminder_seconds: {REMINDER}
  - name: fails
    source: access
    measure: share
    where: {{column: Status, at_least: 500}}
    threshold: 0.5
    minimum_lines: 3
    window_seconds: {WINDOW}
    quiet_seconds: {QUIET}
    reminder_seconds: {REMINDER}
"""


class Chain:
    """Orders and requests, alarms, and the engine's process between them."""

    def __init__(self, region, folder, name: str) -> None:
        self.kinesis = region.client("kinesis")
        self.environment = region.environment
        self.orders, self.access, self.alarms = (
            f"{stream}-{name}" for stream in ("orders", "access", "alarms")
        )
        for stream, shards in ((self.orders, 2), (self.access, 2), (self.alarms, 1)):
            self.kinesis.create_stream(StreamName=stream, ShardCount=shards)
            self.active(stream)
        (folder / "rules.yml").write_text(RULES)
        self.state = folder / "state"
        self.config = folder / "analytics.json"
        self.config.write_text(
            json.dumps(
                {
                    "streams": {
                        "orders": {"name": self.orders, "record": "order", "lateness_ms": 500},
                        "access": {"name": self.access, "record": "access", "lateness_ms": 500},
                    },
                    "alarms_stream": self.alarms,
                    "records": str(HOME / "records"),
                    "rules": str(folder / "rules.yml"),
                    "state_directory": str(self.state),
                    "polls_per_second": 20,
                }
            )
        )
        self.process: subprocess.Popen | None = None

    def active(self, stream: str) -> None:
        deadline = time.monotonic() + 10
        while self._describe(stream)["StreamStatus"] != "ACTIVE":
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _describe(self, stream: str) -> dict:
        return self.kinesis.describe_stream(StreamName=stream)["StreamDescription"]

    def start(self) -> None:
        command = [sys.executable, "-m", "analytics_engine", "run", "--config", str(self.config)]
        self.process = subprocess.Popen(command, env=self.environment)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def put(self, first: int, count: int) -> int:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        numbers = range(first, first + count)
        self._put(
            self.orders,
            [
                {"InvoiceNo": f"I{number // 5}", "LineNo": str(number), "EventTime": now}
                for number in numbers
            ],
        )
        self._put(
            self.access,
            [
                {
                    "RequestId": str(number),
                    "Service": "shop",
                    "Status": 502 if number // 10 % 3 == 0 else 200,
                    "EventTime": now,
                }
                for number in numbers
            ],
        )
        return first + count

    def _put(self, stream: str, lines: list[dict]) -> None:
        records = [
            {"Data": json.dumps(line).encode() + b"\n", "PartitionKey": str(list(line.values()))}
            for line in lines
        ]
        self.kinesis.put_records(StreamName=stream, Records=records)

    def open_shards(self) -> list[dict]:
        shards = self._describe(self.orders)["Shards"]
        return [one for one in shards if "EndingSequenceNumber" not in one["SequenceNumberRange"]]

    def split(self) -> None:
        shard = self.open_shards()[0]
        keys = shard["HashKeyRange"]
        middle = (int(keys["StartingHashKey"]) + int(keys["EndingHashKey"])) // 2
        self.kinesis.split_shard(
            StreamName=self.orders, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(middle)
        )
        self.active(self.orders)

    def merge(self) -> None:
        first, second = sorted(
            self.open_shards(), key=lambda one: int(one["HashKeyRange"]["StartingHashKey"])
        )[:2]
        self.kinesis.merge_shards(
            StreamName=self.orders,
            ShardToMerge=first["ShardId"],
            AdjacentShardToMerge=second["ShardId"],
        )
        self.active(self.orders)

    def records(self, stream: str):
        """Shard, arrival in milliseconds, and content of all that is on a stream."""
        for shard in self._describe(stream)["Shards"]:
            iterator = self.kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                answer = self.kinesis.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    arrival = record["ApproximateArrivalTimestamp"].timestamp()
                    yield shard["ShardId"], round(arrival * 1000), json.loads(record["Data"])
                iterator = answer.get("NextShardIterator") if answer["Records"] else None

    def said(self) -> list[Said]:
        alarms = [alarm for _, _, alarm in self.records(self.alarms)]
        return sorted(
            {
                Said(
                    *(alarm[key] for key in ("incident_id", "sequence", "kind", "event_time")),
                    *(alarm[key] for key in ("order_count", "late", "peak", "total")),
                    *(alarm[key] for key in ("duration_seconds", "value")),
                )
                for alarm in alarms
            }
        )

    def wanted(self, end_ms: int) -> list[Said]:
        puts = [
            Put(shard, arrival, milliseconds(line["EventTime"]), line["InvoiceNo"], line["LineNo"])
            for shard, arrival, line in self.records(self.orders)
        ]
        asked = [
            Asked(shard, arrival, milliseconds(line["EventTime"]), line["RequestId"], line)
            for shard, arrival, line in self.records(self.access)
        ]
        surge = Brute("order_surge", THRESHOLD, WINDOW, QUIET, REMINDER)
        fails = Brute("fails", None, WINDOW, QUIET, REMINDER, value=share, hot=half_fail)
        return sorted(surge.alarms(puts, end_ms) + fails.alarms(asked, end_ms))


def share(puts) -> float:
    return sum(put.line["Status"] >= 500 for put in puts) / len(puts)


def half_fail(puts) -> bool:
    return len(puts) >= 3 and share(puts) >= 0.5


def milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.fixture
def chain(region, tmp_path):
    made = Chain(region, tmp_path, "killed")
    made.start()
    yield made
    made.kill()


def test_killed_at_random_moments_while_shards_split_and_merge(chain, full) -> None:
    rng = random.Random(1)
    kills = 20 if full else 4
    next_line = 1
    resharding = {kills // 4: chain.split, kills // 2: chain.split, 3 * kills // 4: chain.merge}
    for number in range(kills):
        until = time.monotonic() + rng.uniform(0.4, 1.6)
        while time.monotonic() < until:
            next_line = chain.put(next_line, rng.choice((1, 1, 2, 8)))
        resharding.get(number, lambda: None)()
        chain.kill()
        chain.start()
    end_ms = time.time() * 1000 + 1000 * (WINDOW + QUIET) + 500
    wanted = chain.wanted(int(end_ms))
    assert {said.kind for said in wanted} >= {"OPEN", "REMINDER", "CLOSE"}
    opened = {said.value >= THRESHOLD for said in wanted if said.kind == "OPEN"}
    assert opened == {True, False}  # of orders, and of requests
    deadline = time.monotonic() + 30
    while chain.said() != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert chain.said() == wanted
