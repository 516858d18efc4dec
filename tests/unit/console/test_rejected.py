"""Rejected records go back to their stream, once each, against a region."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from console import rejected

BUCKET = "console-rejected"
STREAM = "console-rejected"


class RegionStack:
    def __init__(self, region):
        self.client = region.client

    def __getitem__(self, name):
        return {"surgewatch_bucket": BUCKET}[name]


@pytest.fixture(scope="module")
def stack(region):
    region.client("s3").create_bucket(Bucket=BUCKET)
    kinesis = region.client("kinesis")
    kinesis.create_stream(StreamName=STREAM, ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName=STREAM, WaiterConfig={"Delay": 1})
    return RegionStack(region)


def put(stack, function, sequence, data):
    body = {
        "stream": f"arn:aws:kinesis:us-east-1:000000000000:stream/{STREAM}",
        "partition_key": "p",
        "data": base64.b64encode(data).decode(),
        "record": data.decode(errors="replace"),
        "reason": "no reason",
    }
    key = f"rejected/{function}/shardId-000000000000-{sequence}.json"
    stack.client("s3").put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body))
    return key


def on_stream(stack):
    kinesis = stack.client("kinesis")
    shard = {"StreamName": STREAM, "ShardId": "shardId-000000000000"}
    iterator = kinesis.get_shard_iterator(**shard, ShardIteratorType="TRIM_HORIZON")
    answer = kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    return [record["Data"] for record in answer["Records"]]


def test_redrive_puts_back_the_bytes_and_deletes_the_object(stack):
    raw = b"\xff not even text\n"
    key = put(stack, "order_writer", 1, raw)
    other = put(stack, "alarm_recorder", 2, b"other")
    s3 = stack.client("s3")
    assert list(rejected.keys(s3, BUCKET)) == sorted([key, other])

    assert list(rejected.redrive(stack, "order_writer")) == [key]
    assert on_stream(stack) == [raw]
    assert list(rejected.keys(s3, BUCKET)) == [other]
    assert list(rejected.redrive(stack, "order_writer")) == []
    assert on_stream(stack) == [raw]


def test_an_object_stays_where_its_record_could_not_be_put_back(stack):
    key = put(stack, "lost", 3, b"x")
    s3 = stack.client("s3")
    body = rejected.read(s3, BUCKET, key) | {"stream": "arn:aws:kinesis:::stream/no-such"}
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body))
    with pytest.raises(ClientError, match="no-such"):
        list(rejected.redrive(stack, "lost"))
    assert list(rejected.keys(s3, BUCKET, "lost")) == [key]
