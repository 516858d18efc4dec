"""A rule's groups over its sliding window, by what enters and leaves at each tick."""

import heapq
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import compress
from typing import NamedTuple

from analytics_engine.evaluation.incident import Incident
from analytics_engine.records.batch import Batch, Columns, texts
from analytics_engine.records.kind import RUN, Kind
from analytics_engine.records.ticks import SECOND
from analytics_engine.records.values import UNKNOWN, Texts
from analytics_engine.rules.conditions import NEVER, condition_of
from analytics_engine.rules.grouping import thresholds, translation
from analytics_engine.rules.measures import (
    Entry,
    Group,
    Key,
    Names,
    Number,
    counted,
    measure_of,
    measured,
)
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Rule

OTHER = "other"
"""The group of lines whose own group would be one too many."""
FORGOTTEN = 24 * 3600 * SECOND
"""Ticks without a line after which a rule that waits for silence forgets a group."""


class Terms(NamedTuple):
    """What an alarm says of how its value is judged."""

    threshold: Number
    window_seconds: int
    severity: str


class Window:
    """The groups of one rule. Enter batches in the order of their ticks."""

    recounts = True
    """Whether the past can be counted again when late lines have come."""

    def __init__(
        self, rule: Rule, kind: Kind, references: References, since: Mapping[str, int] | None = None
    ) -> None:
        """`since` says which groups had a place of their own from when, where not all had one."""
        self.rule, self.kind = rule, kind
        self.measure, self.condition = measure_of(rule, kind), condition_of(rule)
        self.value, self.is_hot = self.measure.value, self.condition.is_hot
        self.groups: dict[str, Group] = {}
        self.pinned: set[str] = set()
        """Groups with an incident: they stay though they hold nothing."""
        self._room, self._window = rule.max_groups, rule.window
        self.overflowed = 0
        self.other_until = 0
        self._since = since
        self._settling: list[tuple[int, str]] = []
        """When a group of a rule that waits has been there for one window: it may be hot then."""
        self._emptied: list[tuple[int, str]] = []
        """When it is to be forgotten if still nothing has come; `emptied` says which hold."""
        self.emptied: dict[str, int] = {}
        """Since when a group holds nothing that is not forgotten at once."""
        self._on_time: deque[tuple[int, list[Entry]]] = deque()
        self._late: list[tuple[int, int, list[Entry]]] = []
        self._counted, self._measured = counted(rule, kind), measured(rule, kind)
        self._safe = Texts().__getitem__
        self._key, self._translation = translation(rule, references)
        self._needs = rule.columns(kind) | ({self._key} & kind.columns.keys())
        self._thresholds = thresholds(rule, references)

    @property
    def history(self) -> int:
        """Ticks of the history that it is made of after a restart."""
        return self._window

    @property
    def lasting(self) -> int:
        """Ticks for which a line makes a group hot."""
        return self._window

    def terms(self, group: Group, _incident: Incident) -> Terms:
        """What an alarm of an incident says of how its value is judged."""
        return Terms(group.threshold, self.rule.window_seconds, self.rule.severity)

    def pair(self, _group: Group) -> int | None:
        """Of a burn rate: which pair of windows is the fastest that is hot."""
        return None

    @property
    def next_leave(self) -> int:
        """The next tick at which something leaves."""
        on_time = self._on_time[0][0] if self._on_time else NEVER
        return min(on_time, self._late[0][0]) if self._late else on_time

    @property
    def next_due(self) -> int:
        """The next tick at which a group settles, or is to be forgotten."""
        due = self._settling[0][0] if self._settling else NEVER
        return min(due, self._emptied[0][0]) if self._emptied else due

    def settle(self, tick: int) -> list[Group]:
        """The groups that have been there for one window at a tick, and were not before."""
        settled: list[Group] = []
        while self._settling and self._settling[0][0] <= tick:
            due, name = heapq.heappop(self._settling)
            group = self.groups.get(name)
            if group is not None and group.born + self._window == due:
                settled.append(group)
        return settled

    def forgotten(self, tick: int) -> list[Group]:
        """The groups that are to be forgotten at a tick."""
        found: list[Group] = []
        while self._emptied and self._emptied[0][0] <= tick:
            due, name = heapq.heappop(self._emptied)
            group = self.groups.get(name)
            if group is not None and not group.lines and self.emptied[name] + FORGOTTEN == due:
                found.append(group)
        return found

    def drop(self, group: Group) -> None:
        """Forget a group that waited long enough."""
        del self.groups[group.name], self.emptied[group.name]

    def sees(self, batch: Batch) -> bool:
        """Whether a batch of the history is for this rule.

        One from before a change of rules may lack what this one needs: it counts what comes then.
        """
        return batch.test == self.rule.test and self._needs <= batch.columns.keys()

    def seconds(self, group: Group) -> set[int] | None:
        """The seconds at which the lines of a group that are in the window entered, if known."""
        if not group.lines:
            return set()
        window = self.rule.window
        on_time = {
            (leaving - window) // SECOND
            for leaving, entries in self._on_time
            if any(entry[0] is group for entry in entries)
        }
        return on_time | {tick // SECOND for _, tick, _ in self._late}

    def leave(self, tick: int) -> list[Group]:
        """Take out what no longer counts at a tick; return the groups that it was in."""
        on_time, late = self._on_time, self._late
        left: list[Group] = []
        while on_time and on_time[0][0] <= tick:
            leaving, entries = on_time.popleft()
            self.measure.leave(entries, leaving, left)
        while late and late[0][0] <= tick:
            leaving, _, entries = heapq.heappop(late)
            self.measure.leave(entries, leaving, left)
        for group in left:
            if not group.lines:
                self._forget(group)
                if self.condition.waits:
                    self.wait(group, tick)
        return left

    def enter(self, batch: Batch) -> list[Entry]:
        """Count a batch's lines."""
        if batch.firsts is None:
            leaving = batch.tick + self._window
            entries = self._enter(batch, leaving)
            if entries:
                self._on_time.append((leaving, entries))
            return entries
        entered: list[Entry] = []
        for first, some in batch.by_first():
            if (leaving := first + self.rule.window) > batch.tick:
                entries = self._enter(some, leaving)
                heapq.heappush(self._late, (leaving, batch.tick, entries))
                entered += entries
        return entered

    def restored(self) -> None:
        """All that was in the window has entered again; from now on there is room as usual."""
        self._since = None

    def group(self, name: str, tick: int) -> Group:
        """A group by name, made if it is new."""
        group = self.groups.get(name)
        if group is None:
            threshold = self._thresholds.get(name, self._thresholds[UNKNOWN])
            group = self.groups[name] = Group(name, tick, threshold)
            if self.condition.waits:
                heapq.heappush(self._settling, (tick + self._window, name))
        return group

    def wait(self, group: Group, since: int) -> None:
        """A group of a rule that waits holds nothing since a tick."""
        if self.rule.group_by is not None:
            self.emptied[group.name] = since
            heapq.heappush(self._emptied, (since + FORGOTTEN, group.name))

    def pin(self, name: str, tick: int) -> Group:
        """Keep a group until `unpin`."""
        self.pinned.add(name)
        return self.group(name, tick)

    def unpin(self, name: str) -> None:
        """Keep it as long as it holds something."""
        self.pinned.discard(name)
        self._forget(self.groups[name])

    def names(self, columns: Columns) -> Names:
        """The group of each line, or None where there is but one."""
        key, kind = self._key, self.kind
        if key is None:
            return None
        if key == RUN and kind.test is not None:
            return kind.test.runs(columns[kind.test.column])
        keys = columns[key] if kind.is_text(key) else texts(columns[key])
        if self._translation is not None:
            return list(map(self._translation.__getitem__, keys))
        return keys if kind.columns[key] == "address" else list(map(self._safe, keys))

    def rows(self, batch: Batch) -> Sequence[int]:
        """Which of a batch's lines are measured."""
        if self._measured is None:
            return range(len(batch))
        return list(compress(range(len(batch)), self._measured(batch.columns)))

    def _enter(self, batch: Batch, leaving: int) -> list[Entry]:
        for name, matching in self._counted.items():
            batch = batch.chosen(name, matching)
        if not len(batch):
            return []
        names = None if self._key is None else self.names(batch.columns)
        count = len(batch) if names is None else len(names)
        return self.measure.enter(self, names, batch.columns, count, batch.tick, leaving)

    def ordered(self, names: Collection[Key]) -> Iterable[Key]:
        """By name where there may not be room for all: who gets it must not depend on reading."""
        if len(self.groups) + len(names) <= self._room:
            return names
        return sorted(names, key=lambda name: name if isinstance(name, str) else name[0])

    def place(self, name: str, lines: int, tick: int) -> Group:
        """The group of a name's own, or where there is no room, OTHER."""
        if name == OTHER or self._has_room(name, tick):
            return self.group(name, tick)
        self.other_until = tick + self.rule.window
        self.overflowed += lines
        return self.group(OTHER, tick)

    def has_place(self, name: str, tick: int) -> bool:
        """Whether a group that is in the window had a place of its own at a tick."""
        group = self.groups.get(name)
        return group is not None and group.born <= tick

    def _has_room(self, name: str, tick: int) -> bool:
        if self._since is None:
            return len(self.groups) < self._room
        return tick >= self._since.get(name, tick + 1)

    def _forget(self, group: Group) -> None:
        if not group.lines and not self.condition.waits and group.name not in self.pinned:
            self.groups.pop(group.name, None)
