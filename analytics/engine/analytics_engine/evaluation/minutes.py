"""What each minute amounts to, by the keys that its kind of record names: absolute values.

A line counts once, in the minute of its own moment. A minute is told when its last tick has been
decided; where late lines changed it afterwards, again at the end of the minute in which they came.
So what is told depends on the stream alone, and the greatest number of lines is the newest.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from analytics_engine.records.batch import Batch
from analytics_engine.records.buckets import bucket
from analytics_engine.records.history import History
from analytics_engine.records.kind import Kind, Minutes
from analytics_engine.records.ticks import MINUTE, at, minute_of
from analytics_engine.records.values import Texts
from analytics_engine.records.where import Where, matcher

Measure = dict[str, Any]
"""What is told: `kind` and `minute`, the keys, the values."""

ROOM = 1_000
"""Keys of a minute; further ones count under OTHER. Strangers can write them."""
OTHER = "other"
GREATEST = 10**12
"""Beyond it nothing is believed to be a summand."""


class Row(msgspec.Struct, array_like=True, gc=False):
    """What a minute amounts to for one key."""

    key: tuple[str, ...]
    lines: int = 0
    counts: dict[str, int] = {}
    sums: dict[str, int] = {}
    histogram: dict[int, int] = {}
    """Lines by bucket (`buckets.bucket`)."""
    changed: bool = True
    """Whether it is still to be told."""


Rows = dict[tuple[str, ...], Row]
_Found = tuple[Counter[tuple[Any, ...]], dict[str, dict[tuple[Any, ...], int]]]
"""Lines that are alike (raw key, then what was seen of each column), and sums by raw key."""


class Counting:
    """Counts the lines of one stream. It sees each once, in the order of their ticks."""

    def __init__(self, kind: Kind, history: History, decided: int) -> None:
        counted = kind.minutes or Minutes()
        self.kind, self._history = kind, history
        self._keys = list(counted.keys.items())
        self._sums = list(counted.sums.items())
        tests: dict[str, dict[str, Where]] = {}
        for name, where in counted.counts.items():
            tests.setdefault(where.column, {})[name] = where
        self._seen: list[tuple[str, _Cache]] = [
            (column, _Tests(some, kind.is_text(column))) for column, some in tests.items()
        ]
        self._histogram = counted.histogram
        if counted.histogram is not None:
            self._seen.append((counted.histogram, _Buckets()))
        self._safe = Texts().__getitem__
        self._told = decided // MINUTE
        """Minutes before it have been told, as far as their lines were in time."""
        self._rows: dict[int, Rows] = {}
        self._touched: set[int] = set()
        self._changed = set(history.changed_minutes())

    def advance(self, batches: Sequence[Batch], until: int) -> list[Measure]:
        """Count the lines up to a decided tick; return what is to be told by then."""
        measures: list[Measure] = []
        for minute, some in groupby(batches, lambda batch: minute_of(batch.tick)):
            measures += self._tell(minute)
            self._take(some)
        return measures + self._tell(until // MINUTE)

    def save(self) -> None:
        """Write what has changed; the caller commits."""
        encode = msgspec.msgpack.encode
        for minute in self._touched:
            rows = list(self._rows[minute].values())
            self._history.keep_minute(minute, encode(rows), minute in self._changed)
        newest = max(self._rows, default=0)
        self._rows = {minute: rows for minute, rows in self._rows.items() if minute == newest}
        self._touched = set()

    def finish(self) -> list[Measure]:
        """What has changed at all; and forget it: it will be counted otherwise."""
        measures = self._tell(max(self._changed, default=0) + 1)
        self._history.forget_minutes()
        return measures

    def _tell(self, before: int) -> list[Measure]:
        """What has changed in the minutes before one that has begun, or is next."""
        if before <= self._told:
            return []
        self._told = before
        measures = []
        for minute in sorted(minute for minute in self._changed if minute < before):
            rows = self._of(minute)
            for row in rows.values():
                if row.changed:
                    measures.append(self._measure(minute, row))
                    row.changed = False
            self._changed.discard(minute)
        return measures

    def _measure(self, minute: int, row: Row) -> Measure:
        measure = {"kind": self.kind.name, "minute": at(minute * MINUTE)}
        measure |= zip((name for name, _ in self._keys), row.key, strict=True)
        measure |= {self.kind.unit: row.lines} | row.counts | row.sums
        if self._histogram is not None:
            measure["histogram"] = sorted(row.histogram.items())
        return measure

    def _of(self, minute: int) -> Rows:
        """A minute's rows, about to be changed."""
        self._touched.add(minute)
        rows = self._rows.get(minute)
        if rows is None:
            saved = self._history.minute(minute)
            found = [] if saved is None else msgspec.msgpack.decode(saved, type=list[Row])
            rows = self._rows[minute] = {row.key: row for row in found}
        return rows

    def _take(self, batches: Iterable[Batch]) -> None:
        parts: dict[int, list[Batch]] = {}
        for batch in batches:
            for own, some in batch.by_first():
                parts.setdefault(minute_of(own), []).append(some)
        for minute, some in parts.items():
            rows = self._of(minute)
            self._changed.add(minute)
            found = self._found(some)
            if len(rows) + len({like[0] for like in found[0]}) <= ROOM:
                self._add(rows, found)
            else:  # who gets the last places must not depend on how much was read at once
                for batch in some:
                    self._add(rows, self._found([batch]))

    def _found(self, batches: Iterable[Batch]) -> _Found:
        lines: Counter[tuple[Any, ...]] = Counter()
        sums: dict[str, dict[tuple[Any, ...], int]] = {name: {} for name, _ in self._sums}
        for batch in batches:
            columns, count = batch.columns, len(batch)
            keys = list(zip(*(columns[column] for _, column in self._keys))) or [()] * count
            lines.update(
                zip(keys, *(map(seen.__getitem__, columns[column]) for column, seen in self._seen))
            )
            for name, column in self._sums:
                sum_up(sums[name], keys, columns[column])
        return lines, sums

    def _add(self, rows: Rows, found: _Found) -> None:
        places: dict[tuple[Any, ...], Row] = {}
        for raw in sorted({like[0] for like in found[0]}, key=repr):
            # MySQL takes a text with spaces at its end for the one without.
            key = tuple(self._safe(str(value).rstrip(" ")) for value in raw)
            if key not in rows and len(rows) >= ROOM:
                key = (OTHER,) * len(key)
            row = rows.get(key)
            if row is None:
                names = (self.kind.minutes or Minutes()).counts
                row = rows[key] = Row(key, 0, dict.fromkeys(names, 0), dict.fromkeys(found[1], 0))
            row.changed = True
            places[raw] = row
        has_histogram = self._histogram is not None
        for (raw, *seen), lines in found[0].items():
            row = places[raw]
            row.lines += lines
            if has_histogram and (number := seen.pop()) is not None:
                row.histogram[number] = row.histogram.get(number, 0) + lines
            for names in seen:
                for name in names:
                    row.counts[name] += lines
        for name, amounts in found[1].items():
            for raw, amount in amounts.items():
                places[raw].sums[name] += amount


def sum_up(
    sums: dict[tuple[Any, ...], int], keys: Sequence[tuple[Any, ...]], values: Sequence[Any]
) -> None:
    """Add whole numbers by key; what is none, or beyond belief, adds nothing."""
    for key, value in zip(keys, values, strict=True):
        if type(value) is not int:
            try:
                value = int(value)
            except (ValueError, OverflowError):
                continue
        if 0 < value <= GREATEST:
            sums[key] = sums.get(key, 0) + value


class _Cache(dict[Any, Any]):
    """What is seen of a value, remembered for those that come often."""

    LIMIT = 20_000

    def __missing__(self, value: Any) -> Any:
        if len(self) >= self.LIMIT:
            self.clear()
        self[value] = found = self.made(value)
        return found

    def made(self, value: Any) -> Any:
        raise NotImplementedError


class _Tests(_Cache):
    """The names of the counts that a column's value belongs to."""

    def __init__(self, tests: dict[str, Where], text: bool) -> None:
        self._tests = [
            (name, where.column, matcher(where, text)) for name, where in tests.items()
        ]

    def made(self, value: Any) -> tuple[str, ...]:
        return tuple(name for name, column, takes in self._tests if takes({column: [value]})[0])


class _Buckets(_Cache):
    """The bucket of a number of seconds; None where it is none."""

    def made(self, value: Any) -> int | None:
        return bucket(value)
