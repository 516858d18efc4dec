"""One rule over the order lines: its window, its groups' incidents, and what it says."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence

import msgspec

from analytics_engine.alarm import Alarm, Kind, incident_id
from analytics_engine.clock import CAP, KEPT
from analytics_engine.history import History
from analytics_engine.incident import Incident
from analytics_engine.late import Past, Span, meets, near, touched
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
    late: Span | None = None
    """Between which ticks late lines have come that are not yet reckoned with."""


class Tracker:
    """Evaluates one rule, tick by tick; ticks at which nothing can change are passed over."""

    def __init__(
        self,
        rule: Rule,
        references: References,
        history: History | Past,
        state: State,
        decided: int,
        fresh: bool = False,
    ) -> None:
        """`fresh`: the rule was not in force when the last tick was decided."""
        self.rule, self.history, self.decided = rule, history, decided
        self.window = Window(rule, references, state.since)
        self._references = references
        self.open: dict[str, Incident] = {}
        self.closed = [incident for incident in state.incidents if incident.closed is not None]
        self._late = state.late
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
            if incident.closed is None:
                self.open[incident.scope] = incident
                self.window.pin(incident.scope, decided)
        self.window.restored()
        if fresh and self._below and rule.group_by is None and decided:
            self.window.group("", decided)

    def state(self) -> State:
        groups = self.window.groups.values()
        return State(
            [*self.open.values(), *self.closed],
            {group.name: group.born for group in groups} if self._below else {},
            {group.name: group.born for group in groups}
            if self.window.other_until > self.decided
            else None,
            self._late,
        )

    def advance(self, buckets: Iterable[Bucket], until: int) -> list[Alarm]:
        """Take in the lines up to a decided tick, and return what is to be said.

        A tick has one bucket at most.
        """
        alarms: list[Alarm] = []
        for bucket in buckets:
            self._pass(bucket.tick - 1, alarms)
            self._step(bucket.tick, bucket, alarms)
        self._pass(until, alarms)
        self.decided = until
        self._keep_tops()
        return alarms

    def forget(self, before: int) -> None:
        """Drop closed incidents that no late line can reach any more."""
        self.closed = [i for i in self.closed if i.closed is not None and i.closed >= before]

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
        rule = self.rule
        events: list[int | None] = []
        if self._late is not None:
            events.append(self._late_due(self._late))
        if self.open or not self._plain:  # counts that only fall open nothing
            events.append(self.window.next_leave())
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

        if bucket is not None and bucket.firsts is not None and min(bucket.firsts) < tick:
            self._late = _cover(self._late, (tick, tick))
        if self._late is not None and tick >= self._late_due(self._late):
            late, self._late = self._late, None
            alarms += self._reckon(tick, late)

    def _open(self, tick: int, group: Group) -> Alarm:
        self.window.pin(group.name, tick)
        value, lines = self.window.value(group), group.lines
        incident = Incident(group.name, tick, tick, value, tick, lines, lines, lines)
        seconds = self.window.seconds(group) if self.rule.group_by is not None else None
        self._count_tops([incident], tick - self.rule.window, tick, seconds)
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

    def _late_due(self, late: Span) -> int:
        return min(late[1] + self.rule.quiet, late[0] + CAP)

    def _reckon(self, tick: int, late: Span) -> list[Alarm]:
        """Count the past again with the late lines that were taken in between two ticks."""
        quiet = self.rule.quiet
        spans = touched(self.history, self.window, late)
        if not spans:
            return []
        for incident in self.open.values():
            if any(near(incident, span, quiet) for span in spans):
                # It is corrected when it has closed.
                incident.late = _cover(incident.late, late)
        known = [i for i in self.closed if any(near(i, span, quiet) for span in spans)]
        start = min([*(span.first for span in spans), *(i.began for i in known)])
        scopes = {span.scope for span in spans}
        past = Past(self.history, self.window, scopes, (start - self.rule.window, tick))
        again = self._again(past, scopes, start)
        alarms = again.advance(past.read(start, tick), tick)
        corrections = [
            correction
            for incident in known
            if (correction := self._correct(tick, incident, again)) is not None
        ]
        everything = [*self.closed, *self.open.values()]
        for found in again.closed:
            if not any(meets(found, incident, quiet) for incident in everything):
                found.sequence = 2
                self.closed.append(found)
                corrections += [
                    msgspec.structs.replace(alarm, sequence=int(alarm.kind == "CLOSE"), late=True)
                    for alarm in alarms
                    if alarm.scope == found.scope
                    and alarm.opened_at == at(found.opened)
                    and alarm.kind != "REMINDER"
                ]
        return corrections

    def _again(self, past: Past, scopes: Iterable[str], start: int) -> "Tracker":
        """This rule, about to decide the past anew from a tick on."""
        born = {name: group.born for name, group in self.window.groups.items()}
        state = State(
            born={scope: born.get(scope, start) for scope in scopes} if self._below else {},
            since=dict.fromkeys(scopes, 0),
        )
        return Tracker(self.rule, self._references, past, state, start - 1, fresh=True)

    def _correct(self, tick: int, incident: Incident, again: "Tracker") -> Alarm | None:
        """What is to be said of a closed incident now, if anything has changed."""
        quiet = self.rule.quiet
        told = (incident.peak, incident.total_hot, incident.closed)
        same = [i for i in (*again.closed, *again.open.values()) if meets(i, incident, quiet)]
        group = again.group_at(incident.scope, incident.opened)
        peak, peak_tick, lines = self.window.value(group), incident.opened, group.lines
        total, closed = group.lines, incident.opened
        tops: dict[str, dict[str, int]] = {}
        if same:
            best = (min if self._below else max)(same, key=lambda i: i.peak)
            peak, peak_tick, lines = best.peak, best.peak_tick, best.peak_lines
            total = sum(i.total_hot for i in same)
            closed = max(i.last_hot for i in same) + quiet
            incident.earlier = max(incident.opened - min(i.opened for i in same), 0)
            for one in same:
                for column in TOP_COLUMNS:
                    tops[column] = merge(tops.get(column, {}), one.top.get(column, {}))
        if incident.opened - self.rule.window < tick - KEPT:  # its beginning is no longer known
            closed, total = max(closed, incident.closed or 0), max(total, incident.total_hot)
            if not self._below and incident.peak > peak:
                peak, peak_tick, lines = incident.peak, incident.peak_tick, incident.peak_lines
        if (peak, total, closed) == told:
            return None
        incident.peak, incident.peak_tick, incident.peak_lines = peak, peak_tick, lines
        incident.total_hot, incident.closed = total, closed
        incident.last_hot = max(closed - quiet, incident.opened)
        alarm = self._alarm("CORRECTION", peak_tick, group, incident)
        return msgspec.structs.replace(
            alarm,
            order_count=lines,
            value=peak,
            duration_seconds=(closed - incident.opened) / SECOND,
            top={column: shown(counts) for column, counts in tops.items()},
        )

    def group_at(self, scope: str, tick: int) -> Group:
        """A group as it is at a tick for which the history is there."""
        window = Window(self.rule, self._references, {scope: 0})
        for bucket in self.history.read(tick - self.rule.window + 1, tick):
            window.enter(bucket)
        window.leave(tick)
        return window.group(scope, tick)

    def _close(
        self, tick: int, group: Group, incident: Incident, reason: str | None = None
    ) -> Alarm:
        incident.closed = tick
        self._keep_tops()
        self._count_tops([incident], incident.topped, incident.last_hot)
        alarm = self._alarm("CLOSE", tick, group, incident, reason)
        del self.open[group.name]
        self.window.unpin(group.name)
        self.closed.append(incident)
        if incident.late is not None:
            self._late = _cover(self._late, incident.late)
        incident.top, incident.late = {}, None
        return alarm

    def _keep_tops(self) -> None:
        """Bring the tops of open incidents up to date, in one go for those that are due at once."""
        due: dict[Span, list[Incident]] = {}
        for incident in self.open.values():
            until = incident.topped - incident.topped % TOP_EVERY + TOP_EVERY
            while incident.last_hot >= until:
                due.setdefault((incident.topped, until), []).append(incident)
                until += TOP_EVERY
        for (topped, until), incidents in sorted(due.items(), key=lambda item: item[0]):
            self._count_tops(incidents, max(topped, until - TOP_EVERY), until)

    def _count_tops(
        self,
        incidents: Sequence[Incident],
        after: int,
        until: int,
        seconds: Container[int] | None = None,
    ) -> None:
        """Count the lines of some ticks into tops; none from before an incident's window."""
        rule = self.rule
        found: dict[str, dict[str, list[str]]] = {
            i.scope: {name: [] for name in TOP_COLUMNS} for i in incidents
        }
        oldest = {i.scope: i.opened - rule.window for i in incidents}
        for bucket in self.history.read(after + 1, until, seconds):
            if bucket.test != rule.test:
                continue
            columns, firsts = bucket.columns, bucket.firsts
            rows: dict[str, list[int]] = {scope: [] for scope in found}
            if (names := self.window.names(columns)) is None:
                rows[""] = list(range(len(bucket)))
            else:
                for row, name in enumerate(names):
                    if name in rows:
                        rows[name].append(row)
            chosen = matching(rule.where, columns) if rule.where is not None else None
            for scope, some in rows.items():
                if chosen is not None:
                    some = [row for row in some if chosen[row]]
                if firsts is not None:
                    some = [row for row in some if firsts[row] > oldest[scope]]
                for column, gathered in found[scope].items():
                    values = columns[column]
                    gathered += [values[row] for row in some]
        for incident in incidents:
            for column, gathered in found[incident.scope].items():
                incident.top[column] = merge(incident.top.get(column, {}), Counter(gathered))
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
            late=False,
            test=rule.test,
            peak=None if opening else incident.peak,
            total=None if opening else incident.total_hot,
            duration_seconds=None if opening else (tick - incident.opened) / SECOND,
            top=None if kind == "REMINDER" else told,
            reason=msgspec.UNSET if reason is None else reason,
        )
        incident.sequence += 1
        return alarm


def _cover(one: Span | None, other: Span) -> Span:
    return other if one is None else (min(one[0], other[0]), max(one[1], other[1]))
