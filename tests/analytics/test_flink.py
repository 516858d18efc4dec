"""Flink says what the embedded engine says, of recorded lines, by the main.py that is shipped."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest
from analytics_engine.backtest import backtest
from analytics_engine.engine import Counts
from analytics_engine.inputs import load
from analytics_engine.line import COLUMNS

from tests.analytics.brute import rfc3339
from tests.analytics.flink import Flink, package
from tests.analytics.streams import random_stream

HOUR_MS = 3_600_000
RULES = """
rules:
  - {name: order_surge, threshold: 30}
  - {name: quick, threshold: 8, window_seconds: 1, quiet_seconds: 3, reminder_seconds: 2}
  - name: by_address
    group_by: ClientIP
    threshold: 6
    window_seconds: 4
    quiet_seconds: 10
    reminder_seconds: 7
  - name: by_market
    measure: invoices
    group_by: t.market
    threshold: t.least
    window_seconds: 5
    quiet_seconds: 100
"""
MARKETS = "Country,market,least\nFrance,west,3\nunknown,unknown,2\n"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "t.csv").write_text(MARKETS)
    return tmp_path


def test_package_is_reproducible(inputs: Path) -> None:
    first, second = package(inputs, "first.zip"), package(inputs, "second.zip")
    assert first.read_bytes() == second.read_bytes()
    names = zipfile.ZipFile(first).namelist()
    assert {"main.py", "sql/rules.sql", "sql/kinesis.sql", "lib/connector.jar"} <= set(names)


def test_what_flink_cannot_do_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analytics_engine", "rules", "show", "orders_silent", "--sql"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "silence makes no events" in done.stderr


def orders(seeds: range) -> list[dict[str, str]]:
    """Random streams without late lines, an hour apart, in the order of their arrival."""
    lines = []
    for seed in seeds:
        for put in random_stream(seed, late=False, shards=1):
            time_ms = put.time_ms + seed * HOUR_MS
            given = {
                "InvoiceNo": f"{seed}-{put.invoice}",
                "LineNo": str(put.line),
                "Country": ("France", "Ruritania")[put.line % 2],
                "ClientIP": put.address,
                "EventTime": rfc3339(time_ms // 100)[:-3] + f"{time_ms % 100:02}Z",
            }
            lines.append(dict.fromkeys(COLUMNS, "") | given)
    return lines


def key(alarm: dict) -> tuple:
    names = ("incident_id", "sequence", "kind", "event_time", "opened_at", "order_count", "value")
    return tuple(alarm[name] for name in (*names, "threshold", "scope"))


def test_same_alarms(flink: Flink, inputs: Path) -> None:
    lines = orders(range(200))
    (inputs / "orders").mkdir()
    (inputs / "orders" / "1.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (inputs / "orders.log").write_text(
        "".join("\t".join(line[name] for name in COLUMNS) + "\n" for line in lines)
    )
    found = {key(alarm) for alarm in flink.alarms()}
    rules, references = load(inputs / "rules.yml")
    alarms = backtest([inputs / "orders.log"], rules, references, Counts())
    wanted = {key(msgspec.to_builtins(alarm)) for alarm in alarms}
    assert {"OPEN", "REMINDER", "CLOSE"} <= {one[2] for one in wanted}
    assert found == wanted
