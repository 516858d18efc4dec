"""A burn rate's windows, which are longer than the history: lines are counted in cells.

The cells are remembered beside the history; of each save only those that have changed are written.
A pair of windows is judged at the ends of its cells alone. A line that came late counts in its own
cell from then on; what was said is not corrected.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import compress

import msgspec

from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.window import Terms, Window
from analytics_engine.records.batch import Batch
from analytics_engine.records.cells import BLOCK, Cells, Counts
from analytics_engine.records.kind import Kind
from analytics_engine.records.ticks import SECOND
from analytics_engine.rules.burn import COARSE, FINE, PAIRS, budget
from analytics_engine.rules.conditions import NEVER
from analytics_engine.rules.measures import Entry, Group, Number, tally
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Rule

ROOM = 100
"""Groups at most: each keeps three days."""


class Judged(msgspec.Struct, array_like=True):
    """What a pair of windows was when it was judged last."""

    hot: bool = False
    rate: float = 0.0
    """Of the long window."""
    lines: int = 0


class Saved(msgspec.Struct, array_like=True):
    """What is remembered of a group beside its cells."""

    born: int
    judged: list[Judged]


class BurnGroup(Group):
    """A group with its cells; what is judged of it stands in `amount` and `lines`."""

    __slots__ = ("cells", "judged", "sums")

    def __init__(self, name: str, saved: Saved, cells: Mapping[int, Counts]) -> None:
        super().__init__(name, saved.born, float(PAIRS[0].factor))
        self.judged = saved.judged
        self.cells = {ticks: cells.get(ticks, {}) for ticks in (FINE, COARSE)}
        """By the ticks of a cell."""
        self.sums = [[0, 0] for _ in range(2 * len(PAIRS))]
        """Of each pair's long window, and of its short one: lines, and bad ones."""

    @property
    def pair(self) -> int | None:
        """The fastest pair that is hot."""
        return next((number for number, one in enumerate(self.judged) if one.hot), None)

    @property
    def is_empty(self) -> bool:
        return not any(self.cells.values())


class BurnWindow(Window):
    """The groups of a rule that measures a burn rate."""

    groups: dict[str, BurnGroup]
    recounts = False
    history = 0
    lasting = max(pair.short for pair in PAIRS) * SECOND + COARSE

    def __init__(
        self,
        rule: Rule,
        kind: Kind,
        references: References,
        cells: Cells,
        saved: Mapping[str, Saved],
        decided: int,
    ) -> None:
        super().__init__(rule, kind, references)
        self.is_hot, self.value = self._is_hot, self._value
        self._room = min(rule.max_groups, ROOM)
        self._cells = cells
        self._changed: set[tuple[str, int, int]] = set()
        """Blocks of cells that are not as they are remembered: of a group, by ticks of a cell."""
        self._budget = budget(rule.objective or 0)
        self._needs_bad = [(pair.factor * self._budget).as_integer_ratio() for pair in PAIRS]
        self._spans = [
            (pair.cell, seconds * SECOND // pair.cell)
            for pair in PAIRS
            for seconds in (pair.long, pair.short)
        ]
        """Of each window: the ticks of a cell, and how many cells."""
        self._tick = decided
        self.counted: set[tuple[str, int]] | None = None
        """Where to note the groups and minutes in which lines are counted."""
        self._firsts = [decided // cell - cells for cell, cells in self._spans]
        """Of each window, the number of the first cell in it."""
        for name, one in saved.items():
            group = self.groups[name] = BurnGroup(name, one, cells.read(rule.name, name))
            for cell, counts in group.cells.items():
                for number, (lines, bad) in counts.items():
                    self._sum(group, cell, number, lines, bad)

    def saved(self) -> dict[str, Saved]:
        """What to remember; the cells are written."""
        for name, cell, block in self._changed:
            group = self.groups.get(name)
            cells = {} if group is None else group.cells[cell]
            self._cells.write(self.rule.name, name, cell, block, cells)
        self._changed.clear()
        return {name: Saved(group.born, group.judged) for name, group in self.groups.items()}

    @property
    def next_leave(self) -> int:
        return (self._tick // FINE + 1) * FINE if self.groups else NEVER

    def leave(self, tick: int) -> list[Group]:
        """Move the windows on; at the end of a cell all groups are to be judged."""
        moved, self._tick = self._tick // FINE != tick // FINE, tick
        if not moved:
            return []
        firsts = [tick // cell - cells for cell, cells in self._spans]
        oldest = {
            cell: min(
                first for (of, _), first in zip(self._spans, firsts, strict=True) if of == cell
            )
            for cell in (FINE, COARSE)
        }
        for group in list(self.groups.values()):
            gone: set[tuple[int, int]] = set()
            for sums, (cell, _), *between in zip(
                group.sums, self._spans, self._firsts, firsts, strict=True
            ):
                for number in _within(group.cells[cell], *between):
                    lines, bad = group.cells[cell][number]
                    sums[0] -= lines
                    sums[1] -= bad
                    gone.add((cell, number))
            for cell, number in gone:
                if number < oldest[cell]:
                    del group.cells[cell][number]
                    self._changed.add((group.name, cell, number // BLOCK))
            self._forget(group)
        self._firsts = firsts
        return list(self.groups.values()) if tick % FINE == 0 else []

    def seconds(self, group: BurnGroup) -> None:
        """Any: only cells are known."""

    def group(self, name: str, tick: int) -> BurnGroup:
        group = self.groups.get(name)
        if group is None:
            saved = Saved(tick, [Judged() for _ in PAIRS])
            group = self.groups[name] = BurnGroup(name, saved, {})
        return group

    def terms(self, group: BurnGroup, incident: Incident) -> Terms:
        """Those of the fastest pair that is hot; at the end, of the fastest that was."""
        hot = group.pair
        pair = PAIRS[(incident.pair or 0) if hot is None else hot]
        return Terms(float(pair.factor), pair.long, pair.severity)

    def pair(self, group: BurnGroup) -> int | None:
        return group.pair

    def enter(self, batch: Batch) -> list[Entry]:
        return [entry for own, some in batch.by_first() for entry in self._count(some, own)]

    def _count(self, batch: Batch, own: int) -> list[Entry]:
        """Count lines that are of a tick."""
        for name, matching in self._counted.items():
            batch = batch.chosen(name, matching)
        if not len(batch):
            return []
        names = self.names(batch.columns) or [""] * len(batch)
        every = tally(names)
        failed = tally(compress(names, self.measure.matching(batch.columns)))
        entries: list[Entry] = []
        for name in self.ordered(every):
            lines, bad = every[name], failed.get(name, 0)
            group = self.groups.get(name) or self.place(name, lines, batch.tick)
            for cell in group.cells:
                self._add(group, cell, (own - 1) // cell, lines, bad)
            if self.counted is not None:
                self.counted.add((group.name, (own - 1) // COARSE))
            entries.append((group, lines, bad))
        return entries

    def minutes(self, name: str) -> dict[int, tuple[int, int]]:
        """A group's lines by minute, and the bad ones among them."""
        group = self.groups.get(name)
        return {} if group is None else group.cells[COARSE]

    def _add(self, group: BurnGroup, cell: int, number: int, lines: int, bad: int) -> None:
        """Count lines in a cell, if a window still has it."""
        if self._sum(group, cell, number, lines, bad):
            seen, seen_bad = group.cells[cell].get(number, (0, 0))
            group.cells[cell][number] = seen + lines, seen_bad + bad
            self._changed.add((group.name, cell, number // BLOCK))

    def _sum(self, group: BurnGroup, cell: int, number: int, lines: int, bad: int) -> bool:
        """Count a cell's lines in each window that has it; False if none has."""
        found = False
        for sums, (of, _), first in zip(group.sums, self._spans, self._firsts, strict=True):
            if of == cell and number >= first:
                sums[0] += lines
                sums[1] += bad
                found = True
        return found

    def _value(self, group: BurnGroup) -> Number:
        """The burn rate in the long window of the pair that tells most, as it was judged last."""
        for number, pair in enumerate(PAIRS):
            if self._tick % pair.cell == 0:
                group.judged[number] = self._judge(number, *group.sums[2 * number :][:2])
        told = group.judged[group.pair or 0]
        group.amount, group.lines = told.rate, told.lines
        return told.rate

    def _judge(self, number: int, long: list[int], short: list[int]) -> Judged:
        bad, of = self._needs_bad[number]
        hot = long[1] >= self.rule.minimum_bad and all(
            lines and failed * of >= lines * bad for lines, failed in (long, short)
        )
        rate = float(Fraction(long[1], long[0]) / self._budget) if long[0] else 0.0
        return Judged(hot, rate, long[0])

    def _is_hot(self, group: BurnGroup, _value: Number, _tick: int) -> bool:
        return group.pair is not None

    def _forget(self, group: BurnGroup) -> None:
        if group.is_empty and group.name not in self.pinned:
            self.groups.pop(group.name, None)


def _within(cells: Counts, first: int, end: int) -> list[int]:
    """The numbers of the cells of a range."""
    if end - first > len(cells):
        return [number for number in cells if first <= number < end]
    return [number for number in range(first, end) if number in cells]
