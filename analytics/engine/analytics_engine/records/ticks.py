"""The ticks in which event time is counted, as indices since the epoch."""

from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta

TICK_MS = 100
SECOND = 1000 // TICK_MS
"""Ticks a second."""
MINUTE = 60 * SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(moment: str) -> int:
    """Milliseconds since the epoch; ValueError unless it is RFC 3339 with a zone.

    The first and the last year are refused: what is reckoned from a moment must be one as well.
    """
    parsed = datetime.fromisoformat(moment)
    if parsed.tzinfo is None or not MINYEAR < parsed.year < MAXYEAR:
        raise ValueError(f"no zone, or no year to reckon with, in {moment!r}")
    return (parsed - _EPOCH) // _MILLISECOND


def rfc3339(milliseconds: int) -> str:
    """Milliseconds since the epoch as RFC 3339, UTC, with milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"


def at(tick: int) -> str:
    """A tick as RFC 3339."""
    return rfc3339(tick * TICK_MS)


def first_tick(milliseconds: int) -> int:
    """The first tick at which a line of that time counts: the first one after it."""
    return milliseconds // TICK_MS + 1


def minute_of(tick: int) -> int:
    """The minute, since the epoch, of lines that count from a tick on."""
    return (tick - 1) // MINUTE


class Ticks(dict[str, int]):
    """First ticks by the part of a moment that tells them, `2026-01-31T12:00:00.1`.

    They hold for moments of which the rest is one of TAILS.
    """

    PREFIX = 21
    TAILS = frozenset(f"{hundredths:02}Z" for hundredths in range(100))
    LIMIT = 10_000

    def of(self, moment: str) -> int:
        """The tick of a moment that is not known yet; ValueError if it is none."""
        tick = first_tick(milliseconds(moment))
        if moment[self.PREFIX :] in self.TAILS:
            if len(self) >= self.LIMIT:
                self.clear()
            self[moment[: self.PREFIX]] = tick
        return tick
