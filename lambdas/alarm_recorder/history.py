"""The rows of logs.logs_history."""

import json

import pymysql

from alarm_recorder.alarm import Alarm
from common.database import Database
from common.rejected import RejectedError

DUPLICATE = 1062
# What is no JSON (also on MariaDB), or too big or deep; pymysql takes these for passing errors.
UNSTORABLE = (3140, 3150, 3151, 3157, 4025)

# Columns that are named otherwise than the alarm's field.
COLUMNS = {"event_time": "alarm_creation_time", "order_count": "Number_of_orders"}
JSON = ("top", "expected", "context")


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, alarm: Alarm) -> bool:
        """Store the alarm; False if it was there already.

        Raises:
            RejectedError: the database refuses it for good.
            pymysql.Error: the database fails; it may take it later.
        """
        row = {COLUMNS.get(name, name): value for name, value in alarm.items()}
        row |= {name: json.dumps(row[name]) for name in JSON if row[name] is not None}
        columns = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        insert = f"INSERT INTO logs.logs_history ({columns}) VALUES ({places})"
        try:
            with self._database.cursor() as cursor:
                cursor.execute(insert, list(row.values()))
        except (pymysql.DataError, pymysql.IntegrityError, pymysql.OperationalError) as error:
            if error.args[0] == DUPLICATE:
                return False
            if isinstance(error, pymysql.OperationalError) and error.args[0] not in UNSTORABLE:
                raise
            raise RejectedError(f"the database refuses it: {error}") from error
        return True

    def is_notified(self, alarm: Alarm) -> bool:
        with self._database.cursor() as cursor:
            cursor.execute(
                "SELECT notified_at FROM logs.logs_history"
                " WHERE incident_id = %s AND sequence = %s",
                (alarm["incident_id"], alarm["sequence"]),
            )
            row = cursor.fetchone()
        return row is not None and row["notified_at"] is not None

    def mark_notified(self, alarm: Alarm) -> None:
        with self._database.cursor() as cursor:
            cursor.execute(
                "UPDATE logs.logs_history SET notified_at = UTC_TIMESTAMP(3)"
                " WHERE incident_id = %s AND sequence = %s",
                (alarm["incident_id"], alarm["sequence"]),
            )
