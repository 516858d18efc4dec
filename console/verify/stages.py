"""The stages that test orders pass. Each looks once, and says what it found when it has all."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from console.verify import items
from console.verify.run import Run

Ask = Callable[..., list[dict[str, Any]]]


class Stage(Protocol):
    name: str

    def look(self) -> str | None:
        """What it found, once that is complete."""


class Stream:
    """The records on the stream, from where it ended before the run."""

    name = "stream"

    def __init__(self, kinesis: Any, iterators: Mapping[str, str], run: Run) -> None:
        self._kinesis, self._iterators, self._run = kinesis, dict(iterators), run
        self._delays: dict[str, float] = {}

    def look(self) -> str | None:
        for shard, iterator in list(self._iterators.items()):
            answer = self._kinesis.get_records(ShardIterator=iterator)
            self._iterators[shard] = answer.get("NextShardIterator") or iterator
            for record in answer["Records"]:
                self._take(record)
        if len(self._delays) < self._run.lines:
            return None
        slowest = max(self._delays.values())
        return f"{self._run.lines} records, each within {slowest:.2f} s of its line"

    def _take(self, record: Mapping[str, Any]) -> None:
        if self._run.invoice.encode() not in record["Data"]:
            return
        order = json.loads(record["Data"])
        if order["InvoiceNo"] == self._run.invoice:
            delay = record["ApproximateArrivalTimestamp"] - time_of(order["EventTime"])
            self._delays.setdefault(order["LineNo"], delay.total_seconds())


class Table:
    """The items in the order table."""

    name = "order table"

    def __init__(self, dynamodb: Any, table: str, run: Run) -> None:
        self._dynamodb, self._table, self._run = dynamodb, table, run

    def look(self) -> str | None:
        found = items.of_run(self._dynamodb, self._table, self._run)
        if len(found) < self._run.lines:
            return None
        written = max(time_of(item["EventTime"]["S"]) for item in found)
        waited = (datetime.now(UTC) - written).total_seconds()
        return f"{len(found)} items, seen {waited:.2f} s after the last line"


class History:
    """The alarm in the database."""

    name = "alarm"

    def __init__(self, ask: Ask, run: Run) -> None:
        self._ask, self._run = ask, run

    def look(self) -> str | None:
        for row in self._ask("list", scope=self._run.scope, test=True):
            if row["kind"] == "OPEN":
                waited = time_of(row["recorded_at"]) - time_of(row["alarm_creation_time"])
                return (
                    f"{row['Number_of_orders']} orders in {row['window_seconds']:g} s, "
                    f"recorded {waited.total_seconds():.2f} s later"
                )
        return None


class Notification:
    """The message in the queue that was subscribed for the run."""

    name = "notification"

    def __init__(self, sqs: Any, queue: str, run: Run) -> None:
        self._sqs, self._queue, self._run = sqs, queue, run

    def look(self) -> str | None:
        answer = self._sqs.receive_message(
            QueueUrl=self._queue, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        )
        for message in answer.get("Messages", ()):
            alarm = json.loads(message["Body"])
            if alarm.get("scope") == self._run.scope and alarm["kind"] == "OPEN":
                sent = datetime.fromtimestamp(
                    int(message["Attributes"]["SentTimestamp"]) / 1000, UTC
                )
                waited = sent - time_of(alarm["event_time"])
                return f"sent {waited.total_seconds():.2f} s after the alarm's time"
        return None


def time_of(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text)
