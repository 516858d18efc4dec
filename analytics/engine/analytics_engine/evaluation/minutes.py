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


class Minute(msgspec.Struct, array_like=True):
    """What a minute amounts to so far. A key stands as its place in `keys`."""

    keys: list[tuple[str, ...]] = []
    alike: dict[tuple[int, ...], int] = {}
    """Lines by place and by what was seen of each column."""
    sums: list[list[int]] = []
    """Of each column that is added up, by place."""
    changed: set[int] = set()
    """Places of which something is still to be told."""


class Counting:
    """Counts the lines of one stream. It sees each once, in the order of their ticks."""

    def __init__(self, kind: Kind, history: History, decided: int) -> None:
        counted = kind.minutes or Minutes()
        self.kind, self._history = kind, history
        self._keys, self._sums = list(counted.keys.items()), list(counted.sums.items())
        tests: dict[str, dict[int, Where]] = {}
        for bit, where in enumerate(counted.counts.values()):
            tests.setdefault(where.column, {})[bit] = where
        self._seen: list[tuple[str, _Cache]] = [
            (column, _Tests(some, kind.is_text(column))) for column, some in tests.items()
        ]
        self._counts = list(counted.counts)
        self._has_histogram = counted.histogram is not None
        if counted.histogram is not None:
            self._seen.append((counted.histogram, _Buckets()))
        self._told = decided // MINUTE
        """Minutes before it have been told, as far as their lines were in time."""
        self._minutes: dict[int, _Open] = {}
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
        for number in self._touched:
            saved = msgspec.msgpack.encode(self._minutes[number].minute)
            self._history.keep_minute(number, saved, number in self._changed)
        newest = max(self._minutes, default=0)
        self._minutes = {newest: self._minutes[newest]} if newest else {}
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
        measures: list[Measure] = []
        for number in sorted(number for number in self._changed if number < before):
            measures += self._measures(number, self._of(number).minute)
            self._changed.discard(number)
        return measures

    def _measures(self, number: int, minute: Minute) -> list[Measure]:
        made: dict[int, Measure] = {}
        for place in sorted(minute.changed, key=minute.keys.__getitem__):
            measure: Measure = {"kind": self.kind.name, "minute": at(number * MINUTE)}
            measure |= zip((name for name, _ in self._keys), minute.keys[place], strict=True)
            measure |= dict.fromkeys([self.kind.unit, *self._counts], 0)
            for (name, _), sums in zip(self._sums, minute.sums, strict=True):
                measure[name] = sums[place]
            made[place] = measure
        histograms: dict[int, dict[int, int]] = {place: {} for place in made}
        for (place, *seen), lines in minute.alike.items():
            if place not in made:
                continue
            if self._has_histogram and (bucket := seen.pop()) >= 0:
                histogram = histograms[place]
                histogram[bucket] = histogram.get(bucket, 0) + lines
            made[place][self.kind.unit] += lines
            for bit, name in enumerate(self._counts):
                if any(bits >> bit & 1 for bits in seen):
                    made[place][name] += lines
        if self._has_histogram:
            for place, histogram in histograms.items():
                made[place]["histogram"] = sorted(histogram.items())
        minute.changed = set()
        return list(made.values())

    def _of(self, number: int) -> "_Open":
        """A minute, about to be changed."""
        self._touched.add(number)
        found = self._minutes.get(number)
        if found is None:
            saved = self._history.minute(number)
            minute = msgspec.msgpack.decode(saved, type=Minute) if saved else Minute()
            minute.sums = minute.sums or [[] for _ in self._sums]
            found = self._minutes[number] = _Open(minute)
        return found

    def _take(self, batches: Iterable[Batch]) -> None:
        parts: dict[int, list[Batch]] = {}
        for batch in batches:
            for own, some in batch.by_first():
                parts.setdefault(minute_of(own), []).append(some)
        for number, some in parts.items():
            of = self._of(number)
            self._changed.add(number)
            if not (self._keys or self._seen or self._sums):
                self._add_up(of, sum(map(len, some)))
                continue
            keys = [self._keys_of(batch) for batch in some]
            for batch, places in zip(some, of.places(keys), strict=True):
                columns = batch.columns
                seen = [map(cache.__getitem__, columns[column]) for column, cache in self._seen]
                # A Counter's update is C.
                Counter.update(of.alike, zip(places, *seen, strict=True))
                for (_, column), sums in zip(self._sums, of.minute.sums, strict=True):
                    sum_up(sums, places, columns[column])
                of.minute.changed.update(places)

    @staticmethod
    def _add_up(of: "_Open", lines: int) -> None:
        """Where the lines alone are counted, all are alike."""
        place = of[()]
        of.alike[(place,)] += lines
        of.minute.changed.add(place)

    def _keys_of(self, batch: Batch) -> list[tuple[Any, ...]]:
        values = [batch.columns[column] for _, column in self._keys]
        return list(zip(*values, strict=True)) if values else [()] * len(batch)


class _Open(dict[tuple[Any, ...], int]):
    """A minute in memory: the place of each key, as the lines have it."""

    def __init__(self, minute: Minute) -> None:
        self.minute = minute
        self._safe = Texts().__getitem__
        self._known = {key: place for place, key in enumerate(minute.keys)}
        minute.alike = self.alike = Counter(minute.alike)

    def places(self, keys: Sequence[list[tuple[Any, ...]]]) -> list[list[int]]:
        """The places of the keys of some batches' lines."""
        before = len(self.minute.keys)
        found = [list(map(self.__getitem__, some)) for some in keys]
        if len(self.minute.keys) > max(ROOM, before):
            # Who gets the last places must not depend on how much was read at once.
            for key in self.minute.keys[before:]:
                del self._known[key]
            del self.minute.keys[before:]
            self.clear()
            for some in keys:
                for raw in sorted(set(some), key=str):
                    if len(self.minute.keys) < ROOM or self._made(raw) in self._known:
                        self[raw]
                    else:
                        self[raw] = self._place((OTHER,) * len(raw))
            found = [list(map(self.__getitem__, some)) for some in keys]
        if len(self) > 10 * ROOM:
            self.clear()
        for sums in self.minute.sums:
            sums += [0] * (len(self.minute.keys) - len(sums))
        return found

    def __missing__(self, raw: tuple[Any, ...]) -> int:
        self[raw] = place = self._place(self._made(raw))
        return place

    def _place(self, key: tuple[str, ...]) -> int:
        place = self._known.get(key)
        if place is None:
            place = self._known[key] = len(self.minute.keys)
            self.minute.keys.append(key)
        return place

    def _made(self, raw: tuple[Any, ...]) -> tuple[str, ...]:
        """MySQL takes a text with spaces at its end for the one without."""
        return tuple(self._safe(str(value).rstrip(" ")) for value in raw)


def sum_up(sums: list[int], places: Sequence[int], values: Sequence[Any]) -> None:
    """Add whole numbers by place; what is none, or beyond belief, adds nothing."""
    for place, value in zip(places, values, strict=True):
        if type(value) is not int:
            try:
                value = int(value)
            except (ValueError, OverflowError):
                continue
        if 0 < value <= GREATEST:
            sums[place] += value


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
    """The counts that a column's value belongs to, a bit each."""

    def __init__(self, tests: dict[int, Where], text: bool) -> None:
        self._tests = [
            (1 << bit, where.column, matcher(where, text)) for bit, where in tests.items()
        ]

    def made(self, value: Any) -> int:
        return sum(bit for bit, column, takes in self._tests if takes({column: [value]})[0])


class _Buckets(_Cache):
    """The bucket of a number of seconds; less than 0 where it is none."""

    def made(self, value: Any) -> int:
        found = bucket(value)
        return -1 if found is None else found
