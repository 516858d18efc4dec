"""The object for records that were given up is as AWS documents it."""

import json
from datetime import UTC, datetime

from event_source.event import Record
from event_source.failure import AGE, RETRIES, invocation_record, object_key
from event_source.response import Answer

from .test_batch import MAPPING

SHARD = "shardId-000000000001"
NOW = datetime(2019, 11, 14, 0, 38, 6, 21000, UTC)
RECORDS = [Record("4722", 1573691884.835, b'{"a":1}'), Record("5186", 1573691885.58, b'{"a":2}')]


def test_the_key_is_dated_and_unique():
    key = object_key(MAPPING, SHARD, NOW, "some-uuid")
    assert key == "aws/lambda/u/shardId-000000000001/2019/11/14/2019-11-14T00.38.06-some-uuid"


def test_the_body_says_what_failed_and_holds_the_event():
    answer = Answer("request", 200, "$LATEST", "Unhandled", b"{}")
    body = json.loads(invocation_record(MAPPING, SHARD, RECORDS, RETRIES, 3, answer, NOW, "unique"))
    assert json.loads(body.pop("payload")) == {"Records": [{"a": 1}, {"a": 2}]}
    assert body == {
        "requestContext": {
            "requestId": "request",
            "functionArn": MAPPING.function,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 3,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2019-11-14T00:38:06.021Z",
        "KinesisBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": "4722",
            "endSequenceNumber": "5186",
            "approximateArrivalOfFirstRecord": "2019-11-14T00:38:04.835Z",
            "approximateArrivalOfLastRecord": "2019-11-14T00:38:05.580Z",
            "batchSize": 2,
            "streamArn": MAPPING.stream_arn,
        },
    }


def test_records_that_were_never_handed_over_have_no_response():
    body = json.loads(invocation_record(MAPPING, SHARD, RECORDS, AGE, 0, None, NOW, "unique"))
    assert "responseContext" not in body
    assert body["requestContext"]["requestId"] == "unique"
