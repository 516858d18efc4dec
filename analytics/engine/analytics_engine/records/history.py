"""The lines of a stream's last half an hour, in SQLite: a row a save and second of event time.

From it windows come back after a restart, late lines are told from repeats, an incident finds its
top, and the past is counted again when late lines have come. It grows with the caller's
transaction and so is always as old as the checkpoint.
"""

import sqlite3
from collections.abc import Container, Iterator, Sequence
from functools import lru_cache

import msgspec

from analytics_engine.records import cells
from analytics_engine.records.batch import Batch
from analytics_engine.records.kind import Identity
from analytics_engine.records.ticks import MINUTE, SECOND

SCHEMA = f"""
CREATE TABLE IF NOT EXISTS history (
    stream TEXT NOT NULL,
    first INTEGER NOT NULL,  -- the tick of the first batch; all are of the same second
    batches BLOB NOT NULL,
    PRIMARY KEY (stream, first)
) STRICT;
CREATE TABLE IF NOT EXISTS stray (
    stream TEXT NOT NULL,
    identity TEXT NOT NULL,  -- the values of its columns, as a JSON array
    first INTEGER NOT NULL,  -- the tick that the line's moment asks for
    tick INTEGER NOT NULL,   -- the tick at which it was counted first
    PRIMARY KEY (stream, identity)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minute (
    stream TEXT NOT NULL,
    minute INTEGER NOT NULL,   -- since the epoch
    rows BLOB NOT NULL,        -- what it amounts to
    changed INTEGER NOT NULL,  -- whether some of that is still to be told
    PRIMARY KEY (stream, minute)
) STRICT;
CREATE INDEX IF NOT EXISTS stray_first ON stray (stream, first);
CREATE INDEX IF NOT EXISTS stray_tick ON stray (stream, tick);
{cells.SCHEMA}"""


class History:
    """Batches in the order of their ticks; one tick may have one, and another of lines of tests."""

    def __init__(self, connection: sqlite3.Connection, stream: str) -> None:
        """The connection must know SCHEMA. The caller commits."""
        self._sql, self._stream = connection, stream
        self.cells = cells.Cells(connection, stream)
        """What is remembered for longer, as counts."""
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(list[Batch]).decode
        self._identity: Sequence[str] = ()
        self._second: int = self._newest("history") // SECOND
        self._tail: list[Batch] = self._load(self._second)
        """The batches of the newest second."""
        self._saved = len(self._tail)
        self._tail_identities: set[Identity] = set()
        """Of the first `_known` batches of the tail."""
        self._known = 0
        self._ahead: int = self._newest("stray")
        self._identities = lru_cache(maxsize=8)(self._load_identities)

    def identify(self, columns: Sequence[str]) -> None:
        """Tell lines from repeats by these columns from now on."""
        if list(columns) != list(self._identity):
            self._identity = columns
            self._tail_identities, self._known = set(), 0
            self._identities.cache_clear()

    def add(self, batch: Batch) -> None:
        """Append a batch."""
        second = batch.tick // SECOND
        if second != self._second:
            self.save()
            self._second, self._tail, self._saved = second, [], 0
            self._tail_identities, self._known = set(), 0
        self._tail.append(batch)

    def save(self) -> None:
        """Write what is not yet written."""
        if new := self._tail[self._saved :]:
            kept = [(batch.tick, batch.test, batch.columns, batch.firsts) for batch in new]
            row = (self._stream, new[0].tick, self._encode(kept))
            self._sql.execute("INSERT INTO history VALUES (?, ?, ?)", row)
            self._saved = len(self._tail)

    def read(self, first: int, last: int, seconds: Container[int] | None = None) -> Iterator[Batch]:
        """The batches of a range of ticks, both ends included, or at least of the seconds given."""
        rows = self._sql.execute(
            "SELECT DISTINCT first / ?1 FROM history WHERE stream = ?2 AND first BETWEEN ?3 AND ?4"
            " ORDER BY 1",
            (SECOND, self._stream, first // SECOND * SECOND, min(last, self._second * SECOND - 1)),
        ).fetchall()
        for (second,) in rows:
            if seconds is None or second in seconds:
                yield from (b for b in self._load(second) if first <= b.tick <= last)
        yield from (b for b in self._tail if first <= b.tick <= last)

    def next(self, tick: int) -> int | None:
        """A tick after another before which nothing follows it; None where nothing does at all."""
        if tick >= (self._tail[-1].tick if self._tail else tick):
            return None
        second = (tick + 1) // SECOND * SECOND
        sql = "SELECT min(first) FROM history WHERE stream = ? AND first >= ?"
        saved = self._sql.execute(sql, (self._stream, second)).fetchone()[0]
        tail = next((batch.tick for batch in self._tail if batch.tick > tick), None)
        found = [max(known, tick + 1) for known in (saved, tail) if known is not None]
        return min(found, default=None)

    def stray(self, identity: Identity, first: int, tick: int) -> bool:
        """Note a line that counts at another tick than its own; False if it has counted before."""
        if first < tick and identity in self._counted(first // SECOND):
            return False
        row = (self._stream, msgspec.json.encode(identity).decode(), first, tick)
        sql = "INSERT OR IGNORE INTO stray VALUES (?, ?, ?, ?)"
        if self._sql.execute(sql, row).rowcount == 0:
            return False
        self._ahead = max(self._ahead, first)
        return True

    def strays(self, first: int) -> set[Identity]:
        """Lines that ask for this tick and have been counted at an earlier one."""
        if first > self._ahead:
            return set()
        sql = "SELECT identity FROM stray WHERE stream = ? AND first = ?"
        rows = self._sql.execute(sql, (self._stream, first))
        return {tuple(msgspec.json.decode(identity)) for (identity,) in rows}

    def expire(self, before: int) -> None:
        """Forget what is older than a tick."""
        for table, column, tick in (
            ("history", "first", before // SECOND * SECOND),
            ("stray", "tick", before),
            ("minute", "minute", before // MINUTE),
        ):
            sql = f"DELETE FROM {table} WHERE stream = ? AND {column} < ?"
            self._sql.execute(sql, (self._stream, tick))

    def minute(self, minute: int) -> bytes | None:
        """What was kept of a minute."""
        sql = "SELECT rows FROM minute WHERE stream = ? AND minute = ?"
        row = self._sql.execute(sql, (self._stream, minute)).fetchone()
        return row and row[0]

    def keep_minute(self, minute: int, rows: bytes, changed: bool) -> None:
        """Keep what a minute amounts to; `changed`: some of it is still to be told."""
        row = (self._stream, minute, rows, changed)
        self._sql.execute("INSERT OR REPLACE INTO minute VALUES (?, ?, ?, ?)", row)

    def forget_minutes(self) -> None:
        """Keep none of them any more."""
        self._sql.execute("DELETE FROM minute WHERE stream = ?", (self._stream,))

    def changed_minutes(self) -> list[int]:
        """Minutes of which something is still to be told."""
        sql = "SELECT minute FROM minute WHERE stream = ? AND changed"
        return [minute for (minute,) in self._sql.execute(sql, (self._stream,))]

    def _newest(self, table: str) -> int:
        sql = f"SELECT max(first) FROM {table} WHERE stream = ?"
        return self._sql.execute(sql, (self._stream,)).fetchone()[0] or 0

    def _counted(self, second: int) -> set[Identity] | frozenset[Identity]:
        if second != self._second:
            return self._identities(second) if second < self._second else frozenset()
        for batch in self._tail[self._known :]:
            self._tail_identities |= self._identities_of([batch])
        self._known = len(self._tail)
        return self._tail_identities

    def _load_identities(self, second: int) -> frozenset[Identity]:
        return frozenset(self._identities_of(self._load(second)))

    def _load(self, second: int) -> list[Batch]:
        first = second * SECOND
        sql = (
            "SELECT batches FROM history WHERE stream = ? AND first BETWEEN ? AND ? ORDER BY first"
        )
        rows = self._sql.execute(sql, (self._stream, first, first + SECOND - 1)).fetchall()
        return [batch for (batches,) in rows for batch in self._decode(batches)]

    def _identities_of(self, batches: list[Batch]) -> set[Identity]:
        """Batches from before the kind got another identity tell none."""
        found: set[Identity] = set()
        for batch in batches:
            if batch.columns.keys() >= set(self._identity):
                found.update(zip(*(batch.columns[name] for name in self._identity), strict=True))
        return found
