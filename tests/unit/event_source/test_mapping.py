"""Mappings are read as the API describes them; what cannot be honoured is said."""

from datetime import UTC, datetime

import pytest
from event_source.mapping import is_stream, parse

STREAM = "arn:aws:kinesis:eu-central-1:000000000000:stream/website-orders"
FUNCTION = "arn:aws:lambda:eu-central-1:000000000000:function:order_writer"
PLAIN = {"UUID": "u", "FunctionArn": FUNCTION, "EventSourceArn": STREAM, "State": "Enabled"}


def test_defaults_are_those_of_aws():
    mapping = parse(PLAIN)
    assert (mapping.stream, mapping.region, mapping.enabled) == (
        "website-orders",
        "eu-central-1",
        True,
    )
    assert (mapping.batch_size, mapping.window_seconds) == (100, 0)
    assert (mapping.max_retries, mapping.max_age_seconds) == (-1, -1)
    assert (mapping.bisect, mapping.reports_items, mapping.failure_bucket) == (False, False, None)
    assert mapping.problems == ()


def test_every_setting_is_read():
    mapping = parse(
        PLAIN
        | {
            "BatchSize": 500,
            "MaximumBatchingWindowInSeconds": 3,
            "StartingPosition": "AT_TIMESTAMP",
            "StartingPositionTimestamp": datetime(2026, 1, 31, tzinfo=UTC),
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": 4,
            "MaximumRecordAgeInSeconds": 60,
            "DestinationConfig": {"OnFailure": {"Destination": "arn:aws:s3:::rejects"}},
        }
    )
    assert (mapping.batch_size, mapping.window_seconds) == (500, 3)
    assert mapping.starting_timestamp == datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    assert (mapping.reports_items, mapping.bisect) == (True, True)
    assert (mapping.max_retries, mapping.max_age_seconds) == (4, 60)
    assert mapping.failure_bucket == "rejects"
    assert mapping.problems == ()


@pytest.mark.parametrize("state", ["Disabled", "Disabling", "Deleting"])
def test_a_mapping_that_is_off_is_not_enabled(state):
    assert not parse(PLAIN | {"State": state}).enabled


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ({"EventSourceArn": STREAM + "/consumer/c:1"}, "consumer"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp"),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:r:0:queue"}}},
            "arn:aws:sqs:r:0:queue",
        ),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "FilterCriteria"),
        ({"TumblingWindowInSeconds": 30}, "TumblingWindow"),
    ],
)
def test_what_cannot_be_honoured_is_a_problem(setting, problem):
    (text,) = parse(PLAIN | setting).problems
    assert problem in text


def test_only_streams_are_ours():
    assert is_stream(PLAIN)
    assert not is_stream({"EventSourceArn": "arn:aws:sqs:eu-central-1:000000000000:queue"})
    assert not is_stream({})
