"""One rule whole: it follows the lines as they come, and the past where late ones change it.

Both go on tick by tick together, so that what is said does not depend on how the stream was read.
The past is recounted once no late line has come for the rule's quiet time, so that all have come,
but not later than `clock.CAP` after the first.
"""

from collections.abc import Iterable

from analytics_engine.evaluation.alarm import Said
from analytics_engine.evaluation.corrections import recount
from analytics_engine.evaluation.late import Span, cover
from analytics_engine.evaluation.tracker import State, Tracker
from analytics_engine.records.batch import Batch
from analytics_engine.records.clock import CAP
from analytics_engine.rules.conditions import NEVER


class Evaluator:
    """Owns a rule's tracker and its span of late lines."""

    def __init__(self, tracker: Tracker, state: State) -> None:
        self.tracker = tracker
        self._recount_at = NEVER
        self._set_late(state.late)

    def state(self) -> State:
        """What the rule must remember across a restart."""
        state = self.tracker.state()
        state.late = self._late
        return state

    def advance(self, batches: Iterable[Batch], until: int) -> list[Said]:
        """Take in the lines up to a decided tick, and return what is to be said.

        A tick has one batch at most. What is open needs `top.keep` then.
        """
        said: list[Said] = []
        tracker = self.tracker
        for batch in batches:
            while (tick := min(tracker.next_event(), self._recount_at)) < batch.tick:
                self._step(tick, None, said)
            self._step(batch.tick, batch, said)
        while (tick := min(tracker.next_event(), self._recount_at)) <= until:
            self._step(tick, None, said)
        tracker.decided = until
        return said

    def _step(self, tick: int, batch: Batch | None, said: list[Said]) -> None:
        tracker = self.tracker
        tracker.step(tick, batch, said)
        if tracker.released is not None:
            self._set_late(cover(self._late, tracker.released))
            tracker.released = None
        came_late = batch is not None and batch.firsts is not None and min(batch.firsts) < tick
        if came_late and tracker.window.recounts:
            self._set_late(cover(self._late, (tick, tick)))
        if tick >= self._recount_at and self._late is not None:
            late = self._late
            self._set_late(None)
            said += [(tick, alarm) for alarm in recount(tracker, tick, late)]

    def _set_late(self, late: Span | None) -> None:
        self._late = late
        if late is None:
            self._recount_at = NEVER
        else:
            self._recount_at = min(late[1] + self.tracker.rule.quiet, late[0] + CAP)
