"""All rules over all shards: takes records in, and returns what is to be said.

What it returns depends on the stream alone, not on when, how fast or in which interleaving of the
shards it was read. It does no input or output but through the history that it is given.
"""

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, Protocol

import msgspec

from analytics_engine.alarm import Alarm
from analytics_engine.clock import (
    AHEAD_MS,
    HORIZON,
    KEPT,
    LATENESS_MS,
    Shard,
    arrival_tick,
    decided_through,
)
from analytics_engine.history import History, Identity
from analytics_engine.line import (
    TICK_MS,
    Bucket,
    Ticks,
    first_tick,
    line_type,
    milliseconds,
)
from analytics_engine.reference import Reference, References
from analytics_engine.rules import Rule, always
from analytics_engine.tracker import State, Tracker

TEST_INVOICE = "V"
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


class Counts(msgspec.Struct):
    """What has been seen since the first record."""

    records_read: int = 0
    unreadable: int = 0
    lines_counted: int = 0
    repeated: int = 0
    late: int = 0
    too_late: int = 0
    ahead: int = 0
    unexpected: int = 0
    """Lines of an arrival up to which their shard had been taken as read."""
    in_other: int = 0
    """Lines of groups that were one too many, over all rules."""
    alarms: int = 0


class Snapshot(msgspec.Struct):
    """All that the engine must remember, but for the history."""

    decided: int = 0
    shards: dict[str, tuple[str | None, int]] = {}
    """Position (the last record that has been counted) and arrival there."""
    rules: list[Rule] = []
    references: dict[str, str] = {}
    states: dict[str, State] = {}
    counts: Counts = msgspec.field(default_factory=Counts)


class Engine:
    """Feed it with `read` and `idle`, then `advance`; `snapshot` says how to go on from there."""

    def __init__(self, history: History, snapshot: Snapshot) -> None:
        self.history = history
        self.decided = snapshot.decided
        self.counts = snapshot.counts
        self.shards = {
            name: Shard(sequence, arrival) for name, (sequence, arrival) in snapshot.shards.items()
        }
        self._ticks = Ticks()
        self._on_time: dict[int, list[Any]] = {}
        self._strays: dict[int, list[_Stray]] = {}
        self._trackers: dict[str, Tracker] = {}
        self._states = snapshot.states
        references = {name: Reference(text, name) for name, text in snapshot.references.items()}
        self._use(snapshot.rules, references)

    def change(self, rules: Sequence[Rule], references: References) -> list[Alarm]:
        """Take other rules from the next tick on. Save at once: the tick must be remembered."""
        texts = {name: reference.text for name, reference in references.items()}
        if list(rules) == self.rules and texts == self._texts():
            return []
        old = self._trackers
        same = {
            rule.name
            for rule in rules
            if rule.name in old
            and old[rule.name].rule == rule
            and all(_same(self.references, references, name) for name in rule.references)
        }
        kept = {
            rule.name for rule in rules if rule.name in old and _alike(old[rule.name].rule, rule)
        }
        alarms: list[Alarm] = []
        for name, tracker in old.items():
            if name not in kept:
                there = any(rule.name == name for rule in rules)
                reason = "the rule was changed" if there else "the rule was removed"
                alarms += tracker.close_all(self.decided, reason)
        self._states = {name: old[name].state() for name in kept}
        self.counts.alarms += len(alarms)
        self._use(rules, references, same)
        return alarms

    def read(self, name: str, sequence: str, records: Sequence[Record]) -> None:
        """Take in a batch; `sequence` is its last record's."""
        arrivals = [record.arrival for record in records]
        self.take(name, sequence, arrivals, self._decode_all(records))

    def take(
        self, name: str, sequence: str, arrivals: Sequence[float], lines: Sequence[Any]
    ) -> None:
        """Take in a batch of lines (None for a record that was none), and when they arrived."""
        shard, counts = self.shards[name], self.counts
        counts.records_read += len(lines)
        ticks, on_time, decided = self._ticks, self._on_time, self.decided
        latest = shard.arrival_ms / 1000
        # Of lines that arrived at `latest`, those that ask for these ticks count there.
        low = ahead = 0.0
        for arrival, line in zip(arrivals, lines, strict=True):
            if arrival > latest or not ahead:
                latest = max(arrival, latest)
                low = latest * _TICKS - _LATENESS
                if low <= decided:
                    low = decided + 1
                ahead = latest * _TICKS + _AHEAD
            if line is None:
                continue
            tick = ticks.get(line.EventTime[:21])
            if tick is None or len(line.EventTime) != 24:
                try:
                    tick = ticks.of(line.EventTime)
                except (ValueError, OverflowError):
                    counts.unreadable += 1
                    continue
            if low <= tick <= ahead:
                if tick in on_time:
                    on_time[tick].append(line)
                else:
                    on_time[tick] = [line]
            else:
                self._stray(line, tick, round(latest * 1000))
        shard.batch(sequence, round(latest * 1000))

    def idle(self, name: str, request_ms: int) -> None:
        """A request made then found a shard read to its end."""
        self.shards[name].idle(request_ms)

    def open_shard(self, name: str, parent: str | None = None) -> None:
        """Follow another shard; it holds back the ticks from where its parent stood."""
        if name not in self.shards:
            self.shards[name] = Shard()
            if parent in self.shards:
                self.shards[name].read_ms = self.shards[parent].read_ms

    def close_shard(self, name: str) -> None:
        """A shard has been read to its end for ever: open its children first."""
        del self.shards[name]

    @property
    def awaited(self) -> list[int]:
        """Undecided ticks at which there may be something to say, as far as is known."""
        due = [tracker.awaited for tracker in self._trackers.values()]
        return [tick for tick in (*self._on_time, *self._strays, *due) if tick > self.decided]

    def advance(self, until: int | None = None) -> list[Alarm]:
        """Decide what can be decided, or all up to a tick."""
        if until is None:
            if not self.shards:
                return []
            until = decided_through(min(shard.read_ms for shard in self.shards.values()))
        if until <= self.decided:
            return []
        orders, tests = self._fold(until)
        alarms: list[Alarm] = []
        for tracker in self._trackers.values():
            alarms += tracker.advance(tests if tracker.rule.test else orders, until)
            tracker.forget(until - KEPT)
            self.counts.in_other += tracker.window.overflowed
            tracker.window.overflowed = 0
        self.decided = until
        alarms.sort(key=lambda alarm: alarm.event_time)
        self.counts.alarms += len(alarms)
        return alarms

    def finish(self) -> list[Alarm]:
        """Let time go on without lines until what is open has closed: there are no more.

        A rule that waits for silence stays where it is: that nothing follows is no silence.
        """
        newest = max([*self._on_time, *self._strays], default=self.decided)
        alarms = self.advance(newest)
        for tracker in self._trackers.values():
            if tracker.rule.comparison != "below":
                alarms += tracker.advance([], newest + tracker.rule.window + tracker.rule.quiet)
        alarms.sort(key=lambda alarm: alarm.event_time)
        return alarms

    def snapshot(self) -> Snapshot:
        """What to save, together with the history."""
        for shard in self.shards.values():
            shard.settle(self.decided)
        return Snapshot(
            self.decided,
            {name: (shard.sequence, shard.saved_ms) for name, shard in self.shards.items()},
            self.rules,
            self._texts(),
            {name: tracker.state() for name, tracker in self._trackers.items()},
            self.counts,
        )

    @property
    def open_incidents(self) -> list[tuple[Rule, Any]]:
        return [(t.rule, incident) for t in self._trackers.values() for incident in t.open.values()]

    def _texts(self) -> dict[str, str]:
        return {name: reference.text for name, reference in self.references.items()}

    def _use(
        self, rules: Sequence[Rule], references: References, same: Iterable[str] | None = None
    ) -> None:
        """Build the trackers; those of rules that are not `same` begin anew at the next tick."""
        self.rules, self.references = list(rules), dict(references)
        keys = {references[name].key for rule in rules for name in rule.references}
        columns = sorted(always(self.rules) | keys)
        self._columns = [(column, attrgetter(column)) for column in columns]
        self.line = line_type(columns)
        self._decode = msgspec.json.Decoder(self.line).decode
        old = self._trackers
        self._trackers = {
            rule.name: old[rule.name]
            if same is not None and rule.name in same
            else Tracker(
                rule,
                references,
                self.history,
                self._states.get(rule.name, State()),
                self.decided,
                fresh=same is not None,
            )
            for rule in rules
        }
        self._states = {}

    def _decode_all(self, records: Sequence[Record]) -> list[Any]:
        """The order lines, None for a record that is none."""
        decode = self._decode
        try:
            return [decode(record.data) for record in records]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return [self._decode_or_none(record) for record in records]

    def _decode_or_none(self, record: Record) -> Any:
        try:
            return self._decode(record.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.counts.unreadable += 1
            return None

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

    def _fold(self, until: int) -> tuple[list[Bucket], list[Bucket]]:
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
                self.history.add(test)
                bucket = bucket.take(row for row, kind in enumerate(kinds) if kind != TEST_INVOICE)
                if not len(bucket):
                    continue
            orders.append(bucket)
            self.history.add(bucket)
        return orders, tests

    def _unique(self, tick: int, lines: list[Any]) -> tuple[list[Any], None]:
        """Lines at their own tick, without repeats: these have the same EventTime."""
        keys = [(line.InvoiceNo, line.LineNo) for line in lines]
        known = self.history.strays(tick)
        if known or len(set(keys)) != len(keys):
            unique = {key: line for key, line in zip(keys, lines, strict=True) if key not in known}
            self.counts.repeated += len(lines) - len(unique)
            lines = list(unique.values())
        return lines, None

    def _with_strays(
        self, tick: int, lines: list[Any], strays: list[_Stray]
    ) -> tuple[list[Any], list[int] | None]:
        firsts = [tick] * len(lines)
        for own, asked, line, unexpected in strays:
            identity: Identity = (line.InvoiceNo, line.LineNo)
            if self.history.stray(identity, asked, tick):
                lines.append(line)
                firsts.append(own)
                self.counts.late += own < tick
                self.counts.unexpected += unexpected
            else:
                self.counts.repeated += 1
        return lines, firsts


def _same(old: References, new: References, name: str) -> bool:
    return name in old and name in new and old[name].text == new[name].text


def _alike(old: Rule, new: Rule) -> bool:
    """Whether incidents of the one can go on as incidents of the other."""
    return (old.measure, old.where, old.group_by, old.comparison, old.test) == (
        new.measure,
        new.where,
        new.group_by,
        new.comparison,
        new.test,
    )
