"""An alarm is stated once, by the engine; whoever reads or stores one is held to it."""

import re
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest
from analytics_engine.evaluation.alarm import Alarm, Kind
from analytics_engine.rules.files import HOME, load

from alarm_recorder.alarm import CHECKS
from alarm_recorder.history import COLUMNS
from console.alarms import sentence
from console.verify.run import Run
from console.verify.stages import History
from tests.unit.lambdas.test_alarm import ALARM

ROOT = Path(__file__).parents[3]
FIELDS = list(Alarm.__struct_fields__)
FLINK_LEAVES_OUT = ["top", "reason", "expected", "context"]
EXAMPLES = {"STRING": "", "BOOLEAN": True, "INT": 1, "BIGINT": 1, "DOUBLE": 0.5}
"""What JSON has of a type of Flink's."""
RUN = Run(7, lines=1)
OWN_COLUMNS = {"id", "recorded_at", "notified_at"}
"""What the history knows of an alarm beside the alarm."""


def test_the_recorder_takes_each_field() -> None:
    assert list(CHECKS) == FIELDS
    assert list(ALARM) == FIELDS


@pytest.mark.parametrize("number", [30, 30.5])
def test_what_the_engine_sends_comes_back_from_the_history(reader, number: float) -> None:
    every = ALARM | dict.fromkeys(("value", "threshold", "peak", "duration_seconds"), number)
    every |= {"scope": RUN.scope, "late": True, "test": True, "total": 240}
    every |= {"top": {"Country": [("EIRE", 3)]}, "reason": "the rule was changed"}
    every |= {"source": "access", "expected": (1, 2.5), "context": {"addresses": 240}}
    sent = [
        Alarm(**every | {"kind": kind, "sequence": sequence})
        for sequence, kind in enumerate(get_args(Kind))
    ]
    reader.add(*map(msgspec.json.encode, sent))
    rows = reader(query="incident", incident_id=every["incident_id"])
    told = [{name: whole(row[COLUMNS.get(name, name)]) for name in FIELDS} for row in rows]
    assert msgspec.convert(told, list[Alarm]) == sent
    # What a verification waits for.
    assert History(lambda query, **wanted: reader(query=query, **wanted), RUN).look()


def whole(value: object) -> object:
    """A column of doubles knows no difference between 15 and 15.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


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
    sql = (ROOT / f"analytics/flink/sql/{tables}/alarms.sql").read_text()
    (columns,) = re.findall(r"CREATE TABLE alarms \(\n(.*?)\n\)", sql, re.DOTALL)
    types = dict(column.replace("`", "").split() for column in columns.split(","))
    assert list(types) == [name for name in FIELDS if name not in FLINK_LEAVES_OUT]
    stated = get_type_hints(Alarm)
    for name, sql_type in types.items():
        msgspec.convert(EXAMPLES[sql_type], str if stated[name] is Kind else stated[name])


def test_operators_are_told_what_each_shipped_rule_means() -> None:
    text = (ROOT / "docs/operating.md").read_text().partition("\n## Behind")[0]
    cells = re.findall(r"^\| (`.*?`) \|", text.partition("| rule (")[2], re.MULTILINE)
    told = re.findall(r"`(\w+)`", " ".join(cells))
    assert sorted(told) == sorted(rule.name for rule in load(HOME / "rules.yml").rules)


def test_the_documentation_lists_the_fields() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.partition("## The alarm")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(cells)) == FIELDS
