"""The service between two real streams: what is put comes out as alarms."""

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from analytics_engine.records.ticks import SECOND
from analytics_engine.rules.files import HOME
from analytics_engine.service import measures, status
from analytics_engine.service.config import Config, InputStream
from analytics_engine.service.inputs import Inputs
from analytics_engine.service.loop import Service
from analytics_engine.service.streams import Sink, Source, _parse_records, client

RULES = """
rules:
  - name: order_surge
    threshold: 30
    quiet_seconds: 1
    window_seconds: 1
"""


class Streams:
    """An order stream and an alarm stream of a test's own."""

    def __init__(self, region, name: str, shards: int) -> None:
        self.kinesis = region.client("kinesis")
        self.orders, self.alarms = f"orders-{name}", f"alarms-{name}"
        for stream, count in ((self.orders, shards), (self.alarms, 1)):
            self.kinesis.create_stream(StreamName=stream, ShardCount=count)
            self.kinesis.get_waiter("stream_exists").wait(
                StreamName=stream, WaiterConfig={"Delay": 0.1}
            )

    def put(self, invoice: str, count: int, at: datetime | None = None) -> None:
        moment = (at or datetime.now(UTC)).isoformat(timespec="milliseconds")
        lines = [
            {
                "InvoiceNo": invoice,
                "LineNo": str(number),
                "EventTime": moment.replace("+00:00", "Z"),
                "Country": "France",
                "StockCode": "85123A",
                "ClientIP": "192.0.2.1",
                "Quantity": "1",
                "UnitPrice": "2.50",
            }
            for number in range(1, count + 1)
        ]
        self.kinesis.put_records(
            StreamName=self.orders,
            Records=[
                {"Data": json.dumps(line).encode() + b"\n", "PartitionKey": line["LineNo"]}
                for line in lines
            ],
        )

    def alarms_put(self) -> list[dict]:
        return self.put_to(self.alarms)

    def put_to(self, stream: str) -> list[dict]:
        found = []
        for shard in self.kinesis.list_shards(StreamName=stream)["Shards"]:
            iterator = self.kinesis.get_shard_iterator(
                StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            answer = self.kinesis.get_records(ShardIterator=iterator)
            found += [json.loads(record["Data"]) for record in answer["Records"]]
        return found


@pytest.fixture
def streams(region, request):
    return Streams(region, request.node.name.replace("[", "-").replace("]", ""), 2)


@pytest.fixture
def service(region, streams, tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)
    config = config_of(streams, rules)
    kinesis = region.client("kinesis")
    kinesis.meta.events.register("before-parse.kinesis.GetRecords", _parse_records)
    sources = {"orders": Source(kinesis, streams.orders, 20)}
    return Service(config, sources, Sink(kinesis, streams.alarms), Inputs(config))


def config_of(streams: Streams, rules: Path, **options) -> Config:
    read = {"orders": InputStream(name=streams.orders, record="order", lateness_ms=500)}
    state = rules.parent / "state"
    return Config(read, streams.alarms, rules, HOME / "records", state, **options)


def until(service: Service, condition, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, (service.errors, service.followers)
        service.step()


def engine_of(service: Service):
    return service.followers["orders"].engine


def test_a_surge_is_opened_and_closed_without_a_later_order(service, streams) -> None:
    streams.put("536365", 30)
    until(service, lambda: len(streams.alarms_put()) == 2)
    opened, closed = streams.alarms_put()
    assert (opened["kind"], opened["order_count"], opened["sequence"]) == ("OPEN", 30, 0)
    assert (closed["kind"], closed["order_count"], closed["sequence"]) == ("CLOSE", 0, 1)
    assert opened["incident_id"] == closed["incident_id"]
    assert closed["total"] == 30


def test_status_is_written(service, streams, tmp_path) -> None:
    streams.put("536365", 3)
    service.step()
    until(service, lambda: engine_of(service).counts.lines_counted == 3)
    service._save([])
    found = status.read(tmp_path / "state")
    assert found.lines_counted == 3
    assert status.faults(found) == []
    assert (tmp_path / "state" / status.FILE).stat().st_mode & 0o777 == 0o644


def test_an_engine_without_rules_runs_and_says_so(service, streams, tmp_path, caplog) -> None:
    """So it is beside a Flink that takes them all; before, they may have been its own."""
    caplog.set_level("INFO", "analytics-engine")
    streams.put("536365", 30)
    until(service, lambda: len(streams.alarms_put()) == 1)
    (tmp_path / "rules.yml").write_text("rules: []")
    service._inputs.look_again()
    until(service, lambda: len(streams.alarms_put()) == 2)
    assert streams.alarms_put()[1]["reason"] == "the rule was removed"
    assert "rules in force: none" in caplog.messages
    assert service.followers["orders"].due == math.inf  # it is not read, nor looked at again
    engine_of(service).decided -= 10 * status.BEHIND_SECONDS * SECOND
    service._save([])
    found = status.read(tmp_path / "state")
    assert (found.rules, status.faults(found)) == ([], [])
    assert found.lag_seconds == 0  # what watches the metric must hear that it runs


def test_bad_files_leave_in_force_what_was_also_after_a_restart(
    region, streams, tmp_path, caplog
) -> None:
    rules, table = tmp_path / "rules.yml", tmp_path / "m.csv"
    grouped = RULES.replace("threshold: 30", "threshold: m.least\n    group_by: Country")
    rules.write_text(grouped)
    table.write_text("Country,least\nFrance,30\nunknown,99\n")
    config = config_of(streams, rules, references={"m": str(table)})
    kinesis = region.client("kinesis")
    kinesis.meta.events.register("before-parse.kinesis.GetRecords", _parse_records)

    def start() -> Service:
        sources = {"orders": Source(kinesis, streams.orders, 20)}
        return Service(config, sources, Sink(kinesis, streams.alarms), Inputs(config))

    def faults() -> list[str]:
        return status.faults(status.read(tmp_path / "state"))

    service = start()
    service.step()
    assert faults() == []
    for rules_text, table_text, fault in (
        ("rules: [{name: a, threshold: 010}]", None, "threshold: 010 is 8"),
        (None, "Country,least\nFrance\n", "m:2: more or fewer fields"),
        (grouped, "Country,least\nFrance,many\nunknown,99\n", "m: least of France is no number"),
        ("rules: [&a [*a]]", None, "expected keys and values"),
    ):
        rules.write_text(rules_text or rules.read_text())
        table.write_text(table_text or table.read_text())
        service._inputs.look_again()
        service.step()
        service._save([])
        assert any(fault in found for found in faults()), (fault, faults())
        assert any(fault in message for message in caplog.messages)
    service.run(lambda: True)

    service = start()
    streams.put("536365", 30)
    until(service, lambda: len(streams.alarms_put()) == 2)
    assert streams.alarms_put()[0]["threshold"] == 30
    assert any("expected keys and values" in found for found in faults())


def test_lines_that_wait_for_their_tick_count_by_rules_that_are_new(
    service, streams, tmp_path
) -> None:
    """They were decoded without the columns that the new rule measures, and are read again."""
    service.step()
    streams.put("536365", 30)
    until(service, lambda: engine_of(service).counts.records_read == 30)
    assert engine_of(service).counts.lines_counted == 0
    revenue = "  - {name: revenue, measure: revenue, threshold: 60, window_seconds: 1}\n"
    (tmp_path / "rules.yml").write_text(RULES + revenue)
    service._inputs.look_again()
    until(service, lambda: len(streams.alarms_put()) == 3)
    said = {(alarm["rule"], alarm["kind"], alarm["value"]) for alarm in streams.alarms_put()}
    assert ("order_surge", "OPEN", 30) in said
    assert ("revenue", "OPEN", 75.0) in said


def test_metrics_are_put_so_that_one_that_is_missing_can_be_noticed(
    region, streams, tmp_path, monkeypatch
) -> None:
    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "rules.yml").write_text(RULES)
    config = config_of(streams, tmp_path / "rules.yml", metrics_namespace=streams.orders)
    sources = {"orders": Source(client(), streams.orders, 20)}
    service = Service(config, sources, Sink(client(), streams.alarms), Inputs(config))
    service.step()
    until(service, lambda: engine_of(service).decided > 0)
    service.run(lambda: True)  # it saves at its end, and waits for what it puts
    metrics = region.client("cloudwatch").list_metrics(Namespace=streams.orders)["Metrics"]
    names = {metric["MetricName"] for metric in metrics}
    assert {"Lag", "RecordsRead", "Late", "Repeated", "Ahead"} <= names


def test_an_alarm_that_the_stream_refuses_holds_up_no_other(service, streams, tmp_path) -> None:
    service.step()
    giant = b'"' + b"x" * (1 << 20) + b'"'
    alarms = [giant if number in (2, 5) else b"%d" % number for number in range(8)]
    service._store._sql.executemany(
        "INSERT INTO outbox (incident_id, alarm) VALUES ('i', ?)", [(alarm,) for alarm in alarms]
    )
    until(service, lambda: len(streams.alarms_put()) == 6)
    assert streams.alarms_put() == [0, 1, 3, 4, 6, 7]
    kept = sorted((tmp_path / "state" / "refused").iterdir())
    assert [path.read_bytes() for path in kept] == [giant, giant]
    assert service._wrong() == [
        f"alarms that the stream refused, kept in {tmp_path / 'state' / 'refused'}: 2"
    ]


def test_what_waits_is_put_in_requests_that_the_stream_takes(service, streams) -> None:
    service.step()
    big = json.dumps("x" * 900_000).encode()
    service._store._sql.executemany(
        "INSERT INTO outbox (incident_id, alarm) VALUES ('i', ?)", [(big,)] * 9
    )
    until(service, lambda: service._sent == 9)
    assert len(streams.alarms_put()) == 9
    assert service.errors == {}


def test_measures_wait_for_their_stream_and_hold_up_no_alarm(
    region, streams, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(measures, "RETRY_SECONDS", 0.1)
    (tmp_path / "rules.yml").write_text(RULES)
    config = config_of(streams, tmp_path / "rules.yml")
    kinesis = region.client("kinesis")
    kinesis.meta.events.register("before-parse.kinesis.GetRecords", _parse_records)
    name = f"measures-{streams.orders}"

    def start() -> Service:
        sources = {"orders": Source(kinesis, streams.orders, 20)}
        sink = Sink(kinesis, streams.alarms)
        return Service(config, sources, sink, Inputs(config), Sink(kinesis, name))

    service = start()
    # As if minutes were over.
    service._store._sql.executemany(
        "INSERT INTO measure (minute, measure) VALUES ('m', ?)", [(b"%d" % n,) for n in range(1200)]
    )
    until(service, lambda: any("measures: " in wrong for wrong in service._wrong()))
    streams.put("536365", 30)
    until(service, lambda: len(streams.alarms_put()) == 2)
    service.run(lambda: True)
    service = start()
    kinesis.create_stream(StreamName=name, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 0.1})
    until(service, lambda: service._store.measures() == [])
    assert sorted(streams.put_to(name)) == list(range(1200))
    assert service._wrong() == []
