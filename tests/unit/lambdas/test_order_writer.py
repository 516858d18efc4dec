"""order_writer's handler, against DynamoDB and S3 of a local region."""

import base64

import pytest

from common import clients
from order_writer import handler
from tests.unit.lambdas.conftest import CONTEXT, SHARD, failures, kinesis_event
from tests.unit.lambdas.test_order import line


@pytest.fixture
def orders(orders_table, bucket):
    handler.table.cache_clear()
    yield orders_table
    handler.table.cache_clear()


def handle(*data: bytes) -> list[int]:
    return failures(handler.lambda_handler(kinesis_event(*data), CONTEXT))


def test_orders_are_stored_and_a_repeat_changes_nothing(orders, bucket):
    lines = [line(LineNo=str(number)) for number in range(1, 61)]
    assert handle(*lines) == []
    stored = orders.items()
    assert len(stored) == 60
    assert handle(*lines) == []
    assert orders.items() == stored
    assert bucket() == {}


def test_an_order_expires_after_the_days_that_are_wanted(orders, monkeypatch):
    monkeypatch.setenv("EXPIRE_DAYS", "2")
    assert handle(line()) == []
    (stored,) = orders.items().values()
    assert stored["ExpiresAt"] == {"N": "1770033600"}  # 2026-02-02T12:00:00Z


def test_a_line_that_comes_twice_in_a_batch_is_one_item(orders):
    assert handle(line(), line(), line(LineNo="2")) == []
    assert list(orders.items()) == ["536365-85123A-1", "536365-85123A-2"]


def test_what_can_never_be_stored_is_put_aside_whole(orders, bucket):
    broken = b'{"InvoiceNo": "\xff\xfe'
    assert handle(line(), broken, line(LineNo="2")) == []
    assert len(orders.items()) == 2
    key = f"rejected/order_writer/{SHARD}-1001.json"
    (rejected,) = [bucket()[key]]
    assert base64.b64decode(rejected["data"]) == broken
    assert "not JSON" in rejected["reason"]
    assert (rejected["function"], rejected["sequence_number"]) == ("order_writer", "1001")
    assert handle(line(), broken) == []
    assert list(bucket()) == [key]


def test_what_the_store_refuses_is_put_aside(orders, bucket, monkeypatch):
    # More than DynamoDB takes, as it would be if the limits here were wrong.
    monkeypatch.setattr("order_writer.order.MAX_RECORD_BYTES", 10**9)
    assert handle(line(), line(LineNo="2", Description="x" * 410_000)) == []
    assert list(orders.items()) == ["536365-85123A-1"]
    assert list(bucket()) == [f"rejected/order_writer/{SHARD}-1001.json"]


def test_a_store_that_is_down_fails_the_records_so_that_they_come_again(
    orders, bucket, monkeypatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    clients.client.cache_clear()
    assert handle(b"broken", *(line(LineNo=str(number)) for number in range(1, 31))) == list(
        range(1001, 1031)
    )
    assert len(bucket()) == 1


def test_a_record_that_cannot_be_put_aside_comes_again(orders, monkeypatch):
    monkeypatch.setenv("BUCKET", "no-such-bucket")
    assert handle(line(), b"broken", line(LineNo="2")) == [1001]
    assert len(orders.items()) == 2
