"""One rule over the order lines: its window, its groups' incidents, and what it says."""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from analytics_engine.alarm import Alarm, Kind, incident_id
from analytics_engine.history import History
from analytics_engine.incident import Incident
from analytics_engine.line import SECOND, TOP_COLUMNS, Bucket, at
from analytics_engine.reference import References
from analytics_engine.rules import UNITS, Rule
from analytics_engine.top import merge, shown
from analytics_engine.window import Group, Window, matching

TOP_EVERY = 60 * SECOND
"""An open incident's top is brought up to date this often, to need no older history."""


class State(msgspec.Struct):
    """What a rule must remember across a restart; its window comes back from the history."""

    incidents: list[Incident] = []
    born: dict[str, int] = {}
    """When the groups of a rule that waits for silence were first seen."""
    since: dict[str, int] | None = None
    """Which groups have a place of their own and from when, where there was no room for all."""


class Tracker:
    """Evaluates one rule, tick by tick; ticks at which nothing can change are passed over."""

    def __init__(
        self,
        rule: Rule,
        references: References,
        history: History,
        state: State,
        decided: int,
        fresh: bool = False,
    ) -> None:
        """`fresh`: the rule was not in force when the last tick was decided."""
        self.rule, self.history, self.decided = rule, history, decided
        self.window = Window(rule, references, state.since)
        self.open: dict[str, Incident] = {}
        self._below = rule.comparison == "below"
        self._plain = not self._below and rule.measure in ("lines", "invoices")
        self._fresh = fresh
        self._stepped = decided
        for scope, born in state.born.items():
            self.window.group(scope, born)
        for bucket in history.read(decided - rule.window + 1, decided):
            if bucket.test == rule.test:
                self.window.leave(bucket.tick)
                self.window.enter(bucket)
        self.window.leave(decided)
        for incident in state.incidents:
            self.open[incident.scope] = incident
            self.window.pin(incident.scope, decided)
        self.window.restored()
        if fresh and self._below and rule.group_by is None and decided:
            self.window.group("", decided)

    def state(self) -> State:
        groups = self.window.groups.values()
        return State(
            list(self.open.values()),
            {group.name: group.born for group in groups} if self._below else {},
            {group.name: group.born for group in groups}
            if self.window.other_until > self.decided
            else None,
        )

    def advance(self, buckets: Sequence[Bucket], until: int) -> list[Alarm]:
        """Take in the lines up to a decided tick, and return what is to be said.

        A tick has one bucket at most.
        """
        alarms: list[Alarm] = []
        for bucket in buckets:
            self._pass(bucket.tick - 1, alarms)
            self._step(bucket.tick, bucket, alarms)
        self._pass(until, alarms)
        self.decided = until
        for incident in self.open.values():
            while incident.last_hot >= incident.topped + TOP_EVERY:
                self._count_top(incident, incident.topped + TOP_EVERY)
        return alarms

    def close_all(self, tick: int, reason: str) -> list[Alarm]:
        """Close every incident because the rule is no more."""
        alarms = []
        for incident in list(self.open.values()):
            group = self.window.group(incident.scope, tick)
            alarms.append(self._close(tick, group, incident, reason))
        return alarms

    def _pass(self, until: int, alarms: list[Alarm]) -> None:
        """Go on to a tick to which no lines come."""
        while (tick := self._next_event()) is not None and tick <= until:
            self._step(tick, None, alarms)

    def _next_event(self) -> int | None:
        if self._fresh:
            return self.decided + 1
        if not self.open and self._plain:
            return None  # counts that only fall open nothing
        events = [self.window.next_leave()]
        rule = self.rule
        for incident in self.open.values():
            events.append(incident.next_event(rule.quiet, rule.reminder, self._stepped))
        if self._below:
            starts = [group.born + rule.window for group in self.window.groups.values()]
            events += [start for start in starts if start > self._stepped]
        return min((tick for tick in events if tick is not None), default=None)

    def _step(self, tick: int, bucket: Bucket | None, alarms: list[Alarm]) -> None:
        """Decide one tick."""
        window, incidents = self.window, self.open
        for incident in incidents.values():
            incident.keep_hot(tick)
        left = window.leave(tick)
        entries = window.enter(bucket) if bucket is not None else ()
        if incidents:
            for group, lines, _ in entries:
                if (known := incidents.get(group.name)) is not None:
                    known.total += lines
            for known in list(incidents.values()):
                self._go_on(tick, known, alarms)
        self._stepped = tick
        if self._fresh or self._below:
            candidates: Iterable[Group] = list(window.groups.values())
            self._fresh = False
        elif self._plain and not self.rule.minimum_lines:
            candidates = [group for group, _, _ in entries if group.amount >= group.threshold]
        else:
            candidates = dict.fromkeys([*left, *(group for group, _, _ in entries)])
        for group in candidates:
            if group.name not in incidents and window.is_hot(group, tick):
                alarms.append(self._open(tick, group))

    def _open(self, tick: int, group: Group) -> Alarm:
        self.window.pin(group.name, tick)
        value, lines = self.window.value(group), group.lines
        incident = Incident(group.name, tick, tick, value, tick, lines, lines, lines)
        incident.topped = tick - self.rule.window
        self._count_top(incident, tick)
        self.open[group.name] = incident
        return self._alarm("OPEN", tick, group, incident)

    def _go_on(self, tick: int, incident: Incident, alarms: list[Alarm]) -> None:
        group, rule = self.window.groups[incident.scope], self.rule
        hot = self.window.is_hot(group, tick)
        incident.step(tick, hot, self.window.value(group), group.lines, not self._below)
        said = incident.said(tick, rule.quiet, rule.reminder)
        if said == "REMINDER":
            alarms.append(self._alarm("REMINDER", tick, group, incident))
        elif said == "CLOSE":
            alarms.append(self._close(tick, group, incident))

    def _close(
        self, tick: int, group: Group, incident: Incident, reason: str | None = None
    ) -> Alarm:
        incident.closed = tick
        self._count_top(incident, incident.last_hot)
        alarm = self._alarm("CLOSE", tick, group, incident, reason)
        del self.open[group.name]
        self.window.unpin(group.name)
        return alarm

    def _count_top(self, incident: Incident, until: int) -> None:
        """Count the lines since last time into the incident's top; at first those of the window."""
        rule, scope = self.rule, incident.scope
        after = incident.opened - rule.window
        counters = {column: Counter[str]() for column in TOP_COLUMNS}
        for bucket in self.history.read(incident.topped + 1, until):
            if bucket.test != rule.test:
                continue
            columns = bucket.columns
            rows: Iterable[int] = range(len(bucket))
            if bucket.firsts is not None:
                rows = [row for row in rows if bucket.firsts[row] > after]
            if rule.where is not None:
                chosen = matching(rule.where, columns)
                rows = [row for row in rows if chosen[row]]
            if (names := self.window.names(columns)) is not None:
                rows = [row for row in rows if names[row] == scope]
            for column, counter in counters.items():
                values = columns[column]
                counter.update([values[row] for row in rows])
        incident.top = {
            column: merge(incident.top.get(column, {}), counter)
            for column, counter in counters.items()
        }
        incident.topped = until

    def _alarm(
        self, kind: Kind, tick: int, group: Group, incident: Incident, reason: str | None = None
    ) -> Alarm:
        rule, opening = self.rule, kind == "OPEN"
        told = {column: shown(counts) for column, counts in incident.top.items()}
        alarm = Alarm(
            incident_id=incident_id(rule.name, incident.scope, incident.opened),
            rule=rule.name,
            scope=incident.scope,
            kind=kind,
            sequence=incident.sequence,
            event_time=at(tick),
            opened_at=at(incident.opened),
            order_count=group.lines,
            value=self.window.value(group),
            unit=UNITS[rule.measure],
            threshold=group.threshold,
            window_seconds=rule.window_seconds,
            severity=rule.severity,
            late=incident.late,
            test=rule.test,
            peak=None if opening else incident.peak,
            total=None if opening else incident.total_hot,
            duration_seconds=None if opening else (tick - incident.opened) / SECOND,
            top=None if kind == "REMINDER" else told,
            reason=msgspec.UNSET if reason is None else reason,
        )
        incident.sequence += 1
        return alarm
