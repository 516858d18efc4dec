"""All rules over all shards: takes records in, and returns what is to be said.

What it returns depends on the stream alone, not on when, how fast or in which interleaving of the
shards it was read. It does no input or output but through the history that it is given.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from analytics_engine.alarm import Alarm
from analytics_engine.clock import KEPT, Shard, decided_through
from analytics_engine.history import History
from analytics_engine.intake import Intake, Record
from analytics_engine.reference import Reference, References
from analytics_engine.rules import Rule, always
from analytics_engine.snapshot import Snapshot
from analytics_engine.top import keep
from analytics_engine.tracker import State, Tracker


class Engine:
    """Feed it with `read` and `idle`, then `advance`; `snapshot` says how to go on from there."""

    def __init__(self, history: History, snapshot: Snapshot) -> None:
        self.history = history
        self.decided = snapshot.decided
        self.counts = snapshot.counts
        self.shards = {
            name: Shard(sequence, arrival) for name, (sequence, arrival) in snapshot.shards.items()
        }
        self._ended: dict[str, Shard] = {}
        """Shards of which not all has been counted yet: a restart reads them again."""
        self.intake = Intake(history, snapshot.counts, snapshot.decided)
        self._trackers: dict[str, Tracker] = {}
        self._states = snapshot.states
        references = {name: Reference(text, name) for name, text in snapshot.references.items()}
        self._use(snapshot.rules, references)

    def change(self, rules: Sequence[Rule], references: References) -> list[Alarm]:
        """Take other rules from the next tick on.

        Save at once: the tick must be remembered. And read each shard again after its `last`: lines
        that wait may lack what the new rules need.
        """
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
        self._settle()
        self.shards |= self._ended
        self._ended = {}
        for shard in self.shards.values():
            shard.rewind()
        return alarms

    def read(self, name: str, sequence: str, records: Sequence[Record]) -> None:
        """Take in a batch; `sequence` is its last record's."""
        arrivals = [record.arrival for record in records]
        self.take(name, sequence, arrivals, self.intake.decode(records))

    def take(
        self, name: str, sequence: str, arrivals: Sequence[float], lines: Sequence[Any]
    ) -> None:
        """Take in a batch of lines (None for a record that was none), and when they arrived."""
        shard = self.shards[name]
        self.counts.records_read += len(lines)
        shard.batch(sequence, self.intake.take(shard, arrivals, lines))

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
        self._ended[name] = self.shards.pop(name)

    @property
    def awaited(self) -> list[int]:
        """Undecided ticks at which there may be something to say, as far as is known."""
        due = [tracker.awaited for tracker in self._trackers.values()]
        return [tick for tick in (*self.intake.ticks(), *due) if tick > self.decided]

    def advance(self, until: int | None = None) -> list[Alarm]:
        """Decide what can be decided, or all up to a tick."""
        if until is None:
            if not self.shards:
                return []
            until = decided_through(min(shard.read_ms for shard in self.shards.values()))
        if until <= self.decided:
            return []
        orders, tests = self.intake.fold(until)
        alarms: list[Alarm] = []
        for tracker in self._trackers.values():
            alarms += tracker.advance(tests if tracker.rule.test else orders, until)
            tracker.forget(until - KEPT)
            self.counts.in_other += tracker.window.overflowed
            tracker.window.overflowed = 0
        keep(self.history, ((t.window, t.open.values()) for t in self._trackers.values()), until)
        self.decided = self.intake.decided = until
        alarms.sort(key=lambda alarm: alarm.event_time)
        self.counts.alarms += len(alarms)
        return alarms

    def finish(self) -> list[Alarm]:
        """Let time go on without lines until what is open has closed: there are no more.

        A rule that waits for silence stays where it is: that nothing follows is no silence.
        """
        newest = max(self.intake.ticks(), default=self.decided)
        alarms = self.advance(newest)
        closing: list[Alarm] = []
        for tracker in self._trackers.values():
            if tracker.rule.comparison != "below":
                closing += tracker.advance([], newest + tracker.rule.window + tracker.rule.quiet)
        closing.sort(key=lambda alarm: alarm.event_time)
        self.counts.alarms += len(closing)
        return alarms + closing

    def snapshot(self) -> Snapshot:
        """What to save, together with the history."""
        self._settle()
        shards = self.shards | self._ended
        return Snapshot(
            self.decided,
            {name: (shard.sequence, shard.saved_ms) for name, shard in shards.items()},
            self.rules,
            self._texts(),
            {name: tracker.state() for name, tracker in self._trackers.items()},
            self.counts,
        )

    @property
    def open_incidents(self) -> list[tuple[Rule, Any]]:
        return [(t.rule, incident) for t in self._trackers.values() for incident in t.open.values()]

    def _settle(self) -> None:
        for shard in (self.shards | self._ended).values():
            shard.settle(self.decided)
        self._ended = {name: shard for name, shard in self._ended.items() if shard.waiting}

    def _texts(self) -> dict[str, str]:
        return {name: reference.text for name, reference in self.references.items()}

    def _use(
        self, rules: Sequence[Rule], references: References, same: Iterable[str] | None = None
    ) -> None:
        """Build the trackers; those of rules that are not `same` begin anew at the next tick."""
        self.rules, self.references = list(rules), dict(references)
        keys = {references[name].key for rule in rules for name in rule.references}
        self.intake.use(always(self.rules) | keys)
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
