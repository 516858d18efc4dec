"""The whole agent, as a process, against kinesalite."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.agent.process import AgentProcess
from tests.region import Region

NAMES = ["InvoiceNo", "Description", "Customer", "EventTime"]
LINES = [
    f'{n},"A ""CUP"", {n}",,2026-01-31T12:00:00.123Z'
    if n % 3
    else f"{n},PLAIN {n},12345,2026-01-31T12:00:00.123Z"
    for n in range(1500)
]


@pytest.fixture
def stream(region: Region) -> str:
    name = f"agent-{time.monotonic_ns()}"
    kinesis = region.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=2)
    kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 1})
    return name


def read(region: Region, stream: str) -> list[dict[str, Any]]:
    """All that is on the stream."""
    kinesis = region.client("kinesis")
    found = []
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while records := (answer := kinesis.get_records(ShardIterator=iterator))["Records"]:
            found += records
            iterator = answer["NextShardIterator"]
    return found


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_order_lines_reach_the_stream_once_through_rotation_and_stop(
    tmp_path: Path, region: Region, stream: str
) -> None:
    log = tmp_path / "orders.log"
    flow = {
        "filePattern": str(log),
        "kinesisStream": stream,
        "initialPosition": "START_OF_FILE",
        "dataProcessingOptions": [
            {"optionName": "CSVTOJSON", "csvQuoting": "rfc4180", "customFieldNames": NAMES}
        ],
    }
    log.write_text("".join(f"{line}\n" for line in LINES[:700]))
    agent = AgentProcess(tmp_path, [flow], **{"kinesis.endpoint": region.kinesis.url})
    with agent:
        wait_for(lambda: len(read(region, stream)) == 700)
        assert agent.stop() == 0
        with log.open("a") as file:
            file.writelines(f"{line}\n" for line in LINES[700:1000])
        os.rename(log, tmp_path / "orders.log.1")
        log.write_text("".join(f"{line}\n" for line in LINES[1000:]))
        agent.start()
        wait_for(lambda: len(read(region, stream)) >= 1500)
        wait_for(lambda: agent.has_shipped(log, tmp_path / "orders.log.1"))
        status = json.loads(agent.ask("status", "--json").stdout)
    records = read(region, stream)
    assert all(record["Data"].endswith(b"}\n") for record in records)
    found = sorted((json.loads(r["Data"]) for r in records), key=lambda r: int(r["InvoiceNo"]))
    assert found == [
        {
            "InvoiceNo": str(n),
            "Description": f'A "CUP", {n}' if n % 3 else f"PLAIN {n}",
            "Customer": "" if n % 3 else "12345",
            "EventTime": "2026-01-31T12:00:00.123Z",
        }
        for n in range(1500)
    ]
    assert len({record["PartitionKey"] for record in records}) > 500
    (flow_status,) = status["flows"]
    assert flow_status["destination"] == f"KinesisStream:{stream}"
    assert flow_status["records_sent"] == 1500, "the count goes on after a restart"
    assert flow_status["bytes_behind"] == 0
    assert {Path(file["path"]).name for file in flow_status["files"]} == {
        "orders.log",
        "orders.log.1",
    }


def test_an_assumed_role_and_metrics_in_cloudwatch(
    tmp_path: Path, region: Region, stream: str
) -> None:
    log = tmp_path / "app.log"
    log.write_text("x\n")
    flow = {
        "filePattern": str(log),
        "kinesisStream": stream,
        "initialPosition": "START_OF_FILE",
        "partitionKeyOption": "DETERMINISTIC",
    }
    settings = {
        "assumeRoleARN": "arn:aws:iam::000000000000:role/agent",
        "assumeRoleExternalId": "shop",
        "cloudwatch.emitMetrics": True,
        "cloudwatch.namespace": stream,
    }
    agent = AgentProcess(tmp_path, [flow], **settings)
    agent.environment |= region.environment
    with agent:
        wait_for(lambda: len(read(region, stream)) == 1)
        wait_for(lambda: agent.has_shipped(log))
        assert agent.stop() == 0
    metrics = region.client("cloudwatch").list_metrics(Namespace=stream)["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {
        "BytesSent",
        "RecordSendAttempts",
        "RecordsSent",
        "RecordSendErrors",
        "ServiceErrors",
        "BytesBehind",
        "SecondsBehind",
    }
    dimension = {"Name": "Destination", "Value": f"KinesisStream:{stream}"}
    assert all(metric["Dimensions"] == [dimension] for metric in metrics)
