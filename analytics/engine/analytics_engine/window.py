"""Counts of a rule's groups over its sliding window, by what enters and leaves at each tick."""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress

from analytics_engine.grouping import thresholds, translation
from analytics_engine.line import COLUMNS, SECOND, Bucket
from analytics_engine.measure import PENCE, matching, revenue, tally
from analytics_engine.reference import UNKNOWN, References, translate
from analytics_engine.rules import RUN, Rule

OTHER = "other"
"""The group of lines whose own group would be one too many."""
NEVER = 1 << 62
"""A tick that does not come."""


class Group:
    """What a window holds of one group now."""

    __slots__ = ("amount", "born", "latest", "lines", "name", "threshold")

    def __init__(self, name: str, born: int, threshold: float) -> None:
        self.name, self.born, self.threshold = name, born, threshold
        self.lines = 0
        self.amount = 0
        self.latest: dict[str, int] = {}
        """Of distinct invoices: the tick at which the last line of each leaves."""


Entry = tuple[Group, int, int | str]
"""Lines of one group that enter together, and what they add: a number, or their invoice."""


class Window:
    """The groups of one rule. Enter buckets in the order of their ticks."""

    def __init__(self, rule: Rule, references: References, since: Mapping[str, int] | None) -> None:
        """`since` says which groups had a place of their own from when, where not all had one."""
        self.rule = rule
        self.groups: dict[str, Group] = {}
        self.pinned: set[str] = set()
        """Groups with an incident: they stay though they hold nothing."""
        self.overflowed = 0
        self.other_until = 0
        self._since = since
        self._on_time: deque[tuple[int, list[Entry]]] = deque()
        self._late: list[tuple[int, int, list[Entry]]] = []
        self.below = rule.comparison == "below"
        self._simple = rule.measure == "lines" and rule.group_by is None and rule.where is None
        self._key, self._translation = translation(rule, references)
        self._needs = {*rule.columns, *({self._key} & {*COLUMNS})}
        self._thresholds = thresholds(rule, references)

    @property
    def next_leave(self) -> int:
        """The next tick at which something leaves."""
        on_time = self._on_time[0][0] if self._on_time else NEVER
        return min(on_time, self._late[0][0]) if self._late else on_time

    def sees(self, bucket: Bucket) -> bool:
        """Whether a bucket of the history is for this rule.

        One from before a change of rules may lack what this one needs: it counts what comes then.
        """
        return bucket.test == self.rule.test and self._needs <= bucket.columns.keys()

    def seconds(self, group: Group) -> set[int]:
        """The seconds at which the lines of a group that are in the window entered."""
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
            self._take_out(*on_time.popleft(), left)
        while late and late[0][0] <= tick:
            leaving, _, entries = heapq.heappop(late)
            self._take_out(leaving, entries, left)
        return left

    def enter(self, bucket: Bucket) -> list[Entry]:
        """Count a bucket's lines."""
        if bucket.firsts is None:
            entries = self._entries(bucket, bucket.tick)
            if entries:
                self._on_time.append((bucket.tick + self.rule.window, entries))
            return entries
        entered: list[Entry] = []
        rows: dict[int, list[int]] = {}
        for row, first in enumerate(bucket.firsts):
            rows.setdefault(first + self.rule.window, []).append(row)
        for leaving, some in sorted(rows.items()):
            if leaving > bucket.tick:
                entries = self._entries(bucket.take(some), leaving - self.rule.window)
                heapq.heappush(self._late, (leaving, bucket.tick, entries))
                entered += entries
        return entered

    def value(self, group: Group) -> float:
        """What the rule measures, of one group."""
        if self.rule.measure == "share":
            return group.amount / group.lines if group.lines else 0.0
        return group.amount / PENCE if self.rule.measure == "revenue" else group.amount

    def is_hot(self, group: Group, value: float, tick: int) -> bool:
        if group.lines < self.rule.minimum_lines:
            return False
        if self.below:
            return tick >= group.born + self.rule.window and value < group.threshold
        return value >= group.threshold

    def restored(self) -> None:
        """All that was in the window has entered again; from now on there is room as usual."""
        self._since = None

    def group(self, name: str, tick: int) -> Group:
        """A group by name, made if it is new."""
        group = self.groups.get(name)
        if group is None:
            threshold = self._thresholds.get(name, self._thresholds[UNKNOWN])
            group = self.groups[name] = Group(name, tick, threshold)
        return group

    def pin(self, name: str, tick: int) -> Group:
        """Keep a group until `unpin`."""
        self.pinned.add(name)
        return self.group(name, tick)

    def unpin(self, name: str) -> None:
        self.pinned.discard(name)
        self._forget(self.groups[name])

    def _place(self, name: str, tick: int) -> Group:
        """The group that takes lines of this name: its own, or where there is no room, OTHER."""
        if name in self.groups or name == OTHER:
            return self.group(name, tick)
        if self._since is None:
            full = len(self.groups) >= self.rule.max_groups
        else:
            full = tick < self._since.get(name, tick + 1)
        if not full:
            return self.group(name, tick)
        self.other_until = tick + self.rule.window
        return self.group(OTHER, tick)

    def _forget(self, group: Group) -> None:
        if not group.lines and not self.below and group.name not in self.pinned:
            self.groups.pop(group.name, None)

    def _entries(self, bucket: Bucket, first: int) -> list[Entry]:
        rule, columns, tick = self.rule, bucket.columns, bucket.tick
        if self._simple:
            lines = len(bucket)
            group = self.group("", tick)
            group.lines += lines
            group.amount += lines
            return [(group, lines, lines)]
        chosen = matching(rule.where, columns) if rule.where is not None else None
        if chosen is not None and rule.measure != "share":
            bucket = bucket.take(row for row, match in enumerate(chosen) if match)
            columns = bucket.columns
            if not len(bucket):
                return []
        names = self.names(columns)
        if rule.measure == "invoices":
            return self._enter_invoices(names, columns["InvoiceNo"], tick, first + rule.window)
        counts = {"": len(bucket)} if names is None else tally(names)
        amounts: Mapping[str, int] = counts
        if rule.measure == "share":
            assert chosen is not None
            amounts = {"": sum(chosen)} if names is None else tally(compress(names, chosen))
        elif rule.measure == "revenue":
            amounts = revenue(names, columns["Quantity"], columns["UnitPrice"])
        entries: list[Entry] = []
        for name in self._order(counts):
            group = self.groups.get(name) or self._place(name, tick)
            lines, amount = counts[name], amounts.get(name, 0)
            group.lines += lines
            group.amount += amount
            if group.name != name:
                self.overflowed += lines
            entries.append((group, lines, amount))
        return entries

    def _enter_invoices(
        self, names: Sequence[str] | None, invoices: Sequence[str], tick: int, leaving: int
    ) -> list[Entry]:
        """An entry for each invoice of a group."""
        pairs = tally(zip(names or [""] * len(invoices), invoices, strict=True))
        crowded = len(self.groups) + len(pairs) > self.rule.max_groups
        entries: list[Entry] = []
        for (name, invoice), lines in sorted(pairs.items()) if crowded else pairs.items():
            group = self.groups.get(name) or self._place(name, tick)
            latest = group.latest
            latest[invoice] = max(leaving, latest.get(invoice, 0))
            group.lines += lines
            group.amount = len(latest)
            if group.name != name:
                self.overflowed += lines
            entries.append((group, lines, invoice))
        return entries

    def _take_out(self, leaving: int, entries: list[Entry], left: list[Group]) -> None:
        for group, lines, amount in entries:
            left.append(group)
            group.lines -= lines
            if isinstance(amount, int):
                group.amount -= amount
            elif group.latest.get(amount) == leaving:
                del group.latest[amount]
                group.amount = len(group.latest)
            if not group.lines:
                self._forget(group)

    def names(self, columns: Mapping[str, Sequence[str]]) -> Sequence[str] | None:
        """The group of each line, or None where there is but one."""
        if self._key is None:
            return None
        if self._key == RUN:
            return [invoice[1:].partition("-")[0] for invoice in columns["InvoiceNo"]]
        keys = columns[self._key]
        return keys if self._translation is None else translate(self._translation, keys)

    def _order(self, names: Mapping[str, object]) -> Iterable[str]:
        """Where there may not be room for all, who gets it must not depend on the reading order."""
        crowded = len(self.groups) + len(names) > self.rule.max_groups
        return sorted(names) if crowded else names
