"""Records that can never be stored, kept as objects in the stack's bucket."""

import json
import os

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord

from common.clients import client


class RejectedError(ValueError):
    """The record can never be stored; the message says why."""


def shard_of(record: KinesisStreamRecord) -> str:
    return record.event_id.split(":")[0]


def reject(function: str, record: KinesisStreamRecord, reason: Exception) -> None:
    """Keep the record and the reason; the key makes a repeat harmless."""
    sequence = record.kinesis.sequence_number
    key = f"rejected/{function}/{shard_of(record)}-{sequence}.json"
    body = {
        "function": function,
        "stream": record.event_source_arn,
        "shard": shard_of(record),
        "sequence_number": sequence,
        "partition_key": record.kinesis.partition_key,
        "arrived_at": record.kinesis.approximate_arrival_timestamp,
        "reason": str(reason),
        # For people; `data` (base64, as the event has it) holds the bytes as they were.
        "record": record.kinesis.data_as_bytes().decode(errors="replace"),
        "data": record.kinesis.data,
    }
    client("s3").put_object(
        Bucket=os.environ["BUCKET"],
        Key=key,
        # A lone surrogate, which a partition key may hold, becomes the escape that JSON has for it.
        Body=json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace"),
        ContentType="application/json",
    )
    # Of the function's own name: only so it writes the function's JSON, which an alarm reads.
    logger = Logger(service=function, child=True)
    logger.warning("record rejected", reason=str(reason), key=key)
