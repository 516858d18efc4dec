"""The event that a function gets, and how many records fit into one."""

from base64 import b64encode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import msgspec

from event_source.mapping import Mapping

MAX_PAYLOAD_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it waits to be handed over: already in the form the function gets."""

    sequence: str
    arrival: float
    event: bytes


def encode(
    mapping: Mapping, role: str, shard: str, key: str, sequence: str, data: bytes, arrival: float
) -> Record:
    """Build a record of a Kinesis event, as Lambda does."""
    event = {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            # JSON can spell a lone surrogate; no function could read one.
            "partitionKey": key.encode(errors="replace").decode(),
            "sequenceNumber": sequence,
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": round(arrival, 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": role,
        "awsRegion": mapping.region,
        "eventSourceARN": mapping.stream_arn,
    }
    return Record(sequence, arrival, msgspec.json.encode(event))


def payload(records: Sequence[Record]) -> bytes:
    """The whole event."""
    return b'{"Records":[' + b",".join(record.event for record in records) + b"]}"


def fitting(records: Collection[Record], most: int) -> int:
    """How many of the first records one event takes; at least one, however large."""
    size = len(payload(()))
    for count, record in enumerate(islice(records, most)):
        size += len(record.event) + 1
        if size > MAX_PAYLOAD_BYTES:
            return max(count, 1)
    return min(len(records), most)
