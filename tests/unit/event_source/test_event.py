"""The event's shape, and the limit of its size."""

import json

from event_source import event
from event_source.event import Record, encode, fitting, payload

from .test_batch import MAPPING


def test_the_event_is_what_lambda_sends():
    record = encode(
        MAPPING,
        role="arn:aws:iam::000000000000:role/writer",
        shard="shardId-000000000006",
        key="1",
        sequence="49590338271490256608559692538361571095921575989136588898",
        data=b"Hello, this is a test.",
        arrival=1545084650.9874,
    )
    assert json.loads(payload([record])) == {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "1",
                    "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                    "data": "SGVsbG8sIHRoaXMgaXMgYSB0ZXN0Lg==",
                    "approximateArrivalTimestamp": 1545084650.987,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": "shardId-000000000006:"
                "49590338271490256608559692538361571095921575989136588898",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::000000000000:role/writer",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
            }
        ]
    }


def test_a_batch_holds_no_more_than_asked():
    assert fitting([Record("1", 0, b"{}")] * 5, 3) == 3
    assert fitting([Record("1", 0, b"{}")] * 2, 3) == 2
    assert fitting([], 3) == 0


def test_a_batch_ends_before_the_record_that_would_make_it_too_large(monkeypatch):
    monkeypatch.setattr(event, "MAX_PAYLOAD_BYTES", 100)
    held = [Record(str(size), 0, b"x" * size) for size in (40, 40, 40)]
    assert fitting(held, 10) == 2
    assert len(payload(held[:2])) <= 100 < len(payload(held))


def test_a_record_that_is_too_large_goes_alone(monkeypatch):
    monkeypatch.setattr(event, "MAX_PAYLOAD_BYTES", 100)
    assert fitting([Record("1", 0, b"x" * 200), Record("2", 0, b"{}")], 10) == 1


def test_a_key_that_is_no_text_does_not_end_the_poller():
    made = encode(MAPPING, "role", "shard", "\ud800", "1", b"x", 1.5)
    assert json.loads(made.event)["kinesis"]["partitionKey"] == "?"
