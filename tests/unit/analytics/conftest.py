"""Streams of order lines, made by hand, and an engine to feed them to."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.engine import Engine
from analytics_engine.records import kind
from analytics_engine.records.kind import Source
from analytics_engine.records.ticks import rfc3339
from analytics_engine.rules.files import HOME
from analytics_engine.rules.reference import Reference
from analytics_engine.rules.rule import Rule
from analytics_engine.service.store import Store

START = 1_769_860_800_000
"""2026-01-31T12:00:00Z, in milliseconds."""
ORDERS = Source(kind.load(HOME / "records")["order"], 500)
"""What stands on the order stream."""


def time_of(ms: int) -> str:
    """Milliseconds after START as an EventTime."""
    return rfc3339(START + ms)


@dataclass
class Put:
    """A record: an order line, and when it was put, in milliseconds after START."""

    put_ms: int
    time_ms: int
    invoice: str
    line: int = 1
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def arrival(self) -> float:
        return (START + self.put_ms) / 1000

    @property
    def data(self) -> bytes:
        order = {
            "InvoiceNo": self.invoice,
            "StockCode": "85123A",
            "Country": "France",
            "ClientIP": "192.0.2.1",
            "LineNo": str(self.line),
            "EventTime": time_of(self.time_ms),
        }
        return json.dumps(order | self.columns).encode() + b"\n"


def puts(
    times_ms: Iterable[int], invoice: str = "I", delay_ms: int = 100, **columns: str
) -> list[Put]:
    """Lines of one invoice at these times, each put some time later."""
    return [
        Put(time + delay_ms, time, invoice, number, columns)
        for number, time in enumerate(times_ms, 1)
    ]


class Driven:
    """An engine with one shard or more, driven by hand."""

    def __init__(
        self,
        rules: Sequence[Rule],
        shards: int = 1,
        references: dict[str, Reference] | None = None,
        path: Path | str = ":memory:",
    ) -> None:
        self.store = Store(path)
        self.restart()
        self.change(rules, references or {})
        self.alarms: list[Alarm] = []
        for number in range(shards):
            self.engine.open_shard(str(number))

    def change(self, rules: Sequence[Rule], references: dict[str, Reference]) -> None:
        """Take other rules."""
        self.engine.change(ORDERS, rules, references)

    def save(self) -> None:
        """Save what a restart begins with."""
        self.store.save({"orders": self.engine})

    def restart(self) -> Engine:
        """Begin again from what was saved."""
        self.engine = self.store.engine("orders", ORDERS)
        return self.engine

    def put(self, records: Sequence[Put], shard: int = 0) -> list[Alarm]:
        """Read records, in the order of their arrival."""
        records = sorted(records, key=lambda record: record.put_ms)
        self.engine.read(str(shard), "0", records)
        return self._advance()

    def idle(self, ms: int, shard: int = 0) -> list[Alarm]:
        """A request at that time found nothing."""
        self.engine.idle(str(shard), START + ms)
        return self._advance()

    def _advance(self) -> list[Alarm]:
        new = self.engine.advance()
        self.alarms += new
        return new


@pytest.fixture
def surge() -> Rule:
    return Rule("order_surge", 30)


@pytest.fixture
def driven(surge: Rule) -> Iterator[Driven]:
    made = Driven([surge])
    yield made
    made.store.close()
