"""The surge rule, counted anew at every tick: slow, and sharing nothing with the engines."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

# Milliseconds.
TICK = 100
LATENESS = 500


class Alarm(NamedTuple):
    kind: str
    tick: int
    """Milliseconds since the epoch."""
    count: int


def surges(
    lines: list[tuple[int, int]], threshold: int, window: int, quiet: int, reminder: int
) -> Iterator[Alarm]:
    """The alarms over (EventTime, arrival) of order lines, everything in milliseconds.

    A tick counts what had arrived when it was decided. Ticks go on after the last line until
    nothing can happen any more.
    """
    times = sorted(time for time, _ in lines)
    late = [(time, arrival) for time, arrival in lines if arrival > time + LATENESS]
    opened = last_hot = None
    tick = times[0] // TICK * TICK
    while tick <= times[-1] + window + quiet + TICK:
        count = bisect_left(times, tick) - bisect_left(times, tick - window)
        count -= sum(
            tick - window <= time < tick and arrival > tick + LATENESS for time, arrival in late
        )
        if count >= threshold:
            if opened is None:
                opened = tick
                yield Alarm("OPEN", tick, count)
            elif (tick - opened) % reminder == 0:
                yield Alarm("REMINDER", tick, count)
            last_hot = tick
        elif opened is not None and tick == last_hot + quiet:
            yield Alarm("CLOSE", tick, count)
            opened = None
        tick += TICK
