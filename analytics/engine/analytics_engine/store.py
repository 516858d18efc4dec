"""What survives a restart, in one SQLite file: every save is one transaction."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from analytics_engine.alarm import Alarm
from analytics_engine.clock import KEPT
from analytics_engine.engine import Engine
from analytics_engine.history import History
from analytics_engine.snapshot import Snapshot

VERSION = 2

_SCHEMA = """
CREATE TABLE IF NOT EXISTS checkpoint (
    id INTEGER PRIMARY KEY CHECK (id = 1), snapshot BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL, alarm BLOB NOT NULL
) STRICT;
"""

# Rows of the history were numbered by their second.
_FROM_1 = """
BEGIN;
ALTER TABLE history RENAME COLUMN second TO first;
UPDATE history SET first = -first * 10;  -- none may meet another on its way
UPDATE history SET first = -first;
PRAGMA user_version = 2;
COMMIT;
"""


class StoreError(Exception):
    """The state cannot be used."""


class Store:
    """Checkpoint, history, and the alarms that are still to be sent (a transactional outbox)."""

    def __init__(self, path: Path | str) -> None:
        self._sql = sqlite3.connect(path, isolation_level=None)
        # NORMAL: a power cut may cost the newest saves, never their agreement; they are read again.
        self._sql.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        version = self._sql.execute("PRAGMA user_version").fetchone()[0]
        if version == 1:
            self._sql.executescript(_FROM_1)
        elif version not in (0, VERSION):
            raise StoreError(f"{path} is of version {version}, this engine writes {VERSION}")
        self._sql.executescript(f"{_SCHEMA} PRAGMA user_version = {VERSION};")
        self.history = History(self._sql)
        self._sql.execute("BEGIN")

    def load(self) -> Snapshot:
        row = self._sql.execute("SELECT snapshot FROM checkpoint").fetchone()
        return msgspec.msgpack.decode(row[0], type=Snapshot) if row else Snapshot()

    def save(self, engine: Engine, alarms: Sequence[Alarm] = (), sent: int = 0) -> None:
        """Save the engine's state, add alarms to the outbox, and drop those that were sent."""
        self.history.save()
        self.history.expire(engine.decided - KEPT)
        snapshot = msgspec.msgpack.encode(engine.snapshot())
        self._sql.execute("INSERT OR REPLACE INTO checkpoint VALUES (1, ?)", (snapshot,))
        self._sql.executemany(
            "INSERT INTO outbox (incident_id, alarm) VALUES (?, ?)",
            [(alarm.incident_id, msgspec.json.encode(alarm)) for alarm in alarms],
        )
        self._sql.execute("DELETE FROM outbox WHERE number <= ?", (sent,))
        self._sql.execute("COMMIT")
        self._sql.execute("BEGIN")

    def outbox(self, sent: int, limit: int = 500) -> list[tuple[int, str, bytes]]:
        """Number, incident and JSON of alarms to be sent after number `sent`, oldest first."""
        sql = "SELECT number, incident_id, alarm FROM outbox WHERE number > ? ORDER BY 1 LIMIT ?"
        return self._sql.execute(sql, (sent, limit)).fetchall()

    def waiting(self, sent: int) -> int:
        """How many alarms are still to be sent."""
        sql = "SELECT count(*) FROM outbox WHERE number > ?"
        return self._sql.execute(sql, (sent,)).fetchone()[0]

    def close(self) -> None:
        """Give up what was not saved."""
        self._sql.execute("ROLLBACK")
        self._sql.close()
