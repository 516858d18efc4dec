"""Flink says what the embedded engine says, of recorded lines, by the main.py that is shipped."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import MagicMock
from zlib import crc32

import msgspec
import pytest
from analytics_engine.offline.backtest import backtest
from analytics_engine.rules.files import load

from tests.analytics.brute import rfc3339
from tests.analytics.flink import ROOT, Flink, connector, package, packer
from tests.analytics.streams import ORDERS, line_of, random_stream, requests

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
  - {name: by_country, group_by: Country, threshold: 9, window_seconds: 6, quiet_seconds: 10}
  - name: by_market
    measure: invoices
    group_by: t.market
    threshold: t.least
    window_seconds: 5
    quiet_seconds: 100
  - name: some
    where: [{column: Country, starts_with: F}, {column: UnitPrice, at_least: 2}]
    among: {column: ClientIP, one_of: [192.0.2.1, 192.0.2.2, unknown]}
    threshold: 2.5
    minimum_lines: 4
    window_seconds: 5
    quiet_seconds: 10
  - name: addresses
    measure: distinct
    column: ClientIP
    among: {column: Quantity, equals: "3"}
    group_by: Country
    threshold: 2
    window_seconds: 5
    quiet_seconds: 10
  - name: share
    measure: share
    where: {column: UnitPrice, at_least: 2.5, below: 1000}
    among: {column: Country, equals: France}
    threshold: 0.3
    minimum_lines: 3
    window_seconds: 4
    quiet_seconds: 10
    reminder_seconds: 2
  - name: share_of_market
    measure: share
    where: {column: UnitPrice, below: 2}
    group_by: t.market
    threshold: t.share
    window_seconds: 2
    quiet_seconds: 5
  - name: percentile
    measure: share
    where: {column: UnitPrice, at_least: 4}
    group_by: ClientIP
    threshold: {percentile: 75}
    minimum_lines: 3
    window_seconds: 3
    quiet_seconds: 10
"""
PRICES = ("0", "-1.5", "2", "2.5", "4", "1e2", "", "1d", " 3", "many")
COUNTRIES = ("France", "x" * 117, "Ruritania", "y" * 118, "\x1b[31m'\u00a0\u202e ", "\U0001f6d2")
MARKETS = "Country,market,least,share\nFrance,west,3,0.25\nunknown,unknown,2,0.7\n"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULES)
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "t.csv").write_text(MARKETS)
    return tmp_path


def test_package_is_reproducible(inputs: Path, tmp_path: Path) -> None:
    first = package(inputs)
    content = first.read_bytes()
    first.unlink()
    second = package(inputs)
    assert (second.name, second.read_bytes()) == (first.name, content)
    names = zipfile.ZipFile(second).namelist()
    assert {"main.py", "sql/rules.sql", "sql/kinesis.sql", "lib/connector.jar"} <= set(names)


def test_what_flink_cannot_do_is_left_out_with_the_reason(tmp_path: Path) -> None:
    made = packer("--output", tmp_path, *connector(__file__))
    assert made["refused"]["orders_silent"].startswith("silence makes no events")
    assert {"order_surge", "cancellation_share"} <= set(made["rules"])
    assert set(made["rules"]).isdisjoint(made["refused"])
    sql = zipfile.ZipFile(made["package"]).read("sql/rules.sql").decode()
    assert "order_surge" in sql
    assert "orders_silent" not in sql


OF_ENGINE = {
    "sum": ("measure: revenue, threshold: 1", "it measures revenue"),
    "extreme": ("measure: highest, column: UnitPrice, threshold: 1", "it measures highest"),
    "budget": (
        "measure: burn, objective: 0.99, where: {column: Country, equals: x}",
        "it measures burn",
    ),
    "network": (
        "group_by: {column: ClientIP, network: [24, 64]}, threshold: 1",
        "it groups addresses by network",
    ),
    "silence": ("comparison: below, threshold: 1", "silence makes no events"),
    "decimals": (
        "source: access, where: {column: Seconds, equals: '0.80'}, threshold: 1",
        "it takes Seconds for text",
    ),
}


def test_each_rule_that_is_the_embedded_engines_is_refused_with_its_reason(tmp_path: Path) -> None:
    rules = [f"- {{name: {name}, {text}}}" for name, (text, _) in OF_ENGINE.items()]
    rules.append("- {name: taken, threshold: 1}")
    (tmp_path / "rules.yml").write_text("rules:\n" + "\n".join(rules))
    (tmp_path / "reference").mkdir()
    options = ["--rules", tmp_path / "rules.yml", "--references", tmp_path / "reference"]
    made = packer(*options, "--output", tmp_path, *connector(__file__))
    assert made["rules"] == ["taken"]
    assert made["refused"].keys() == OF_ENGINE.keys()
    for name, (_, reason) in OF_ENGINE.items():
        assert made["refused"][name].startswith(reason)


def test_the_tables_are_of_the_streams_that_rules_read_with_what_they_need(tmp_path: Path) -> None:
    rule = "{name: slow, source: access, where: {column: Seconds, at_least: 1}, threshold: 1}"
    (tmp_path / "rules.yml").write_text(f"rules: [{rule}]")
    app = zipfile.ZipFile(package(tmp_path))
    for tables in ("kinesis", "files"):
        sql = app.read(f"sql/{tables}.sql").decode().partition("CREATE TABLE alarms")[0]
        assert "InvoiceNo" not in sql
        found = set(re.findall(r"`(\w+)` (?:STRING|TIMESTAMP_LTZ)", sql))
        assert found == {"EventTime", "RequestId", "Service", "Status", "Seconds"}
    assert "${access_arn}" in app.read("sql/kinesis.sql").decode()


def test_where_flink_can_do_no_rule_it_is_said(inputs: Path) -> None:
    (inputs / "rules.yml").write_text(
        "rules:\n  - {name: quiet, comparison: below, threshold: 1, window_seconds: 60}\n"
    )
    options = ["--rules", inputs / "rules.yml", "--references", inputs / "reference"]
    with pytest.raises(subprocess.CalledProcessError) as error:
        packer(*options, "--output", inputs, *connector(__file__))
    assert "none of these rules" in error.value.stderr


def test_the_managed_service_sets_the_parallelism_itself(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyflink", MagicMock())
    monkeypatch.setitem(sys.modules, "pyflink.table", MagicMock())
    main = runpy.run_path(str(ROOT / "analytics/flink/main.py"))
    names = {one: main["options"]({"shards": "3"}, one) for one in (True, False)}
    assert names[False]["parallelism.default"] == "3"
    # AWS refuses a job that sets any other than those it lists, among them these.
    allowed = ("table.", "pipeline.object-reuse")
    assert [name for name in names[True] if not name.startswith(allowed)] == []


@pytest.mark.parametrize("wrong", ["0", ""])
def test_a_connector_that_is_another_or_of_no_known_checksum_is_refused(
    inputs: Path, wrong: str
) -> None:
    options = ["--rules", inputs / "rules.yml", "--references", inputs / "reference"]
    with pytest.raises(subprocess.CalledProcessError) as error:
        packer(
            *options, "--output", inputs, "--connector-jar", __file__, "--connector-sha256", wrong
        )
    assert "the connector's sha256 is" in error.value.stderr


def test_where_maven_has_no_connector_it_is_said(inputs: Path, monkeypatch) -> None:
    maven = inputs / "mvn"
    maven.write_text("#!/bin/sh\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", str(inputs), prepend=os.pathsep)
    options = ["--rules", inputs / "rules.yml", "--references", inputs / "reference"]
    with pytest.raises(subprocess.CalledProcessError) as error:
        packer(*options, "--output", inputs, "--connector-sha256", "0")
    assert "analytics_connector_jar" in error.value.stderr


def orders(seeds: range) -> list[dict[str, str]]:
    """Random streams without late lines, an hour apart, in the order of their arrival."""
    lines = []
    for seed in seeds:
        for put in random_stream(seed, late=False, shards=1):
            time_ms = put.time_ms + seed * HOUR_MS
            given = {
                "InvoiceNo": f"{seed}-{put.invoice}",
                "LineNo": str(put.line),
                "Country": COUNTRIES[put.line % len(COUNTRIES)],
                "Quantity": str(put.time_ms // 1000 % 4),
                "UnitPrice": PRICES[crc32(f"{put.invoice} {put.line}".encode()) % len(PRICES)],
                "ClientIP": put.address,
                "EventTime": rfc3339(time_ms // 100)[:-3] + f"{time_ms % 100:02}Z",
            }
            lines.append(dict.fromkeys(ORDERS.kind.columns, "") | given)
    return lines


def key(alarm: dict) -> tuple:
    names = ("incident_id", "sequence", "kind", "event_time", "opened_at", "order_count", "value")
    return tuple(alarm[name] for name in (*names, "threshold", "scope"))


def test_same_alarms(flink: Flink, inputs: Path) -> None:
    lines = orders(range(200))
    (inputs / "orders").mkdir()
    (inputs / "orders" / "1.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (inputs / "orders.log").write_text(
        "".join("\t".join(line[name] for name in ORDERS.kind.columns) + "\n" for line in lines)
    )
    found = {key(alarm) for alarm in flink.alarms()}
    definitions = load(inputs / "rules.yml")
    alarms = backtest([inputs / "orders.log"], definitions).alarms
    wanted = {key(msgspec.to_builtins(alarm)) for alarm in alarms}
    assert {"OPEN", "REMINDER", "CLOSE"} <= {alarm.kind for alarm in alarms}
    assert {rule.name for rule in definitions.rules} == {alarm.rule for alarm in alarms}
    assert found == wanted


OF_REQUESTS = """
rules:
  - {name: order_surge, threshold: 30}
  - name: fails
    source: access
    measure: share
    where: {column: Status, at_least: 500}
    among: [{column: Direction, equals: in}, {column: Visitor, equals: user}]
    group_by: Route
    threshold: 0.3
    minimum_lines: 4
    window_seconds: 5
    quiet_seconds: 10
    reminder_seconds: 3
  - name: slow
    source: access
    measure: share
    where: {column: Seconds, at_least: 0.8}
    among: {column: Route, one_of: [order, home]}
    threshold: {percentile: 75}
    minimum_lines: 3
    window_seconds: 4
    quiet_seconds: 6
    reminder_seconds: 2
  - name: addresses
    source: access
    measure: distinct
    column: ClientIP
    where: {column: Status, equals: "404"}
    among: {column: Direction, equals: in}
    threshold: 3
    window_seconds: 3
    quiet_seconds: 5
  - name: asking
    source: access
    group_by: ClientIP
    among: [{column: Direction, equals: in}, {column: UpstreamStatus, starts_with: "502, "}]
    threshold: 3
    window_seconds: 3
    quiet_seconds: 4
"""


def test_same_alarms_of_requests_beside_those_of_orders(flink: Flink) -> None:
    folder = flink.folder
    (folder / "rules.yml").write_text(OF_REQUESTS)
    asked = [
        line_of(put._replace(time_ms=put.time_ms + seed * HOUR_MS, request=f"{seed} {put.request}"))
        for seed in range(100)
        for put in requests(seed, late=False)
    ]
    for name, lines in (("orders", orders(range(20))), ("access", asked)):
        (folder / name).mkdir()
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / name / "1.json").write_text(text)
    found = {(*key(alarm), alarm["source"]) for alarm in flink.alarms()}
    definitions = load(folder / "rules.yml")
    logs = [folder / name / "1.json" for name in ("orders", "access")]
    alarms = backtest(logs, definitions).alarms
    assert {rule.name for rule in definitions.rules} == {alarm.rule for alarm in alarms}
    assert {"OPEN", "REMINDER", "CLOSE"} <= {alarm.kind for alarm in alarms}
    assert found == {(*key(msgspec.to_builtins(alarm)), alarm.source) for alarm in alarms}


WATCHED = "'connector' = 'filesystem', 'path' = 'file://{}', 'format' = 'json'"


def watched(folder: Path) -> str:
    """The package's kinesis.sql with folders for streams: their connector is not to be had here."""
    text = (folder / "app/sql/kinesis.sql").read_text()
    options = re.compile(r"'connector' = 'kinesis'.*?\n\);", re.DOTALL)
    source = WATCHED.format(folder / "orders") + (
        ", 'source.monitor-interval' = '200 ms', 'json.timestamp-format.standard' = 'ISO-8601');"
    )
    sink = WATCHED.format(folder / "alarms") + ");"
    text, replaced = options.subn(source, text, count=1)
    text, again = options.subn(sink, text.replace(" PARTITIONED BY (incident_id)", ""))
    assert (replaced, again) == (1, 1)
    return text


def put(folder: Path, name: str, begin: float, count: int = 40) -> None:
    """Orders, a tenth of a second after the other."""
    lines = [
        {
            "InvoiceNo": name,
            "LineNo": str(number),
            "Country": "France",
            "EventTime": rfc3339(int(begin * 10) + number),
        }
        for number in range(count)
    ]
    (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / name).rename(folder / "orders" / f"{name}.json")


def test_a_backlog_counts_a_lull_closes_and_a_kill_loses_nothing(
    flink: Flink, tmp_path: Path
) -> None:
    """What the tables of kinesis.sql are for. The backlog comes after the job has begun."""
    among = "among: {column: Country, equals: France}"
    rule = f"{{name: order_surge, threshold: 30, window_seconds: 5, quiet_seconds: 3, {among}}}"
    (tmp_path / "rules.yml").write_text(f"rules: [{rule}]")
    (tmp_path / "orders").mkdir()
    (tmp_path / "state").mkdir()
    zipfile.ZipFile(package(tmp_path)).extractall(tmp_path / "app")
    (tmp_path / "app/sql/kinesis.sql").write_text(watched(tmp_path))
    properties = {
        "state": str(tmp_path / "state"),
        "flink.execution.checkpointing.interval": "500 ms",
    }
    groups = [{"PropertyGroupId": "surgewatch", "PropertyMap": properties}]
    (tmp_path / "properties.json").write_text(json.dumps(groups))
    command = [flink.python, tmp_path / "app/main.py", tmp_path / "properties.json"]

    def said() -> set[tuple]:
        files = [file for file in (tmp_path / "alarms").rglob("*") if file.is_file()]
        lines = [line for file in files for line in file.read_text().splitlines()]
        alarms = [json.loads(line) for line in lines if line.endswith("}")]
        return {(alarm["kind"], alarm["event_time"], alarm["order_count"]) for alarm in alarms}

    def checkpoints() -> set[Path]:
        return set((tmp_path / "state").glob("*/chk-*/_metadata"))

    def until(holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not holds():
            assert job.poll() is None
            assert time.monotonic() < deadline, said()
            time.sleep(0.2)

    job = subprocess.Popen(command, start_new_session=True)
    try:
        until(lambda: bool(checkpoints()))
        begin = time.time() - 60
        put(tmp_path, "backlog", begin)
        opened = rfc3339(int(begin * 10) + 30)
        until(lambda: ("OPEN", opened, 30) in said())
        before = checkpoints()
        until(lambda: bool(checkpoints() - before))  # one that knows of it
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        job = subprocess.Popen(command, start_new_session=True)
        # Nothing comes any more: the heartbeat closes it.
        closed = rfc3339(int(begin * 10) + 40 + 50 - 30 + 30)
        until(lambda: any(kind == "CLOSE" for kind, _, _ in said()))
    finally:
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    assert said() == {("OPEN", opened, 30), ("CLOSE", closed, 0)}
