"""What is told to CloudWatch of several flows, before and after a restart."""

from types import SimpleNamespace

import msgspec
from kinesis_agent.checkpoint import Counters
from kinesis_agent.config import Config, Flow
from kinesis_agent.metrics import CloudWatch
from kinesis_agent.sign import Credentials
from kinesis_agent.status import FlowStatus


def sent(cloudwatch: CloudWatch, *counts: int) -> list[str]:
    """Tell that the flows have sent so many records since ever; return what is put of each."""
    statuses = [
        FlowStatus(
            "KinesisStream:s",
            f"/{n}.log",
            **msgspec.structs.asdict(Counters(records_sent=count)),
            bytes_behind=0,
            seconds_behind=0,
            last_error=None,
            files=[],
        )
        for n, count in enumerate(counts)
    ]
    found = cloudwatch.parameters(statuses)
    items = [key.removesuffix("MetricName") for key, name in found.items() if name == "RecordsSent"]
    return [found[f"{item}Value"] for item in items]


def test_counts_are_of_a_period_and_a_flow() -> None:
    flows = [Flow(f"/{n}.log", kinesis_stream="s") for n in range(2)]
    running = [
        SimpleNamespace(flow=flow, counters=Counters(records_sent=count))
        for flow, count in zip(flows, (1000, 0), strict=True)
    ]
    cloudwatch = CloudWatch(Config(flows), lambda: Credentials("", ""), running)
    assert sent(cloudwatch, 1010, 7) == ["10.0", "7.0"]
    assert sent(cloudwatch, 1010, 8) == ["0.0", "1.0"]
