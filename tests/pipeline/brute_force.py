"""The surge rule, counted anew at every tick: slow, and sharing nothing with the engines."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

TICK = 100  # milliseconds


class Alarm(NamedTuple):
    kind: str
    tick: int
    """Milliseconds since the epoch."""
    count: int


def surges(
    times: list[int], threshold: int, window: int, quiet: int, reminder: int
) -> Iterator[Alarm]:
    """The alarms over the event times of order lines, everything in milliseconds.

    Ticks go on after the last line until nothing can happen any more.
    """
    times = sorted(times)
    opened = last_hot = None
    tick = times[0] // TICK * TICK
    while tick <= times[-1] + window + quiet + TICK:
        count = bisect_left(times, tick) - bisect_left(times, tick - window)
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
