"""The rows of logs.logs_history."""

import json
from typing import Any

import pymysql

from alarm_recorder.alarm import Alarm
from common.database import Database

DUPLICATE = 1062

# Columns that are named otherwise than the alarm's field.
COLUMNS = {"event_time": "alarm_creation_time", "order_count": "Number_of_orders"}


class History:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, alarm: Alarm) -> bool:
        """Store the alarm; False if it was there already."""
        row = {COLUMNS.get(name, name): _value(value) for name, value in alarm.items()}
        columns = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        insert = f"INSERT INTO logs.logs_history ({columns}) VALUES ({places})"
        try:
            with self._database.cursor() as cursor:
                cursor.execute(insert, list(row.values()))
        except pymysql.IntegrityError as error:
            if error.args[0] != DUPLICATE:
                raise
            return False
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


def _value(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value
