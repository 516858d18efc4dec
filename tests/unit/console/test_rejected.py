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
        return {
            "surgewatch_bucket": BUCKET,
            "surgewatch_streams": {"orders": {"name": STREAM}, "gone": {"name": "no-such"}},
            "surgewatch_functions": [
                {"name": "order_writer", "stream": "orders"},
                {"name": "lost", "stream": "gone"},
                {"name": "migrator"},
            ],
        }[name]


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

    assert list(rejected.redrive(stack, "order_writer")) == [(key, None)]
    assert on_stream(stack) == [raw]
    assert list(rejected.keys(s3, BUCKET)) == [other]
    assert list(rejected.redrive(stack, "order_writer")) == []
    assert on_stream(stack) == [raw]


def test_an_object_stays_where_its_record_could_not_be_put_back(stack):
    key = put(stack, "lost", 3, b"x")
    s3 = stack.client("s3")
    with pytest.raises(ClientError, match="no-such"):
        list(rejected.redrive(stack, "lost"))
    assert list(rejected.keys(s3, BUCKET, "lost")) == [key]


def test_the_stream_is_the_functions_whatever_an_object_says(stack):
    key = put(stack, "order_writer", 4, b"forged")
    s3 = stack.client("s3")
    body = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    body["stream"] = "arn:aws:kinesis:::stream/website-alarms"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body))
    assert list(rejected.redrive(stack, "order_writer")) == [(key, None)]
    assert on_stream(stack)[-1] == b"forged"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[" * 100_000,
        b"[]",
        b"{}",
        b'{"record": "", "reason": "", "partition_key": "p", "data": "\xff"}',
        b'{"record": "", "reason": "", "partition_key": "p", "data": "***"}',
        b'{"record": "", "reason": 7, "partition_key": "p", "data": ""}',
        b" " * (rejected.MAX_BYTES + 1),
        b'{"record": "", "reason": "", "partition_key": "", "data": ""}',
        b'{"record": "", "reason": "", "partition_key": "\\ud800", "data": ""}',
        b'{"record": "", "reason": "", "partition_key": "%s", "data": ""}' % (b"k" * 257),
        b'{"record": "", "reason": "", "partition_key": "p", "data": "%s"}' % (b"AAAA" * 350_000),
    ],
    ids=range(12),
)
def test_an_object_that_no_function_wrote_is_named_and_passed_over(stack, content):
    s3 = stack.client("s3")
    key = "rejected/order_writer/a-strange-one.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    try:
        good = put(stack, "order_writer", 5, b"good")
        (strange, problem), done = rejected.redrive(stack, "order_writer")
        assert (strange, done) == (key, (good, None))
        assert key in problem
        with pytest.raises(rejected.Unreadable, match=key):
            rejected.read(s3, BUCKET, key)
    finally:
        s3.delete_object(Bucket=BUCKET, Key=key)


def test_what_is_of_no_reading_function_is_left(stack):
    s3 = stack.client("s3")
    for function in ("migrator", "stranger"):
        key = put(stack, function, 6, b"x")
        ((_, problem),) = rejected.redrive(stack, function)
        assert "no function that reads" in problem
        s3.delete_object(Bucket=BUCKET, Key=key)
