"""One rule over the lines as they come: its window, its groups' incidents, and what it says."""

import heapq
from collections.abc import Iterable

import msgspec

from analytics_engine.evaluation.alarm import Alarm, Said
from analytics_engine.evaluation.announce import announce
from analytics_engine.evaluation.burn import BurnWindow, Saved
from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.late import Past, Span, cover
from analytics_engine.evaluation.rule_minutes import RuleMinute, Watch
from analytics_engine.evaluation.top import count, keep
from analytics_engine.evaluation.window import Window
from analytics_engine.records.batch import Batch
from analytics_engine.records.history import History
from analytics_engine.records.kind import BURN, Kind
from analytics_engine.rules.conditions import NEVER
from analytics_engine.rules.measures import Entry, Group, Number
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Rule


class State(msgspec.Struct):
    """What a rule must remember across a restart; its window comes back from the history."""

    incidents: list[Incident] = []
    born: dict[str, int] = {}
    """When the groups of a rule that waits for silence were first seen."""
    emptied: dict[str, int] = {}
    """Since when those that hold nothing do so."""
    since: dict[str, int] | None = None
    """Which groups have a place of their own and from when, where there was no room for all."""
    late: Span | None = None
    """Between which ticks late lines have come for which the past is not yet recounted."""
    burns: dict[str, Saved] = {}
    """What is remembered of a burn rate beside its cells, by group."""
    fresh: bool = False
    """Whether no tick has been decided by it."""
    minute: RuleMinute | None = None
    """What it has seen of the minute that it is in, where that is told."""


class Tracker:
    """Evaluates one rule, tick by tick; what cannot change at a tick is passed over."""

    def __init__(
        self,
        rule: Rule,
        kind: Kind,
        references: References,
        history: History | Past,
        state: State,
        decided: int,
        fresh: bool = False,
        measured: bool = False,
    ) -> None:
        """`fresh`: the rule was not in force when the last tick was decided.

        `measured`: what it sees in each minute is to be told.
        """
        self.rule, self.kind, self.history, self.decided = rule, kind, history, decided
        self.references = references
        self.window = _window(rule, kind, references, history, state, decided)
        self.condition = self.window.condition
        self.open: dict[str, Incident] = {}
        self.closed = [incident for incident in state.incidents if incident.closed is not None]
        self.released: Span | None = None
        """Between which ticks late lines came for incidents that have closed since."""
        self._waits = self.condition.waits
        self._only_lines_raise = self.window.measure.only_lines_raise and not self._waits
        self._fresh = fresh or state.fresh
        self._keeps_tops = isinstance(history, Past)
        self.watch = Watch(rule, None if fresh else state.minute, decided) if measured else None
        self._stepped = decided
        self._timers: list[tuple[int, str]] = []
        """When something is due of an open incident; `_due` says which entries still hold."""
        self._due: dict[str, int] = {}
        for scope, born in state.born.items():
            self.window.group(scope, born)
        for batch in filter(
            self.window.sees, history.read(decided - self.window.history + 1, decided)
        ):
            self.window.leave(batch.tick)
            self.window.enter(batch)
        self.window.leave(decided)
        for incident in state.incidents:
            if incident.closed is None:
                self.open[incident.scope] = incident
                self.window.pin(incident.scope, decided)
                self._plan(incident)
        self.window.restored()
        self.window.settle(decided)
        if self._waits:
            for group in self.window.groups.values():
                if not group.lines:
                    self.window.wait(group, state.emptied.get(group.name, decided))
        self._note_spending()
        if fresh and self.condition.waits and rule.group_by is None and decided:
            self.window.group("", decided)

    def state(self) -> State:
        """What to remember; late lines are not its own to remember."""
        groups = self.window.groups.values()
        return State(
            [*self.open.values(), *self.closed],
            {group.name: group.born for group in groups} if self._waits else {},
            {group.name: self.window.emptied[group.name] for group in groups if not group.lines}
            if self._waits and self.rule.group_by is not None
            else {},
            {group.name: group.born for group in groups}
            if self.window.other_until > self.decided
            else None,
            burns=self.window.saved() if isinstance(self.window, BurnWindow) else {},
            fresh=self._fresh,
            minute=self.watch and self.watch.state,
        )

    def advance(self, batches: Iterable[Batch], until: int) -> list[Said]:
        """Take in the lines up to a decided tick, and return what is to be said.

        A tick has one batch at most. What is open needs `top.keep` then.
        """
        said: list[Said] = []
        for batch in batches:
            while (tick := self.next_event()) < batch.tick:
                self.step(tick, None, said)
            self.step(batch.tick, batch, said)
        while (tick := self.next_event()) <= until:
            self.step(tick, None, said)
        self.decided = until
        return said

    def forget(self, before: int) -> None:
        """Drop closed incidents that no late line can reach any more."""
        if self.closed:
            self.closed = [i for i in self.closed if i.closed is not None and i.closed >= before]

    def close_all(self, tick: int, reason: str) -> list[Alarm]:
        """Close every incident because the rule is no more."""
        alarms = []
        for incident in list(self.open.values()):
            incident.keep_hot(tick + 1)
            group = self.window.group(incident.scope, tick)
            alarms.append(self._close(tick, group, incident, reason))
        return alarms

    def replay(self, past: Past, scopes: Iterable[str], start: int) -> "Tracker":
        """This rule, about to decide the past anew from a tick on."""
        born = {name: group.born for name, group in self.window.groups.items()}
        state = State(
            born={scope: born.get(scope, start) for scope in scopes}
            if self.condition.waits
            else {},
            since=dict.fromkeys(scopes, 0),
        )
        return Tracker(self.rule, self.kind, self.references, past, state, start - 1, fresh=True)

    @property
    def awaited(self) -> int:
        """When something is due of an open incident."""
        return self._timers[0][0] if self._timers else self.decided

    def next_event(self) -> int:
        """The next tick at which something may be due though no lines come."""
        if self._fresh:
            return self.decided + 1
        # Counts that only fall open nothing.
        found = self.window.next_leave if self.open or not self._only_lines_raise else NEVER
        timers = self._timers
        while timers and self._due.get(timers[0][1]) != timers[0][0]:
            heapq.heappop(timers)
        if timers and timers[0][0] < found:
            found = timers[0][0]
        if self._waits and (due := self.window.next_due) < found:
            found = due
        watch = self.watch
        # Where nothing is known nothing is to be told.
        if (
            watch is not None
            and watch.next_event < found
            and (self.window.groups or not watch.is_empty)
        ):
            found = watch.next_event
        return found

    def step(self, tick: int, batch: Batch | None, said: list[Said]) -> None:
        """Decide one tick, and add what is to be said."""
        window, incidents = self.window, self.open
        watch = self.watch
        if begins := watch is not None and tick >= watch.next_event:
            self._begin_minute(tick, watch)
        left = window.leave(tick)
        entries = window.enter(batch) if batch is not None else ()
        self._stepped = tick
        if incidents:
            self._go_on(tick, left, entries, said)
        settled: Iterable[Group] = ()
        if self._waits:
            settled = window.settle(tick)
            for group in window.forgotten(tick):
                self._forget(tick, group, said)
        if self._fresh:
            candidates = list(window.groups.values())
            self._fresh = False
        elif self._only_lines_raise:
            candidates = [group for group, _, _ in entries if group.amount >= group.threshold]
            if watch is not None and not begins:
                self._see(tick, [entry[0] for entry in entries])
        else:
            # One that emptied and filled at this tick is another object now.
            current = [window.groups.get(group.name, group) for group in left]
            candidates = [*settled, *current, *(group for group, _, _ in entries)]
            if watch is not None and not begins:
                self._see(tick, candidates)
        if begins:
            self._see(tick, list(window.groups.values()))
        if not candidates:
            return
        hot = {
            group.name: (group, value)
            for group in candidates
            if group.name not in incidents
            and window.is_hot(group, value := window.value(group), tick)
        }
        if hot:  # not in the order of the reading
            said += [(tick, self._open(tick, *hot[name])) for name in sorted(hot)]

    def _begin_minute(self, tick: int, watch: Watch) -> None:
        """Tell what was seen in a minute that is over, at the first tick after it."""
        if isinstance(self.window, BurnWindow):
            watch.spend(self.window.minutes)
        watch.end(tick, self.open.values())
        self._note_spending()

    def _note_spending(self) -> None:
        if self.watch is not None and isinstance(self.window, BurnWindow):
            self.window.counted = self.watch.state.spent

    def _see(self, tick: int, groups: Iterable[Group]) -> None:
        """Take in values that may have gone further, where they are judged."""
        watch, window = self.watch, self.window
        if watch is None:
            return
        value_of, sign, kept = window.value, watch.sign, watch.state.kept
        least = max(self.rule.minimum_lines, not self._waits)
        for group in groups:
            value = value_of(group)
            known = kept.get(group.name)
            if sign * value < watch.bound if known is None else sign * value <= sign * known.value:
                continue
            if group.lines >= least and not (self._waits and tick < group.born + self.rule.window):
                watch.keep(group, value)

    def _forget(self, tick: int, group: Group, said: list[Said]) -> None:
        """Wait no longer for a group: what it may still have to say, it says now."""
        if (incident := self.open.get(group.name)) is not None:
            incident.keep_hot(tick)
            said.append((tick, self._close(tick, group, incident, "silent for a day: forgotten")))
        self.window.drop(group)

    def _open(self, tick: int, group: Group, value: Number) -> Alarm:
        self.window.pin(group.name, tick)
        lines = group.lines
        incident = Incident(group.name, tick, tick, value, tick, lines, lines, lines)
        incident.pair = self.window.pair(group)
        seconds = self.window.seconds(group) if self.rule.group_by is not None else None
        before = tick - self.rule.window
        count(self.history, [(self.window, [incident])], before, tick, seconds)
        self.open[group.name] = incident
        self._plan(incident)
        if self.watch is not None:
            self.watch.opens(group.name)
            self._see(tick, [group])
        return announce(self.window, "OPEN", tick, incident, group, value)

    def _go_on(
        self, tick: int, left: Iterable[Group], entries: Iterable[Entry], said: list[Said]
    ) -> None:
        """Bring the incidents on to which something happens at a tick, or of which it is due."""
        incidents = self.open
        touched = {group.name for group in left if group.name in incidents}
        for group, lines, _ in entries:
            if (known := incidents.get(group.name)) is not None:
                touched.add(group.name)
                known.total += lines
        while self._timers and self._timers[0][0] <= tick:
            due, scope = heapq.heappop(self._timers)
            if self._due.get(scope) == due:
                touched.add(scope)
        for scope in sorted(touched):
            self._bring_on(tick, incidents[scope], said)

    def _bring_on(self, tick: int, incident: Incident, said: list[Said]) -> None:
        group, rule = self.window.groups[incident.scope], self.rule
        value = self.window.value(group)
        incident.keep_hot(tick)
        was_hot = incident.hot
        hot = self.window.is_hot(group, value, tick)
        incident.step(tick, hot, value, group.lines, self.condition)
        self._see(tick, [group])
        due = incident.due(tick, rule.quiet, rule.reminder)
        pair = self.window.pair(group)
        if pair is not None and incident.pair is not None and pair < incident.pair:
            incident.pair, due = pair, "REMINDER"
        if due == "CLOSE":
            said.append((tick, self._close(tick, group, incident)))
            return
        if due == "REMINDER":
            said.append((tick, announce(self.window, "REMINDER", tick, incident, group, value)))
        # Else what is noted still holds.
        if incident.hot != was_hot or self._due.get(incident.scope, tick) <= tick:
            self._plan(incident)

    def _plan(self, incident: Incident) -> None:
        """Note when something is due of an incident though nothing happens."""
        due = incident.next_event(self.rule.quiet, self.rule.reminder, self._stepped)
        if due is None:
            self._due.pop(incident.scope, None)
        elif self._due.get(incident.scope) != due:
            self._due[incident.scope] = due
            heapq.heappush(self._timers, (due, incident.scope))

    def _close(
        self, tick: int, group: Group, incident: Incident, reason: str | None = None
    ) -> Alarm:
        incident.closed = tick
        if self.watch is not None:
            hot = self.watch.state.hot
            hot[incident.scope] = hot.get(incident.scope, 0) + incident.hot_ticks
        topped = [(self.window, [incident])]
        keep(self.history, topped, tick)
        count(self.history, topped, incident.topped, incident.last_hot)
        value = self.window.value(group)
        alarm = announce(self.window, "CLOSE", tick, incident, group, value, reason)
        del self.open[group.name]
        self._due.pop(group.name, None)
        self.window.unpin(group.name)
        self.closed.append(incident)
        if incident.late is not None:
            self.released, incident.late = cover(self.released, incident.late), None
        if not self._keeps_tops:  # a correction counts anew, and takes those of the past
            incident.top = {}
        return alarm


def _window(
    rule: Rule,
    kind: Kind,
    references: References,
    history: History | Past,
    state: State,
    decided: int,
) -> Window:
    if rule.measure == BURN and isinstance(history, History):
        return BurnWindow(rule, kind, references, history.cells, state.burns, decided)
    return Window(rule, kind, references, state.since)
