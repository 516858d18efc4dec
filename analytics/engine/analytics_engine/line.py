"""Order lines as they stand on the stream, and the ticks in which event time is counted."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

TICK_MS = 100
SECOND = 1000 // TICK_MS
"""Ticks a second."""

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "Customer",
    "Country",
    "LineNo",
    "EventTime",
    "ClientIP",
)
IDENTITY = ("InvoiceNo", "LineNo")
"""A line counts once: repeats share these, hence also the EventTime."""
TOP_COLUMNS = ("Country", "StockCode", "ClientIP")
"""What an incident names the most frequent values of."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Bucket(msgspec.Struct, array_like=True, gc=False):
    """Lines that begin to count at one tick, column by column.

    `firsts` is None where that tick is each line's own; else it holds the own ticks (earlier ones
    of late lines). Lines of a verification run (`V…`) stand in buckets of their own.
    """

    tick: int
    test: bool
    columns: dict[str, Sequence[str]]
    firsts: list[int] | None = None

    def __len__(self) -> int:
        return len(self.columns["InvoiceNo"])

    def take(self, rows: Iterable[int], tick: int | None = None) -> "Bucket":
        """A bucket of some of the rows, at another tick if one is given."""
        rows = list(rows)
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        if tick is not None:
            return Bucket(tick, self.test, columns)
        firsts = self.firsts and [self.firsts[row] for row in rows]
        return Bucket(self.tick, self.test, columns, firsts)


def joined(buckets: Sequence[Bucket]) -> Bucket:
    """One bucket of the lines of several that have the same columns, at the first one's tick."""
    first = buckets[0]
    if len(buckets) == 1:
        return first
    columns = {
        name: [value for bucket in buckets for value in bucket.columns[name]]
        for name in first.columns
    }
    firsts = None
    if any(bucket.firsts for bucket in buckets):
        firsts = [tick for b in buckets for tick in (b.firsts or [b.tick] * len(b))]
    return Bucket(first.tick, first.test, columns, firsts)


def line_type(columns: Iterable[str]) -> type[msgspec.Struct]:
    """The struct that a record is decoded into: only what is needed, as decoding costs most."""
    required = (*IDENTITY, "EventTime")
    fields = [(name, str) for name in required]
    fields += [(name, str, "") for name in COLUMNS if name in columns and name not in required]
    return msgspec.defstruct("Line", fields, gc=False)


def milliseconds(event_time: str) -> int:
    """Milliseconds since the epoch; ValueError unless it is RFC 3339 with a zone."""
    moment = datetime.fromisoformat(event_time)
    if moment.tzinfo is None:
        raise ValueError(f"no zone in {event_time!r}")
    return (moment - _EPOCH) // _MILLISECOND


def first_tick(milliseconds: int) -> int:
    """The first tick at which an order of that time counts: the first one after it."""
    return milliseconds // TICK_MS + 1


def at(tick: int) -> str:
    """A tick as RFC 3339."""
    moment = _EPOCH + timedelta(milliseconds=tick * TICK_MS)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


class Ticks(dict[str, int]):
    """First ticks by the part of an EventTime that tells them: `2026-01-31T12:00:00.1`."""

    PREFIX = 21
    LIMIT = 10_000

    def of(self, event_time: str) -> int:
        """The tick of an EventTime that is not known yet."""
        tick = first_tick(milliseconds(event_time))
        if len(event_time) == 24 and event_time[23] == "Z":
            if len(self) >= self.LIMIT:
                self.clear()
            self[event_time[: self.PREFIX]] = tick
        return tick
