"""Counts of long windows, in cells, in SQLite: a row a rule, group and block of cells.

A window of days is too long to be counted anew from lines after a restart. Of its cells only the
blocks that have changed are written.
"""

import sqlite3

import msgspec

SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
    stream TEXT NOT NULL,
    rule TEXT NOT NULL,
    scope TEXT NOT NULL,
    ticks INTEGER NOT NULL,  -- of a cell
    block INTEGER NOT NULL,  -- BLOCK cells, of which the first has the number block * BLOCK
    counts BLOB NOT NULL,
    PRIMARY KEY (stream, rule, scope, ticks, block)
) STRICT, WITHOUT ROWID;
"""
BLOCK = 60

Counts = dict[int, tuple[int, int]]
"""By the number of a cell: lines, and the bad ones among them."""


class Cells:
    """The cells of a stream's rules. The caller commits."""

    def __init__(self, connection: sqlite3.Connection, stream: str) -> None:
        self._sql, self._stream = connection, stream
        self._decode = msgspec.msgpack.Decoder(Counts).decode

    def read(self, rule: str, scope: str) -> dict[int, Counts]:
        """A group's counts, by the ticks of a cell."""
        found: dict[int, Counts] = {}
        sql = "SELECT ticks, counts FROM cells WHERE stream = ? AND rule = ? AND scope = ?"
        for ticks, counts in self._sql.execute(sql, (self._stream, rule, scope)):
            found.setdefault(ticks, {}).update(self._decode(counts))
        return found

    def write(self, rule: str, scope: str, ticks: int, block: int, cells: Counts) -> None:
        """Write a block of a group's cells, as it is now."""
        key = (self._stream, rule, scope, ticks, block)
        numbers = range(block * BLOCK, (block + 1) * BLOCK)
        counts = {number: cells[number] for number in numbers if number in cells}
        if counts:
            sql = "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?)"
            self._sql.execute(sql, (*key, msgspec.msgpack.encode(counts)))
        else:
            sql = (
                "DELETE FROM cells"
                " WHERE stream = ? AND rule = ? AND scope = ? AND ticks = ? AND block = ?"
            )
            self._sql.execute(sql, key)

    def forget(self, rule: str) -> None:
        """Drop all of a rule."""
        self._sql.execute("DELETE FROM cells WHERE stream = ? AND rule = ?", (self._stream, rule))
