"""The order lines of the last quarter of an hour, in SQLite: a row a save and second of event time.

From it windows come back after a restart, late lines are told from repeats, an incident finds its
top, and the past is counted again when late lines have come. It grows with the caller's
transaction and so is always as old as the checkpoint.
"""

import sqlite3
from collections.abc import Container, Iterator
from functools import lru_cache

import msgspec

from analytics_engine.line import SECOND, Bucket

Identity = tuple[str, str]
"""InvoiceNo and LineNo."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS history (
    first INTEGER PRIMARY KEY,  -- the tick of the first bucket; all are of the same second
    buckets BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS stray (
    invoice TEXT NOT NULL, line TEXT NOT NULL,
    first INTEGER NOT NULL,  -- the tick that the line's EventTime asks for
    tick INTEGER NOT NULL,   -- the tick at which it was counted first
    PRIMARY KEY (invoice, line)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS stray_first ON stray (first);
CREATE INDEX IF NOT EXISTS stray_tick ON stray (tick);
"""


class History:
    """Buckets in the order of their ticks; one tick may have one for orders and one for tests."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._sql.executescript(_SCHEMA)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Bucket]).decode
        newest = self._sql.execute("SELECT max(first) FROM history").fetchone()[0]
        self._second: int = (newest or 0) // SECOND
        self._tail: list[Bucket] = self._load(self._second)
        """The buckets of the newest second."""
        self._saved = len(self._tail)
        self._tail_identities: set[Identity] = set()
        """Of the first `_known` buckets of the tail."""
        self._known = 0
        self._ahead: int = self._sql.execute("SELECT max(first) FROM stray").fetchone()[0] or 0
        self._identities = lru_cache(maxsize=8)(self._load_identities)

    def add(self, bucket: Bucket) -> None:
        """Append a bucket."""
        second = bucket.tick // SECOND
        if second != self._second:
            self.save()
            self._second, self._tail, self._saved = second, [], 0
            self._tail_identities, self._known = set(), 0
        self._tail.append(bucket)

    def save(self) -> None:
        """Write what is not yet written."""
        if new := self._tail[self._saved :]:
            row = (new[0].tick, self._encode(new))
            self._sql.execute("INSERT INTO history VALUES (?, ?)", row)
            self._saved = len(self._tail)

    def read(
        self, first: int, last: int, seconds: Container[int] | None = None
    ) -> Iterator[Bucket]:
        """The buckets of a range of ticks, both ends included, or at least of the seconds given."""
        rows = self._sql.execute(
            "SELECT DISTINCT first / ?1 FROM history WHERE first BETWEEN ?2 AND ?3 ORDER BY 1",
            (SECOND, first // SECOND * SECOND, min(last, self._second * SECOND - 1)),
        ).fetchall()
        for (second,) in rows:
            if seconds is None or second in seconds:
                yield from (b for b in self._load(second) if first <= b.tick <= last)
        yield from (b for b in self._tail if first <= b.tick <= last)

    def stray(self, identity: Identity, first: int, tick: int) -> bool:
        """Note a line that counts at another tick than its own; False if it has counted before."""
        if first < tick and identity in self._counted(first // SECOND):
            return False
        row = (*identity, first, tick)
        if self._sql.execute("INSERT OR IGNORE INTO stray VALUES (?, ?, ?, ?)", row).rowcount == 0:
            return False
        self._ahead = max(self._ahead, first)
        return True

    def strays(self, first: int) -> set[Identity]:
        """Lines that ask for this tick and have been counted at an earlier one."""
        if first > self._ahead:
            return set()
        rows = self._sql.execute("SELECT invoice, line FROM stray WHERE first = ?", (first,))
        return set(rows)

    def expire(self, before: int) -> None:
        """Forget what is older than a tick."""
        self._sql.execute("DELETE FROM history WHERE first < ?", (before // SECOND * SECOND,))
        self._sql.execute("DELETE FROM stray WHERE tick < ?", (before,))

    def _counted(self, second: int) -> set[Identity] | frozenset[Identity]:
        if second != self._second:
            return self._identities(second) if second < self._second else frozenset()
        for bucket in self._tail[self._known :]:
            self._tail_identities |= _identities([bucket])
        self._known = len(self._tail)
        return self._tail_identities

    def _load_identities(self, second: int) -> frozenset[Identity]:
        return frozenset(_identities(self._load(second)))

    def _load(self, second: int) -> list[Bucket]:
        first = second * SECOND
        sql = "SELECT buckets FROM history WHERE first BETWEEN ? AND ? ORDER BY first"
        rows = self._sql.execute(sql, (first, first + SECOND - 1)).fetchall()
        return [bucket for (buckets,) in rows for bucket in self._decode(buckets)]


def _identities(buckets: list[Bucket]) -> set[Identity]:
    found: set[Identity] = set()
    for bucket in buckets:
        found.update(zip(bucket.columns["InvoiceNo"], bucket.columns["LineNo"], strict=True))
    return found
