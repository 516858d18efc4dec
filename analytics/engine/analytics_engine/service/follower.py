"""One stream as it is followed: its engine, and the read that is on its way.

Reads wait on a thread of the stream's own, so that one that stands still holds up no other; all
else happens where `collect` and `request` are called.
"""

import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from analytics_engine.errors import IteratorExpired, StreamError
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.engine import Engine
from analytics_engine.records.clock import next_read
from analytics_engine.rules.files import Definitions
from analytics_engine.service.streams import Answer, Shard

log = logging.getLogger("analytics-engine")

RETRY_SECONDS = 1.0
SPREAD_MS = 10_000
"""How far a shard may be read ahead of the slowest: bounds what waits in memory."""
LIST = ""
"""In the place of a shard: all of them are to be listed."""


class Source(Protocol):
    """What `streams.Source` is to a follower."""

    interval: float
    """Seconds between two reads of a shard."""

    def shards(self) -> list[Shard]: ...
    def read(self, shard: str, after: str | None) -> Answer: ...
    def due(self, shard: str) -> float: ...
    def forget(self) -> None: ...


Read = tuple[str, int, Answer, Sequence[Shard]]
"""The shard, when it was asked (ms since the epoch), what it said, and its children if it ended."""


class Follower:
    """Follows one stream from where its engine stands."""

    def __init__(self, name: str, engine: Engine, source: Source) -> None:
        self.name, self.engine = name, engine
        self.errors: dict[str, str] = {}
        """What is wrong now, by shard."""
        self._source = source
        self._retry: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1, f"read-{name}")
        self.reading: Future[Read] | None = None
        """The read that is on its way."""
        self._asked = LIST
        self._outdated = False
        """Whether what is on its way is of a position that counts no more."""

    def change(self, definitions: Definitions) -> list[Alarm] | None:
        """Take other rules; None where none of them concerns this stream."""
        alarms = self.engine.change(*definitions.of(self.name))
        if alarms is not None:
            # The thread may be using what is to be forgotten.
            self._outdated = self.reading is not None
            if not self._outdated:
                self._source.forget()
        return alarms

    def collect(self) -> None:
        """Take in what the read on its way has brought, if it is there."""
        if self.reading is None or not self.reading.done():
            return
        reading, self.reading = self.reading, None
        if self._outdated:
            self._outdated = False
            self._source.forget()
            return
        try:
            name, asked_ms, answer, shards = reading.result()
        except IteratorExpired:
            return
        except StreamError as error:
            self._fail(self._asked, error)
            return
        self.errors.pop(self._asked, None)
        if name == LIST:
            for shard in shards:
                self.engine.open_shard(shard.name)
            return
        if answer.records:
            self.engine.read(name, answer.records[-1].sequence, answer.records)
        elif answer.next and not answer.behind_ms:
            self.engine.idle(name, asked_ms)
        if not answer.next:
            self._end(name, shards)

    def request(self) -> None:
        """Send the next read on its way, if one is due."""
        if self.reading is not None or not self.engine.reads:
            return
        name = self._next()
        if name is not None:
            last = None if name == LIST else self.engine.shards[name].last
            self._asked = name
            self.reading = self._thread.submit(_read, self._source, name, last)

    @property
    def due(self) -> float:
        """Seconds (of the monotonic clock) at which something is to be read; infinite for never."""
        if not self.engine.reads:
            return math.inf
        return min(map(self._when, self.engine.shards or [LIST]))

    def close(self) -> None:
        """Wait for no read."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> str | None:
        """The shard to be read now: of those that are due the one furthest behind."""
        now, shards = time.monotonic(), self.engine.shards
        if not shards:
            return LIST if self._when(LIST) <= now else None
        slowest = min(shard.watermark_ms for shard in shards.values())
        names = [
            name
            for name, shard in shards.items()
            if shard.watermark_ms <= slowest + SPREAD_MS and self._when(name) <= now
        ]
        return min(names, key=lambda name: shards[name].watermark_ms, default=None)

    def _when(self, shard: str) -> float:
        """Seconds (of the monotonic clock) at which to read a shard."""
        regular = max(self._source.due(shard), self._retry.get(shard, 0.0))
        wall = time.time() - time.monotonic()
        interval_ms = self._source.interval * 1000
        awaited, lateness_ms = self.engine.awaited, self.engine.source.lateness_ms
        return next_read((regular + wall) * 1000, interval_ms, awaited, lateness_ms) / 1000 - wall

    def _end(self, name: str, shards: Sequence[Shard]) -> None:
        """Follow the shard's children, once all their parents have ended."""
        followed = self.engine.shards.keys() - {name}
        for shard in shards:
            if name in shard.parents and not followed & set(shard.parents):
                self.engine.open_shard(shard.name, name)
        self.engine.close_shard(name)
        log.info("shard %s of %s has ended", name, self.name)

    def _fail(self, shard: str, error: StreamError) -> None:
        """Say it once, and do not try again at once."""
        message = f"{self.name}{'/' if shard else ''}{shard}: {error}"
        if self.errors.get(shard) != message:
            log.error("%s", message)
        self.errors[shard] = message
        self._retry[shard] = time.monotonic() + RETRY_SECONDS


def _read(source: Source, shard: str, after: str | None) -> Read:
    """On the stream's thread."""
    asked_ms = int(time.time() * 1000)
    if shard == LIST:
        return shard, asked_ms, Answer([]), source.shards()
    answer = source.read(shard, after)
    return shard, asked_ms, answer, () if answer.next else source.shards()
