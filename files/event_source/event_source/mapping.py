"""One event source mapping, as ListEventSourceMappings describes it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

STOPPED_STATES = frozenset({"Disabled", "Disabling", "Deleting", "Deleted"})


@dataclass(frozen=True)
class Mapping:
    """What one mapping asks for."""

    uuid: str
    function: str
    stream_arn: str
    enabled: bool
    batch_size: int
    window_seconds: float
    starting_position: str
    starting_timestamp: float | None
    reports_items: bool
    bisect: bool
    max_retries: int
    max_age_seconds: int
    failure_bucket: str | None
    problems: tuple[str, ...]

    @property
    def stream(self) -> str:
        return self.stream_arn.rpartition("/")[2]

    @property
    def region(self) -> str:
        return self.stream_arn.split(":")[3]


def is_stream(described: dict[str, Any]) -> bool:
    """Whether the mapping reads a Kinesis stream (others are not for us)."""
    return described.get("EventSourceArn", "").split(":")[2:3] == ["kinesis"]


def parse(described: dict[str, Any]) -> Mapping:
    """Turn an API description into a Mapping; what cannot be honoured is listed in `problems`."""
    start = described.get("StartingPosition", "TRIM_HORIZON")
    timestamp: datetime | None = described.get("StartingPositionTimestamp")
    destination = described.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
    bucket = _bucket(destination)
    problems = []
    if "/consumer/" in described["EventSourceArn"]:
        problems.append("a stream consumer (enhanced fan-out) as source is not supported")
    if start == "AT_TIMESTAMP" and timestamp is None:
        problems.append("AT_TIMESTAMP without StartingPositionTimestamp")
    if destination and not bucket:
        problems.append(f"on-failure destination {destination}: only an S3 bucket is supported")
    if described.get("FilterCriteria", {}).get("Filters"):
        problems.append("FilterCriteria is not supported")
    if described.get("TumblingWindowInSeconds"):
        problems.append("TumblingWindowInSeconds is not supported")
    return Mapping(
        uuid=described["UUID"],
        function=described["FunctionArn"],
        stream_arn=described["EventSourceArn"],
        enabled=described.get("State") not in STOPPED_STATES,
        batch_size=described.get("BatchSize", 100),
        window_seconds=described.get("MaximumBatchingWindowInSeconds", 0),
        starting_position=start,
        starting_timestamp=timestamp.timestamp() if timestamp else None,
        reports_items="ReportBatchItemFailures" in described.get("FunctionResponseTypes", []),
        bisect=described.get("BisectBatchOnFunctionError", False),
        max_retries=described.get("MaximumRetryAttempts", -1),
        max_age_seconds=described.get("MaximumRecordAgeInSeconds", -1),
        failure_bucket=bucket,
        problems=tuple(problems),
    )


def _bucket(destination: str | None) -> str | None:
    """The bucket of an S3 ARN (arn:aws:s3:::NAME)."""
    if not destination or destination.split(":")[2:3] != ["s3"]:
        return None
    return destination.rpartition(":")[2].partition("/")[0]
