"""The tables of minutes in logs."""

from collections.abc import Sequence
from typing import Any

import pymysql

from common.database import Database
from common.rejected import RejectedError
from measure_writer.measure import Table

KEPT_DAYS = 400
# What is no JSON (also on MariaDB), or breaks a constraint; pymysql takes these for passing errors.
UNSTORABLE = (3140, 3150, 3151, 3157, 3819, 4025)

Row = dict[str, Any]


def is_final(error: pymysql.Error) -> bool:
    """Whether the database will never take what it refused."""
    return isinstance(error, pymysql.DataError | pymysql.IntegrityError) or (
        isinstance(error, pymysql.OperationalError) and error.args[0] in UNSTORABLE
    )


class Tables:
    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, table: Table, rows: Sequence[Row]) -> dict[int, RejectedError]:
        """Put rows in the place of older ones; by their place, those that are refused for good.

        Raises:
            pymysql.Error: the database fails; it may take them later.
        """
        try:
            self._write(table, rows)
        except pymysql.Error as error:
            if not is_final(error):
                raise
            if len(rows) == 1:
                return {0: RejectedError(f"the database refuses it: {error}")}
            half = len(rows) // 2
            refused = self.write(table, rows[:half])
            later = self.write(table, rows[half:])
            return refused | {half + place: error for place, error in later.items()}
        return {}

    def expire(self, table: Table, count: int) -> None:
        """Delete so many rows at most that are too old."""
        with self._database.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM logs.{table.name}"
                " WHERE minute < UTC_TIMESTAMP() - INTERVAL %s DAY ORDER BY minute LIMIT %s",
                (KEPT_DAYS, count),
            )

    def _write(self, table: Table, rows: Sequence[Row]) -> None:
        columns = [*table.keys, *table.values]
        names = ", ".join(f"`{column}`" for column in columns)
        places = ", ".join(["%s"] * len(columns))
        newest = f"`{table.newest}`"
        updates = ", ".join(
            f"`{name}` = IF(VALUES({newest}) >= {newest}, VALUES(`{name}`), `{name}`)"
            for name in table.values
        )
        with self._database.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO logs.{table.name} ({names}) VALUES ({places})"
                f" ON DUPLICATE KEY UPDATE {updates}",
                [list(row.values()) for row in rows],
            )
