"""Kinds of records: what is wrong with one is named, and one of an operator's own works at once."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from analytics_engine.cli import main
from analytics_engine.errors import InputError
from analytics_engine.records import kind
from analytics_engine.records.kind import LineType
from analytics_engine.records.ticks import rfc3339
from analytics_engine.rules.files import HOME, load

GOOD = """\
name: login
columns:
  user: text
  "took-ms": integer
  when: number
moment: {column: when, format: epoch_seconds}
unit: logins
"""
WRONG = [
    ("columns: {", "k:1: "),
    (GOOD.replace("unit: logins\n", ""), "k:1: unit: missing"),
    (GOOD + "colour: red\n", "k:8: colour: unknown key"),
    (GOOD.replace("name: login", "name: Log in"), "k:1: name: "),
    (GOOD.replace("text", "string"), "k:3: columns: Invalid enum value 'string'"),
    (GOOD.replace("column: when", "column: then"), "k:6: moment: no column 'then'"),
    (GOOD.replace("epoch_seconds", "iso"), "k:6: moment.format: Invalid enum value 'iso'"),
    (GOOD + "identity: [user, host]\n", "k:8: identity: no column 'host'"),
    (GOOD + "top: [host]\n", "k:8: top: no column 'host'"),
    (GOOD + "measures:\n  share: {distinct: user, unit: u}\n", "k:9: measures.share: each kind"),
    (GOOD + "measures:\n  users: {unit: u}\n", "k:9: measures.users: expected one of distinct"),
    (GOOD + "measures:\n  s: {sum_product: [user], unit: u}\n", "k:9: measures.s: user is text"),
    (GOOD + "measures:\n  s: {distinct: host, unit: u}\n", "k:9: measures.s: no column 'host'"),
    (GOOD + "test: {column: host, equals: x}\n", "k:8: test: no column 'host'"),
    (GOOD + "test: {column: user}\n", "k:8: test: expected one of equals"),
    (GOOD + "test: {column: user, equals: x, run_until: '-'}\n", "k:8: test: run_until needs"),
    (GOOD.replace("  when", "  Run: text\n  when"), "k:5: columns.Run: is the name of"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_errors_name_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        kind.parse(text, "k")
    assert any(error.startswith(message) for error in raised.value.errors), raised.value.errors


def test_a_file_is_named_after_its_kind(tmp_path: Path) -> None:
    (tmp_path / "visit.yml").write_text(GOOD)
    with pytest.raises(InputError, match=r"visit.yml: name: 'login' is described in login.yml"):
        kind.load(tmp_path)


@pytest.mark.parametrize(
    ("form", "value", "moment"),
    [
        ("rfc3339", "2026-01-31T12:00:00.123Z", "2026-01-31T12:00:00.123Z"),
        ("epoch_seconds", 1769860800.123, "2026-01-31T12:00:00.123Z"),
        ("epoch_seconds", "1769860800", "2026-01-31T12:00:00.000Z"),
        ("epoch_milliseconds", 1769860800123, "2026-01-31T12:00:00.123Z"),
        ("epoch_seconds", "noon", None),
        ("epoch_seconds", 1e300, None),
    ],
)
def test_moments(form: str, value: object, moment: str | None) -> None:
    made = kind.parse(GOOD.replace("epoch_seconds", form), "k")
    (line,) = LineType(made, ["user"]).decode([json.dumps({"when": value}).encode()])
    assert (line and line.moment) == moment


def test_the_readme_names_every_key_of_a_kind() -> None:
    readme = (HOME / "README.md").read_text()
    assert [name for name in kind.Kind.__struct_fields__ if f"| `{name}` |" not in readme] == []


LOGIN = """\
name: login
columns: {number: text, user: text, result: text, EventTime: text}
identity: [number]
moment: {column: EventTime}
unit: logins
measures: {users: {distinct: user, unit: users}}
top: [user]
"""
LOGIN_RULES = """\
rules:
  - name: login_failures
    source: logins
    measure: share
    where: {column: result, equals: failed}
    minimum_lines: 5
    threshold: 0.5
    window_seconds: 1
    quiet_seconds: 1
"""


class Logins:
    """A log of logins, its kind, and all that an operator writes to have it watched."""

    def __init__(self, folder: Path, stream: str) -> None:
        self.folder, self.log = folder, folder / "logins.log"
        (folder / "records").mkdir()
        (folder / "records/login.yml").write_text(LOGIN)
        (folder / "rules.yml").write_text(LOGIN_RULES)
        (folder / "streams.yml").write_text(
            yaml.safe_dump({"streams": {"logins": {"record": "login", "lateness_ms": 5_000}}})
        )
        flow = {
            "filePattern": str(self.log),
            "kinesisStream": stream,
            "initialPosition": "START_OF_FILE",
            "dataProcessingOptions": [
                {
                    "optionName": "CSVTOJSON",
                    "csvQuoting": "rfc4180",
                    "customFieldNames": list(kind.parse(LOGIN, "login").columns),
                }
            ],
        }
        self.agent = folder / "agent.json"
        self.agent.write_text(
            json.dumps({"flows": [flow], "checkpointFile": str(folder / "agent" / "checkpoints")})
        )
        (folder / "agent").mkdir()
        self.engine = folder / "analytics.json"
        self.engine.write_text(
            json.dumps(
                {
                    "streams": {
                        "logins": {"name": stream, "record": "login", "lateness_ms": 5_000}
                    },
                    "alarms_stream": f"{stream}-alarms",
                    "rules": str(folder / "rules.yml"),
                    "records": str(folder / "records"),
                    "state_directory": str(folder / "state"),
                    "polls_per_second": 20,
                }
            )
        )

    def write(self, count: int) -> None:
        """In the near future, so that they are in time however slow the machine is."""
        moment = rfc3339(int(time.time() * 1000) + 3_000)
        lines = [f'{n},"o\'neil, {n}",failed,{moment}\n' for n in range(count)]
        with self.log.open("a") as log:
            log.writelines(lines)


def alarms_on(kinesis, stream: str) -> list[dict]:
    iterator = kinesis.get_shard_iterator(
        StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    return [json.loads(record["Data"]) for record in records]


def test_a_kind_of_an_operators_own_works_from_its_log_to_the_alarm(
    region, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through agent, stream and engine; and the backtest over the same log says the same."""
    kinesis = region.client("kinesis")
    for stream in ("logins", "logins-alarms"):
        kinesis.create_stream(StreamName=stream, ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName=stream, WaiterConfig={"Delay": 0.1})
    logins = Logins(tmp_path, "logins")
    commands = {"kinesis-agent": logins.agent, "analytics-engine": logins.engine}
    running = [
        subprocess.Popen(
            [Path(sys.executable).with_name(command), "run", "--config", config],
            env=region.environment,
        )
        for command, config in commands.items()
    ]
    try:
        logins.write(8)
        deadline = time.monotonic() + 30
        while len(alarms_on(kinesis, "logins-alarms")) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        for process in running:
            process.kill()
            process.wait()
    opened, closed = alarms_on(kinesis, "logins-alarms")
    assert (opened["kind"], opened["value"], opened["order_count"]) == ("OPEN", 1.0, 8)
    assert opened["top"] == {"user": [[f"o'neil, {n}", 1] for n in range(5)]}
    assert closed["kind"] == "CLOSE"
    arguments = ["backtest", logins.log, "--rules", tmp_path / "rules.yml", "--as", "json"]
    arguments += ["--records", tmp_path / "records", "--streams", tmp_path / "streams.yml"]
    with pytest.raises(SystemExit) as ended:
        main(list(map(str, arguments)))
    assert ended.value.code == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [opened, closed]


def test_a_rule_names_the_columns_and_measures_of_its_source(tmp_path: Path) -> None:
    logins = Logins(tmp_path, "logins")
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "rules:\n"
        "  - {name: a, threshold: 1, source: logins, group_by: Country}\n"
        "  - {name: b, threshold: 1, source: logins, measure: revenue}\n"
        "  - {name: c, threshold: 1, source: logins, test: true}\n"
        "  - {name: d, threshold: 1}\n"
    )
    with pytest.raises(InputError) as raised:
        load(rules, records=tmp_path / "records", streams=logins.folder / "streams.yml")
    messages = [error.partition(f"{rules}:")[2] for error in raised.value.errors]
    assert messages == [
        "2: group_by: 'Country' is neither a column nor <reference>.<column>"
        " (columns of login: number, user, result, EventTime)",
        "3: measure: no measure 'revenue'"
        " (known: lines, share, burn, distinct, highest, lowest, users)",
        "4: test: nothing marks a test in a record of the kind login",
        "5: source: surgewatch_streams has no 'orders' that rules read (logins)",
    ]
