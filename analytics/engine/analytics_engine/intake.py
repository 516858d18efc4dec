"""Lines that are not yet decided: from records to buckets of lines, each counted once."""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from analytics_engine.clock import AHEAD_MS, HORIZON, LATENESS_MS, Shard, arrival_tick
from analytics_engine.history import History
from analytics_engine.line import (
    IDENTITY,
    TICK_MS,
    Bucket,
    Ticks,
    first_tick,
    line_type,
    milliseconds,
)
from analytics_engine.snapshot import Counts

TEST_INVOICE = "V"
_identity = attrgetter(*IDENTITY)
_TICKS = 1000 / TICK_MS
_LATENESS, _AHEAD = LATENESS_MS / TICK_MS, AHEAD_MS / TICK_MS


class Record(Protocol):
    """A record as read from a shard."""

    data: bytes
    arrival: float
    """ApproximateArrivalTimestamp: seconds, to the millisecond."""


_Stray = tuple[int, int, Any, bool]
"""The tick from which a line is to count in hindsight, the one it asks for, the line, and whether
it came against expectation."""


class Intake:
    """Takes lines in, and gives those up to a tick out once that is decided."""

    def __init__(self, history: History, counts: Counts, decided: int) -> None:
        self.counts, self.decided = counts, decided
        self._history = history
        self._ticks = Ticks()
        self._on_time: dict[int, list[Any]] = {}
        self._strays: dict[int, list[_Stray]] = {}

    def use(self, columns: Iterable[str]) -> None:
        """Decode these columns from now on. What waits lacks them: it must be taken in again."""
        self._on_time.clear()
        self._strays.clear()
        columns = sorted(columns)
        self._columns = [(column, attrgetter(column)) for column in columns]
        self.line = line_type(columns)
        self._decode = msgspec.json.Decoder(self.line).decode

    def ticks(self) -> Iterator[int]:
        """Those to which lines wait."""
        yield from self._on_time
        yield from self._strays

    def decode(self, records: Sequence[Record]) -> list[Any]:
        """The order lines, None for a record that is none."""
        decode = self._decode
        try:
            return [decode(record.data) for record in records]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._line_or_none(record) for record in records]

    def _line_or_none(self, record: Record) -> Any:
        try:
            return self._decode(record.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def take(self, shard: Shard, arrivals: Sequence[float], lines: Sequence[Any]) -> int:
        """Sort lines (None for a record that was none) to their ticks; return the latest arrival.

        `arrivals` says when they arrived, in seconds.
        """
        counts = self.counts
        ticks, on_time, decided = self._ticks, self._on_time, self.decided
        latest = shard.arrival_ms / 1000
        for arrival, line in zip(arrivals, lines, strict=True):
            if arrival > latest:
                latest = arrival
            if line is None:
                counts.unreadable += 1
                continue
            tick = ticks.get(line.EventTime[:21])
            if tick is None or len(line.EventTime) != 24:
                try:
                    tick = ticks.of(line.EventTime)
                except (ValueError, OverflowError):
                    counts.unreadable += 1
                    continue
            if -_LATENESS <= tick - latest * _TICKS <= _AHEAD and tick > decided:
                if tick in on_time:
                    on_time[tick].append(line)
                else:
                    on_time[tick] = [line]
            else:
                self._stray(line, tick, round(latest * 1000))
        return round(latest * 1000)

    def fold(self, until: int) -> tuple[list[Bucket], list[Bucket]]:
        """The lines up to a tick, each once: those of orders and those of tests."""
        orders: list[Bucket] = []
        tests: list[Bucket] = []
        on_time, strays = self._on_time, self._strays
        ticks = sorted(tick for tick in {*on_time, *strays} if tick <= until)
        for tick in ticks:
            lines, firsts = self._unique(tick, on_time.pop(tick, []))
            if tick in strays:
                lines, firsts = self._with_strays(tick, lines, strays.pop(tick))
            if not lines:
                continue
            columns = {name: list(map(get, lines)) for name, get in self._columns}
            bucket = Bucket(tick, False, columns, firsts)
            self.counts.lines_counted += len(lines)
            kinds = [invoice[:1] for invoice in columns["InvoiceNo"]]
            if TEST_INVOICE in kinds:
                rows = [row for row, kind in enumerate(kinds) if kind == TEST_INVOICE]
                test = bucket.take(rows)
                test.test = True
                tests.append(test)
                self._history.add(test)
                bucket = bucket.take(row for row, kind in enumerate(kinds) if kind != TEST_INVOICE)
                if not len(bucket):
                    continue
            orders.append(bucket)
            self._history.add(bucket)
        return orders, tests

    def _stray(self, line: Any, tick: int, arrival_ms: int) -> None:
        """A line that does not count from its own tick on, or perhaps does not."""
        counts_from = tick
        if milliseconds(line.EventTime) > arrival_ms + AHEAD_MS:
            self.counts.ahead += 1
            counts_from = first_tick(arrival_ms)
        elif tick * TICK_MS + LATENESS_MS < arrival_ms:
            counts_from = arrival_tick(arrival_ms)
            if tick < counts_from - HORIZON:
                self.counts.too_late += 1
                return
        unexpected = counts_from <= self.decided
        if unexpected:
            counts_from = self.decided + 1
        if counts_from == tick:
            self._on_time.setdefault(tick, []).append(line)
        else:
            own = min(tick, counts_from)
            self._strays.setdefault(counts_from, []).append((own, tick, line, unexpected))

    def _unique(self, tick: int, lines: list[Any]) -> tuple[list[Any], None]:
        """Lines at their own tick, without repeats: these have the same EventTime."""
        known = self._history.strays(tick)
        if known or len(set(map(_identity, lines))) != len(lines):
            unique = {key: line for line in lines if (key := _identity(line)) not in known}
            self.counts.repeated += len(lines) - len(unique)
            lines = list(unique.values())
        return lines, None

    def _with_strays(
        self, tick: int, lines: list[Any], strays: list[_Stray]
    ) -> tuple[list[Any], list[int] | None]:
        firsts = [tick] * len(lines)
        for own, asked, line, unexpected in strays:
            if self._history.stray(_identity(line), asked, tick):
                lines.append(line)
                firsts.append(own)
                self.counts.late += own < tick
                self.counts.unexpected += unexpected
            else:
                self.counts.repeated += 1
        return lines, firsts
