"""Lines in columns: what passes from the streams to the rules."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import msgspec

Columns = Mapping[str, Sequence[Any]]
Matcher = Callable[[Columns], Sequence[bool]]
"""Says which lines a test takes, in their order."""


class Batch(msgspec.Struct, array_like=True, gc=False):
    """Lines that begin to count at one tick."""

    tick: int
    test: bool
    """Whether these are lines of tests, which stand in batches of their own."""
    columns: dict[str, Sequence[Any]]
    """Values by column, one a line; at least the column of the moment."""
    firsts: list[int] | None = None
    """The own tick of each line, where some came late; None where `tick` is each line's own."""
    made: dict[str, "Batch | None"] = {}
    """What `chosen` has made of it; not kept. None is this one: a circle would never be freed."""

    def __len__(self) -> int:
        for values in self.columns.values():
            return len(values)
        return 0

    def take(self, rows: Iterable[int], tick: int | None = None) -> "Batch":
        """A batch of some of the lines, at another tick if one is given."""
        rows = list(rows)
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        if tick is not None:
            return Batch(tick, self.test, columns)
        firsts = self.firsts and [self.firsts[row] for row in rows]
        return Batch(self.tick, self.test, columns, firsts)

    def chosen(self, name: str, matching: Matcher) -> "Batch":
        """A batch of the lines that a test takes, which it has by its name for whoever asks next:
        many rules are of the same lines.
        """
        if name not in self.made:
            rows = list(compress(range(len(self)), matching(self.columns)))
            self.made[name] = None if len(rows) == len(self) else self.take(rows)
        found = self.made[name]
        return self if found is None else found

    def by_first(self) -> Iterator[tuple[int, "Batch"]]:
        """The lines of each own tick, in order; this batch where none came late."""
        if self.firsts is None:
            yield self.tick, self
            return
        rows: dict[int, list[int]] = {}
        for row, first in enumerate(self.firsts):
            rows.setdefault(first, []).append(row)
        for first, some in sorted(rows.items()):
            yield first, self.take(some)


def joined(batches: Sequence[Batch]) -> Batch:
    """One batch of the lines of several that have the same columns, at the first one's tick."""
    first = batches[0]
    if len(batches) == 1:
        return first
    columns = {
        name: [value for batch in batches for value in batch.columns[name]]
        for name in first.columns
    }
    firsts = None
    if any(batch.firsts for batch in batches):
        firsts = [tick for b in batches for tick in (b.firsts or [b.tick] * len(b))]
    return Batch(first.tick, first.test, columns, firsts)


def texts(values: Sequence[Any]) -> list[str]:
    """Values of a column of numbers as text, of which some may be text already."""
    return [value if type(value) is str else str(value) for value in values]
