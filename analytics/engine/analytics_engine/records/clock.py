"""When a line counts, and when a tick is decided: a function of what is on the stream.

A record's arrival is the running maximum of ApproximateArrivalTimestamp on its shard, and the
shard's watermark the arrival through which it has been read. A tick is decided when the watermark
of every open shard has passed the tick + the stream's lateness; a line that arrived later than
that is late and cannot count there any more. Lines that arrived in the very millisecond of a record
may still follow it, so a record moves its shard's watermark to the millisecond before.
"""

from collections import deque
from collections.abc import Iterable

from analytics_engine.records.ticks import SECOND, TICK_MS

AHEAD_MS = 5_000
"""How far a moment may be ahead of the arrival before it is not believed."""
IDLE_MARGIN_MS = 250
"""A record put before a request may still become readable after it, but not by more than this."""
HORIZON = 15 * 60 * SECOND
"""Ticks for which a late line still counts where it belongs."""
CAP = 5 * 60 * SECOND
"""Ticks for which further late lines are waited for."""
KEPT = HORIZON + CAP + 900 * SECOND
"""Ticks of history: the oldest late line needs the window before it."""


def arrival_tick(arrival_ms: int, lateness_ms: int) -> int:
    """The first tick that is decided with what arrived then."""
    return -((lateness_ms - arrival_ms) // TICK_MS)


def decided_through(watermark_ms: int, lateness_ms: int) -> int:
    """The last tick that is decided once all that arrived until then has been read."""
    return (watermark_ms - lateness_ms) // TICK_MS


def next_read(
    regular_ms: float, interval_ms: float, awaited: Iterable[int], lateness_ms: int
) -> float:
    """When to read a shard that may be read again at `regular_ms`.

    A read that could decide none of the awaited ticks waits, up to an interval, for those that are
    about to be decidable: else they would have to wait for the next one.
    """
    ready = [tick * TICK_MS + lateness_ms + IDLE_MARGIN_MS for tick in awaited]
    if not ready or min(ready) <= regular_ms:
        return regular_ms
    return max((ms for ms in ready if ms < regular_ms + interval_ms), default=regular_ms)


class Shard:
    """How far one shard has been read, and from where it is read again after a restart."""

    def __init__(self, sequence: str | None = None, arrival_ms: int = 0) -> None:
        self.sequence = self.last = sequence
        """Read up to `last`; after a restart to be read again from `sequence`."""
        self.arrival_ms = self.saved_ms = arrival_ms
        self.watermark_ms = arrival_ms - 1
        self._unsettled: deque[tuple[str, int, int]] = deque()

    def read_through(self, sequence: str, arrival_ms: int) -> None:
        """All up to a record has been read."""
        self.last, self.arrival_ms = sequence, arrival_ms
        self.watermark_ms = max(self.watermark_ms, arrival_ms - 1)
        # Nothing that was read can count later than this tick.
        last = (arrival_ms + AHEAD_MS) // TICK_MS + 1
        self._unsettled.append((sequence, arrival_ms, last))

    def idle(self, request_ms: int) -> None:
        """A request made then found nothing more."""
        self.watermark_ms = max(self.watermark_ms, request_ms - IDLE_MARGIN_MS)

    def rewind(self) -> None:
        """Begin again where a restart would."""
        self.last, self.arrival_ms = self.sequence, self.saved_ms
        self.watermark_ms = self.saved_ms - 1
        self._unsettled.clear()

    @property
    def waiting(self) -> bool:
        """Whether something read has not been counted yet, as far as is settled."""
        return bool(self._unsettled)

    def settle(self, decided: int) -> None:
        """Move the restart position behind what has been counted."""
        while self._unsettled and self._unsettled[0][2] <= decided:
            self.sequence, self.saved_ms, _ = self._unsettled.popleft()
