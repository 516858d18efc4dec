"""Lines that came late: the past with each line where it belongs, and what that touches."""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.window import Window
from analytics_engine.records.batch import Batch, joined
from analytics_engine.records.history import History

Span = tuple[int, int]
"""Ticks, both ends included."""
HELD = 100_000
"""Lines of the past that are held in memory while it is recounted."""


class Past:
    """A stretch of history with each line at its own tick: read as `History` is."""

    def __init__(self, history: History, window: Window, scopes: Iterable[str], span: Span) -> None:
        """Only the lines of these groups."""
        self._history, self._window, self._scopes = history, window, set(scopes)
        self._late: dict[int, list[Batch]] = {}
        same: dict[str, str] = {}  # late lines are kept in memory, each value once
        for batch in self._read(span):
            for first, rows in _by_first(batch, late=True).items():
                if kept := self._kept(batch, rows, first):
                    for name, values in kept.columns.items():
                        kept.columns[name] = [same.setdefault(value, value) for value in values]
                    self._late.setdefault(first, []).append(kept)
        self._span = span
        # Each incident's top is counted in the past: where that is short it is put together once.
        self._batches: list[Batch] | None = []
        lines = 0
        for batch in self._merged(*span):
            self._batches.append(batch)
            lines += len(batch)
            if lines > HELD:
                self._batches = None
                break

    def read(
        self, first: int, last: int, _seconds: Container[int] | None = None
    ) -> Iterator[Batch]:
        """The batches of a range of ticks, one a tick at most."""
        if self._batches is None or first < self._span[0] or last > self._span[1]:
            return self._merged(first, last)
        begin = bisect_left(self._batches, first, key=_tick)
        return iter(self._batches[begin : bisect_right(self._batches, last, key=_tick)])

    def _merged(self, first: int, last: int) -> Iterator[Batch]:
        late = deque(sorted(tick for tick in self._late if first <= tick <= last))
        for batch in self._read((first, last)):
            while late and late[0] < batch.tick:
                yield joined(self._late[late.popleft()])
            parts = self._late[late.popleft()] if late and late[0] == batch.tick else []
            on_time = _by_first(batch, late=False).get(batch.tick, ())
            if kept := self._kept(batch, on_time, batch.tick):
                parts = [*parts, kept]
            if parts:
                yield joined(parts)
        for tick in late:
            yield joined(self._late[tick])

    def next(self, tick: int) -> int | None:
        """As of a history."""
        late = [first for first in self._late if first > tick]
        found = self._history.next(tick)
        return min(late if found is None else [*late, found], default=None)

    def _read(self, span: Span) -> Iterator[Batch]:
        return filter(self._window.sees, self._history.read(*span))

    def _kept(self, batch: Batch, rows: Iterable[int], tick: int) -> Batch | None:
        names = self._window.names(batch.columns)
        if names is not None:
            rows = [row for row in rows if names[row] in self._scopes]
        kept = batch.take(rows, tick)
        return kept if len(kept) else None


class Touched(NamedTuple):
    """The ticks of a group at which late lines change what was counted."""

    scope: str
    first: int
    last: int


def touched(history: History, window: Window, entered: Span) -> list[Touched]:
    """What the late lines that were taken in between two ticks touch."""
    spans: dict[str, Span] = {}
    for batch in filter(window.sees, history.read(*entered)):
        if batch.firsts is None:
            continue
        names = window.names(batch.columns)
        for row, first in enumerate(batch.firsts):
            if first < batch.tick:
                scope = "" if names is None else names[row]
                last = min(batch.tick, first + window.rule.window) - 1
                low, high = spans.get(scope, (first, last))
                spans[scope] = min(low, first), max(high, last)
    return [Touched(scope, *span) for scope, span in sorted(spans.items())]


def meets(one: Incident, other: Incident, quiet: int) -> bool:
    """Whether they would have been one incident, had all been known in time."""
    if one.scope != other.scope:
        return False
    return one.began - other.last_hot <= quiet and other.began - one.last_hot <= quiet


def near(incident: Incident, ticks: Touched, quiet: int) -> bool:
    """Whether what was touched may be part of an incident."""
    if incident.scope != ticks.scope:
        return False
    return ticks.first - incident.last_hot <= quiet and incident.began - ticks.last <= quiet


def _tick(batch: Batch) -> int:
    return batch.tick


def _by_first(batch: Batch, late: bool) -> dict[int, Sequence[int]]:
    """Rows by their own tick: those of late lines, or the others."""
    if batch.firsts is None:
        return {} if late else {batch.tick: range(len(batch))}
    rows: dict[int, list[int]] = {}
    for row, first in enumerate(batch.firsts):
        if (first < batch.tick) == late:
            rows.setdefault(first, []).append(row)
    return dict(rows)


def cover(one: Span | None, other: Span) -> Span:
    """The least span that holds both."""
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))
