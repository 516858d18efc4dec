"""Lines that are not yet decided: from records to batches of lines, each counted once."""

from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Protocol

from analytics_engine.evaluation.snapshot import Counts
from analytics_engine.records.batch import Batch
from analytics_engine.records.clock import AHEAD_MS, HORIZON, Shard, arrival_tick
from analytics_engine.records.history import History
from analytics_engine.records.kind import LineType, Source
from analytics_engine.records.ticks import TICK_MS, Ticks, first_tick, milliseconds
from analytics_engine.records.where import excluded, matcher

_data = attrgetter("data")
_TICKS = 1000 / TICK_MS
_AHEAD = AHEAD_MS / TICK_MS


class Record(Protocol):
    """A record as read from a shard."""

    data: bytes
    arrival: float
    """ApproximateArrivalTimestamp: seconds, to the millisecond."""


_Stray = tuple[int, int, Any, bool]
"""The tick from which a line is to count when the past is recounted, the one it asks for, the line,
and whether it came against expectation."""


class Intake:
    """Takes lines in, and gives those up to a tick out once that is decided."""

    def __init__(self, source: Source, history: History, counts: Counts, decided: int) -> None:
        self.counts, self.decided = counts, decided
        self._lateness_ms = source.lateness_ms
        self._history = history
        self._ticks = Ticks()
        self._on_time: dict[int, list[Any]] = {}
        self._strays: dict[int, list[_Stray]] = {}

    def use(self, source: Source, columns: Iterable[str]) -> None:
        """Decode these columns from now on. What waits lacks them: it must be taken in again."""
        self._on_time.clear()
        self._strays.clear()
        kind = source.kind
        self._lateness_ms = source.lateness_ms
        self.lines = LineType(kind, kind.decoded(columns))
        self._history.identify(kind.identity)
        self._mark = kind.test
        self._is_test = kind.test and matcher(kind.test)

    def ticks(self) -> Iterator[int]:
        """Those to which lines wait."""
        yield from self._on_time
        yield from self._strays

    def decode(self, records: Sequence[Record]) -> list[Any]:
        """The lines, None for a record that is none."""
        return self.lines.decode(list(map(_data, records)))

    def take(self, shard: Shard, arrivals: Sequence[float], lines: Sequence[Any]) -> int:
        """Sort lines (None for a record that was none) to their ticks; return the latest arrival.

        `arrivals` says when they arrived, in seconds; the result is in milliseconds.
        """
        counts = self.counts
        ticks, on_time, decided = self._ticks, self._on_time, self.decided
        prefix, tails, lateness = Ticks.PREFIX, Ticks.TAILS, self._lateness_ms / TICK_MS
        latest = shard.arrival_ms / 1000
        for arrival, line in zip(arrivals, lines, strict=True):
            if arrival > latest:
                latest = arrival
            if line is None:
                counts.unreadable += 1
                continue
            moment = line.moment
            tick = ticks.get(moment[:prefix])
            if tick is None or moment[prefix:] not in tails:
                try:
                    tick = ticks.of(moment)
                except ValueError:
                    counts.unreadable += 1
                    continue
            if -lateness <= tick - latest * _TICKS <= _AHEAD and tick > decided:
                if tick in on_time:
                    on_time[tick].append(line)
                else:
                    on_time[tick] = [line]
            else:
                self._stray(line, tick, round(latest * 1000))
        return round(latest * 1000)

    def drain(self, until: int) -> tuple[list[Batch], list[Batch]]:
        """The lines up to a tick, each once: those of customers and those of tests."""
        customers: list[Batch] = []
        tests: list[Batch] = []
        on_time, strays, mark = self._on_time, self._strays, self._mark
        for tick in sorted(tick for tick in {*on_time, *strays} if tick <= until):
            lines, firsts = self._unique(tick, on_time.pop(tick, [])), None
            if tick in strays:
                lines, firsts = self._with_strays(tick, lines, strays.pop(tick))
            if not lines:
                continue
            columns = self.lines.values(lines)
            self.counts.lines_counted += len(lines)
            batch = Batch(tick, False, columns, firsts)
            if mark is not None and not excluded(mark, columns[mark.column]):
                test, batch = self._parted(batch)
                if len(test):
                    self.counts.of_tests += len(test)
                    tests.append(test)
                    self._history.add(test)
                if not len(batch):
                    continue
            customers.append(batch)
            self._history.add(batch)
        return customers, tests

    def _parted(self, batch: Batch) -> tuple[Batch, Batch]:
        """Lines of tests, and the others."""
        marks = self._is_test(batch.columns)
        test = batch.take(row for row, mark in enumerate(marks) if mark)
        test.test = True
        return test, batch.take(row for row, mark in enumerate(marks) if not mark)

    def _stray(self, line: Any, tick: int, arrival_ms: int) -> None:
        """A line that does not count from its own tick on, or perhaps does not."""
        counts_from = tick
        if milliseconds(line.moment) > arrival_ms + AHEAD_MS:
            self.counts.ahead += 1
            counts_from = first_tick(arrival_ms)
        elif tick * TICK_MS + self._lateness_ms < arrival_ms:
            counts_from = arrival_tick(arrival_ms, self._lateness_ms)
        unexpected = counts_from <= self.decided
        if unexpected:
            counts_from = self.decided + 1
        # One that a restart reads again has counted, though the history may know it no more.
        if tick < counts_from - HORIZON:
            self.counts.too_late += 1
            return
        if counts_from == tick:
            self._on_time.setdefault(tick, []).append(line)
        else:
            own = min(tick, counts_from)
            self._strays.setdefault(counts_from, []).append((own, tick, line, unexpected))

    def _unique(self, tick: int, lines: list[Any]) -> list[Any]:
        """Lines at their own tick, without repeats: these have the same moment."""
        identity = self.lines.identity
        if identity is None:
            return lines
        known = self._history.strays(tick)
        if known or len(set(map(identity, lines))) != len(lines):
            unique = {key: line for line in lines if (key := identity(line)) not in known}
            self.counts.repeated += len(lines) - len(unique)
            return list(unique.values())
        return lines

    def _with_strays(
        self, tick: int, lines: list[Any], strays: list[_Stray]
    ) -> tuple[list[Any], list[int]]:
        identity = self.lines.identity
        firsts = [tick] * len(lines)
        for own, asked, line, unexpected in strays:
            if identity is None or self._history.stray(identity(line), asked, tick):
                lines.append(line)
                firsts.append(own)
                self.counts.late += own < tick
                self.counts.unexpected += unexpected
            else:
                self.counts.repeated += 1
        return lines, firsts
