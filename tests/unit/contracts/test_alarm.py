"""An alarm is stated once, by the engine; whoever reads or stores one is held to it."""

import re
from pathlib import Path

import msgspec
import pytest
from analytics_engine.evaluation.alarm import Alarm

from alarm_recorder.alarm import CHECKS, alarm_of
from alarm_recorder.history import COLUMNS
from console.alarms import sentence
from tests.unit.lambdas.test_alarm import ALARM

ROOT = Path(__file__).parents[3]
FIELDS = list(Alarm.__struct_fields__)
FLINK_LEAVES_OUT = ["top", "reason"]
OWN_COLUMNS = {"id", "recorded_at", "notified_at"}
"""What the history knows of an alarm beside the alarm."""


def test_the_recorder_takes_each_field() -> None:
    assert list(CHECKS) == FIELDS
    assert list(ALARM) == FIELDS


def test_what_the_engine_sends_is_recorded_as_it_is() -> None:
    alarm = Alarm(**{**ALARM, "top": {"Country": [("EIRE", 3)]}, "reason": "the rule was changed"})
    read = alarm_of(msgspec.json.encode(alarm))
    times = {name: read.pop(name).isoformat() for name in ("event_time", "opened_at")}
    assert set(times.values()) == {"2026-01-31T12:00:05.100000+00:00"}
    sent = msgspec.json.decode(msgspec.json.encode(alarm))
    assert read == {name: value for name, value in sent.items() if name not in times}


def test_the_history_has_a_column_for_each_field(history, mariadb) -> None:
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW COLUMNS FROM logs.logs_history")
        columns = {row["Field"] for row in cursor.fetchall()}
    assert columns - OWN_COLUMNS == {COLUMNS.get(name, name) for name in FIELDS}


def test_a_row_is_a_sentence() -> None:
    row = {COLUMNS.get(name, name): value for name, value in ALARM.items()}
    row |= {"kind": "CLOSE", "peak": 61, "duration_seconds": 95.3, "reason": "the rule was removed"}
    assert sentence(row).endswith("peak 61 orders (the rule was removed)")


@pytest.mark.parametrize("tables", ["kinesis", "files"])
def test_flinks_alarms_have_the_fields_in_their_order(tables: str) -> None:
    sql = (ROOT / f"analytics/flink/sql/{tables}.sql").read_text()
    (columns,) = re.findall(r"CREATE TABLE alarms \(\n(.*?)\n\)", sql, re.DOTALL)
    names = [column.split()[0].strip("`") for column in columns.split(",")]
    assert names == [name for name in FIELDS if name not in FLINK_LEAVES_OUT]


def test_the_documentation_lists_the_fields() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.partition("## The alarm")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(cells)) == FIELDS
