"""How far each mapping has got in each shard, in SQLite."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from event_source.shards import Shard

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE mapping (uuid TEXT PRIMARY KEY, first_seen REAL NOT NULL) STRICT;
CREATE TABLE shard (
    mapping TEXT NOT NULL,
    id TEXT NOT NULL,
    start TEXT NOT NULL,
    sequence TEXT,
    records INTEGER NOT NULL DEFAULT 0,
    finished INTEGER NOT NULL DEFAULT 0 CHECK (finished IN (0, 1)),
    PRIMARY KEY (mapping, id, start)
) STRICT;
"""


class StateError(Exception):
    """The state cannot be opened."""


@dataclass(frozen=True)
class Position:
    """The last record that was handled (None: none yet), and whether the shard is finished."""

    sequence: str | None
    finished: bool


class Checkpoints:
    """The state of all mappings. Every method is one transaction; any thread may call.

    Rows of mappings that are gone are kept: they are few, and a Lambda API that has lost its state
    for a moment must not cost us the positions.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(
                path, timeout=0, isolation_level=None, check_same_thread=False
            )
            # Exclusive: a second poller on the same state would hand everything over twice.
            self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("BEGIN IMMEDIATE")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"{path}: {error}") from error
        if version == 0:
            self._db.executescript(
                f"BEGIN; {SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        elif version != SCHEMA_VERSION:
            raise StateError(f"{path}: made by another version ({version})")

    def close(self) -> None:
        self._db.close()

    def first_seen(self, mapping: str, now: float) -> float:
        """When the mapping was first seen (`now`, if that is now): what LATEST means for good."""
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO mapping VALUES (?, ?)", (mapping, now))
            query = "SELECT first_seen FROM mapping WHERE uuid = ?"
            return self._db.execute(query, (mapping,)).fetchone()[0]

    def position(self, mapping: str, shard: Shard) -> Position:
        with self._lock:
            row = self._db.execute(
                "SELECT sequence, finished FROM shard WHERE (mapping, id, start) = (?, ?, ?)",
                (mapping, shard.id, shard.start),
            ).fetchone()
        return Position(row[0], bool(row[1])) if row else Position(None, False)

    def advance(self, mapping: str, shard: Shard, sequence: str, records: int) -> None:
        """Everything up to `sequence` is handled: `records` more than before."""
        with self._lock:
            self._db.execute(
                "INSERT INTO shard (mapping, id, start, sequence, records) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET sequence = excluded.sequence,"
                " records = records + excluded.records",
                (mapping, shard.id, shard.start, sequence, records),
            )

    def finish(self, mapping: str, shard: Shard) -> None:
        """The shard was closed and every record of it is handled."""
        with self._lock:
            self._db.execute(
                "INSERT INTO shard (mapping, id, start, finished) VALUES (?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET finished = 1",
                (mapping, shard.id, shard.start),
            )

    def records(self, mapping: str) -> int:
        """Records handled for the mapping, ever."""
        query = "SELECT coalesce(sum(records), 0) FROM shard WHERE mapping = ?"
        with self._lock:
            return self._db.execute(query, (mapping,)).fetchone()[0]
