"""From the order that makes a surge to its OPEN on the alarm stream, through real streams.

Run it in the project's environment: `python -m tests.bench.analytics.latency [RATE] [SECONDS]
[POLLS]`.
It puts lines at a steady rate with the threshold at the count that the rate has after a window, so
that each surge opens at a known order, and prints how long each OPEN took.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from analytics_engine.rules.files import HOME

from tests.region import Region

RULES = "rules: [{name: order_surge, threshold: %d, window_seconds: 1, quiet_seconds: 1}]"


def main() -> None:
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    polls = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    with tempfile.TemporaryDirectory() as name, Region(Path(name) / "region") as region:
        kinesis = region.client("kinesis")
        for stream, shards in (("orders", 2), ("alarms", 1)):
            kinesis.create_stream(StreamName=stream, ShardCount=shards)
            while (
                kinesis.describe_stream(StreamName=stream)["StreamDescription"]["StreamStatus"]
                != "ACTIVE"
            ):
                time.sleep(0.05)
        folder = Path(name)
        (folder / "rules.yml").write_text(RULES % (rate // 2))
        config = {
            "streams": {"orders": {"name": "orders", "record": "order", "lateness_ms": 500}},
            "alarms_stream": "alarms",
            "records": str(HOME / "records"),
            "rules": str(folder / "rules.yml"),
            "state_directory": str(folder / "state"),
            "polls_per_second": polls,
        }
        (folder / "analytics.json").write_text(json.dumps(config))
        command = [sys.executable, "-m", "analytics_engine", "run", "--config"]
        engine = subprocess.Popen([*command, folder / "analytics.json"], env=region.environment)
        try:
            put(kinesis, rate, seconds)
            time.sleep(4)
        finally:
            engine.kill()
            engine.wait()
        took = {kind: sorted(latencies(kinesis, kind)) for kind in ("OPEN", "CLOSE")}
    for kind, seconds_of in took.items():
        median, worst = seconds_of[len(seconds_of) // 2], seconds_of[-1]
        print(
            f"{rate} lines/s, {polls} reads/s, {kind} of {len(seconds_of)} surges: "
            f"p50 {median:.2f} s, at most {worst:.2f} s"
        )


def put(kinesis, rate: int, seconds: int) -> None:
    """A second of orders, three of rest."""
    number, begun = 0, time.monotonic()
    while (now := time.monotonic() - begun) < seconds:
        if now % 4 < 1:
            count = max(rate // 20, 1)
            moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            lines = [
                json.dumps({"InvoiceNo": "1", "LineNo": str(number + n), "EventTime": moment})
                for n in range(count)
            ]
            records = [{"Data": text.encode() + b"\n", "PartitionKey": text} for text in lines]
            kinesis.put_records(StreamName="orders", Records=records)
            number += count
        time.sleep(max(0.0, 0.05 - (time.monotonic() - begun - now)))


def latencies(kinesis, kind: str) -> list[float]:
    """Seconds from the tick of each alarm of a kind until it arrived on the alarm stream."""
    iterator = kinesis.get_shard_iterator(
        StreamName="alarms", ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found = []
    for record in kinesis.get_records(ShardIterator=iterator)["Records"]:
        alarm = json.loads(record["Data"])
        if alarm["kind"] == kind:
            tick = datetime.fromisoformat(alarm["event_time"])
            found.append((record["ApproximateArrivalTimestamp"] - tick).total_seconds())
    return found


if __name__ == "__main__":
    main()
