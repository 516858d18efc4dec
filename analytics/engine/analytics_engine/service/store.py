"""What survives a restart, in one SQLite file: every save is one transaction."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from analytics_engine.errors import StateError
from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.engine import Engine
from analytics_engine.evaluation.snapshot import Snapshot
from analytics_engine.records import history
from analytics_engine.records.kind import Kind, Source

VERSION = 3

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS checkpoint (stream TEXT PRIMARY KEY, snapshot BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL, alarm BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS measure (
    number INTEGER PRIMARY KEY AUTOINCREMENT, minute TEXT NOT NULL, measure BLOB NOT NULL
) STRICT;
{history.SCHEMA}
"""

# There was one stream, and a line was identified by two columns.
_FROM_2 = f"""
BEGIN;
ALTER TABLE checkpoint RENAME TO checkpoint_2;
ALTER TABLE history RENAME TO history_2;
ALTER TABLE stray RENAME TO stray_2;
DROP INDEX stray_first;
DROP INDEX stray_tick;
{_SCHEMA}
INSERT INTO checkpoint SELECT 'orders', snapshot FROM checkpoint_2;
INSERT INTO history SELECT 'orders', first, buckets FROM history_2;
INSERT INTO stray SELECT 'orders', json_array(invoice, line), first, tick FROM stray_2;
DROP TABLE checkpoint_2;
DROP TABLE history_2;
DROP TABLE stray_2;
PRAGMA user_version = 3;
COMMIT;
"""


class _Saved(msgspec.Struct):
    """Of a snapshot the kind alone."""

    kind: Kind | None = None


class Store:
    """Checkpoints, histories, and the alarms that are still to be sent (a transactional outbox)."""

    def __init__(self, path: Path | str, measured: bool = False) -> None:
        """`measured`: the engines tell what each minute amounts to.

        Raises StateError where another version wrote the file.
        """
        self._measured = measured
        self._sql = sqlite3.connect(path, isolation_level=None)
        # NORMAL: a power cut may cost the newest saves, never their agreement; they are read again.
        self._sql.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
        version = self._sql.execute("PRAGMA user_version").fetchone()[0]
        if version == 2:
            self._sql.executescript(_FROM_2)
        elif version not in (0, VERSION):
            raise StateError(f"{path} is of version {version}, this engine writes {VERSION}")
        self._sql.executescript(f"{_SCHEMA} PRAGMA user_version = {VERSION};")
        self._sql.execute("BEGIN")

    def engine(self, stream: str, source: Source) -> Engine:
        """The engine of a stream, as it was saved or new; `source` says what the stream holds."""
        row = self._sql.execute(
            "SELECT snapshot FROM checkpoint WHERE stream = ?", (stream,)
        ).fetchone()
        snapshot = msgspec.msgpack.decode(row[0], type=Snapshot) if row else Snapshot()
        return Engine(history.History(self._sql, stream), snapshot, source, self._measured)

    def kinds(self) -> dict[str, Kind]:
        """What the streams held whose state is saved, as far as that says so."""
        rows = self._sql.execute("SELECT stream, snapshot FROM checkpoint").fetchall()
        found = {stream: msgspec.msgpack.decode(saved, type=_Saved).kind for stream, saved in rows}
        return {stream: kind for stream, kind in found.items() if kind is not None}

    def save(
        self, engines: Mapping[str, Engine], alarms: Sequence[Alarm] = (), sent: int = 0
    ) -> None:
        """Save the engines' state, add alarms to the outbox, and drop those that were sent."""
        for stream, engine in engines.items():
            measures = engine.save()
            self._sql.executemany(
                "INSERT INTO measure (minute, measure) VALUES (?, ?)",
                [(one["minute"], msgspec.json.encode(one)) for one in measures],
            )
            snapshot = msgspec.msgpack.encode(engine.snapshot())
            self._sql.execute("INSERT OR REPLACE INTO checkpoint VALUES (?, ?)", (stream, snapshot))
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

    def measures(self, limit: int = 500) -> list[tuple[int, str, bytes]]:
        """Number, minute and JSON of measures to be sent, oldest first."""
        sql = "SELECT number, minute, measure FROM measure ORDER BY 1 LIMIT ?"
        return self._sql.execute(sql, (limit,)).fetchall()

    def measured(self, number: int) -> None:
        """Drop the measures up to a number: they were sent. Lasts from the next save on."""
        self._sql.execute("DELETE FROM measure WHERE number <= ?", (number,))

    def waiting(self, sent: int) -> int:
        """How many alarms are still to be sent."""
        sql = "SELECT count(*) FROM outbox WHERE number > ?"
        return self._sql.execute(sql, (sent,)).fetchone()[0]

    def close(self) -> None:
        """Give up what was not saved."""
        self._sql.execute("ROLLBACK")
        self._sql.close()
