"""Several streams in one process: nobody waits for another's."""

import json
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from analytics_engine.rules.files import HOME
from analytics_engine.service import status
from analytics_engine.service.config import Config, InputStream
from analytics_engine.service.inputs import Inputs
from analytics_engine.service.loop import Service
from analytics_engine.service.streams import Answer, Record, Shard

RULES = """
rules:
  - {name: order_surge, threshold: 3, window_seconds: 1}
  - {name: visit_surge, source: visits, threshold: 3, window_seconds: 1}
"""
VISIT = """
name: visit
columns: {Page: text, When: text}
moment: {column: When}
unit: visits
"""
SHARD = "shardId-000000000000"
"""Both streams have one of that name."""


class Stream:
    """A stream of one shard in memory, which can be made to stand still."""

    interval = 0.01

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.flowing = threading.Event()
        self.flowing.set()
        self.read_from: list[str | None] = []

    def put(self, **columns: str) -> None:
        data = json.dumps(columns).encode()
        self.records.append(Record(data, time.time(), str(len(self.records))))

    def shards(self) -> list[Shard]:
        return [Shard(SHARD, [])]

    def read(self, shard: str, after: str | None) -> Answer:
        self.flowing.wait()
        self.read_from.append(after)
        return Answer(self.records[int(after or -1) + 1 :], "next", 0)

    def due(self, shard: str) -> float:
        return 0.0

    def forget(self) -> None:
        pass


class Sink:
    def __init__(self) -> None:
        self.alarms: list[dict] = []

    def put(self, alarms) -> int:
        self.alarms += [json.loads(alarm) for _, _, alarm in alarms]
        return alarms[-1][0]


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Stack:
    """A service between two streams and a sink."""

    def __init__(self, folder: Path) -> None:
        records = folder / "records"
        records.mkdir()
        (records / "order.yml").write_text((HOME / "records/order.yml").read_text())
        (records / "visit.yml").write_text(VISIT)
        self.rules = folder / "rules.yml"
        self.rules.write_text(RULES)
        streams = {
            "orders": InputStream(name="website-orders", record="order", lateness_ms=500),
            "visits": InputStream(name="website-visits", record="visit", lateness_ms=500),
        }
        self.config = Config(streams, "alarms", self.rules, records, folder / "state")
        self.orders, self.visits, self.sink = Stream(), Stream(), Sink()
        self.start()

    def start(self) -> None:
        sources = {"orders": self.orders, "visits": self.visits}
        self.service = Service(self.config, sources, self.sink, Inputs(self.config))
        self.service.step()

    def until(self, condition) -> None:
        deadline = time.monotonic() + 15
        while not condition():
            assert time.monotonic() < deadline, self.sink.alarms
            self.service.step()

    def opened(self) -> list[str]:
        return [alarm["rule"] for alarm in self.sink.alarms if alarm["kind"] == "OPEN"]

    def order(self, number: int) -> None:
        self.orders.put(InvoiceNo="1", LineNo=str(number), EventTime=now())


@pytest.fixture
def stack(tmp_path: Path):
    made = Stack(tmp_path)
    yield made
    for stream in (made.orders, made.visits):
        stream.flowing.set()


def test_each_stream_has_shards_time_and_lines_of_its_own(stack: Stack) -> None:
    for number in range(3):
        stack.order(number)
        stack.visits.put(Page="/", When=now())
    stack.until(lambda: len(stack.opened()) == 2)
    assert sorted(stack.opened()) == ["order_surge", "visit_surge"]
    units = {alarm["rule"]: alarm["unit"] for alarm in stack.sink.alarms}
    assert units == {"order_surge": "orders", "visit_surge": "visits"}


def test_a_stream_that_stands_still_holds_up_no_other(stack: Stack) -> None:
    stack.until(lambda: stack.service.followers["visits"].engine.decided > 0)
    stack.visits.flowing.clear()
    for number in range(3):
        stack.order(number)
    stack.until(lambda: stack.opened() == ["order_surge"])
    followers = stack.service.followers
    assert followers["visits"].engine.decided < followers["orders"].engine.decided
    for _ in range(3):
        stack.visits.put(Page="/", When=now())
    stack.visits.flowing.set()
    stack.until(lambda: stack.opened() == ["order_surge", "visit_surge"])


def test_status_names_the_stream_that_is_behind(stack: Stack, monkeypatch) -> None:
    stack.until(lambda: all(f.engine.decided for f in stack.service.followers.values()))
    stack.visits.flowing.clear()
    monkeypatch.setattr(status, "BEHIND_SECONDS", 1)
    directory = stack.config.state_directory

    def faults() -> list[str]:
        stack.service._save([])
        return status.faults(status.read(directory))

    stack.until(faults)
    assert [fault.partition(":")[0] for fault in faults()] == ["visits"]


def test_a_status_that_cannot_be_written_holds_up_no_alarm(stack: Stack) -> None:
    (stack.config.state_directory / f".{status.FILE}.new").mkdir()
    for number in range(3):
        stack.order(number)
    stack.until(lambda: stack.opened() == ["order_surge"])
    assert list(stack.service.errors) == ["status"]


def test_a_read_on_its_way_while_rules_change_is_not_taken_in(stack: Stack) -> None:
    """It is of a position that counts no more: what it skipped would never be counted."""
    stack.until(lambda: stack.service.followers["orders"].engine.decided > 0)
    stack.order(1)
    orders = stack.service.followers["orders"]
    stack.until(lambda: orders.engine.counts.records_read == 1)
    stack.orders.flowing.clear()
    stack.until(lambda: orders.reading is not None)
    stack.rules.write_text(RULES.replace("threshold: 3", "threshold: 2"))
    stack.service._inputs.look_again()
    stack.service.step()
    stack.order(2)
    stack.orders.flowing.set()
    stack.until(lambda: "order_surge" in stack.opened())
    assert stack.sink.alarms[0]["order_count"] == 2


def test_a_service_goes_on_by_what_was_in_force_though_the_rules_are_wrong(stack: Stack) -> None:
    stack.until(lambda: all(f.engine.decided for f in stack.service.followers.values()))
    stack.service.run(lambda: True)
    stack.rules.write_text("rules: [")
    stack.start()
    for number in range(3):
        stack.order(number)
    stack.until(lambda: stack.opened() == ["order_surge"])
    assert list(stack.service.errors) == ["rules"]
