"""The object that keeps records which were given up, as Lambda writes it to S3."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from event_source.event import Record, payload
from event_source.mapping import Mapping
from event_source.response import Answer

RETRIES = "RetryAttemptsExhausted"
AGE = "RecordAgeExceeded"


def object_key(mapping: Mapping, shard: str, now: datetime, unique: str) -> str:
    """Where the object goes in the bucket."""
    return f"aws/lambda/{mapping.uuid}/{shard}/{now:%Y/%m/%d/%Y-%m-%dT%H.%M.%S}-{unique}"


def invocation_record(
    mapping: Mapping,
    shard: str,
    records: Sequence[Record],
    condition: str,
    failures: int,
    answer: Answer | None,
    now: datetime,
    unique: str,
) -> bytes:
    """The object's body; `answer` is None where the records were never handed over."""
    body = {
        "requestContext": {
            "requestId": answer.request_id if answer else unique,
            "functionArn": mapping.function,
            "condition": condition,
            "approximateInvokeCount": failures,
        },
        "version": "1.0",
        "timestamp": _text(now),
        "KinesisBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": records[0].sequence,
            "endSequenceNumber": records[-1].sequence,
            "approximateArrivalOfFirstRecord": _text(_time(records[0])),
            "approximateArrivalOfLastRecord": _text(_time(records[-1])),
            "batchSize": len(records),
            "streamArn": mapping.stream_arn,
        },
        "payload": payload(records).decode(),
    }
    if answer:
        body["responseContext"] = {
            "statusCode": answer.status,
            "executedVersion": answer.version,
            "functionError": answer.function_error,
        }
    return msgspec.json.encode(body)


def _time(record: Record) -> datetime:
    return datetime.fromtimestamp(record.arrival, UTC)


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
