"""Stores the order lines of the stream in the order table."""

import os
from collections.abc import Sequence
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.batch import Read, TogetherProcessor
from common.clients import client
from common.rejected import RejectedError, reject
from order_writer.order import Item, expiring, item_of
from order_writer.table import Key, Table, key_of

FUNCTION = "order_writer"

logger = Logger(service=FUNCTION)


class OrderProcessor(TogetherProcessor):
    """Writes the items of all records together."""

    def store(self, found: Sequence[Read]) -> None:
        items: dict[Key, Item] = {}
        records: dict[Key, list[KinesisStreamRecord]] = {}
        for item, record in found:
            items[key_of(item)] = item
            records.setdefault(key_of(item), []).append(record)
        outcome = table().write(items)
        for key, error in outcome.refused.items():
            for record in records[key]:
                self.reject(record, error)
        for key in outcome.pending:
            for record in records[key]:
                self.fail(record, outcome.error)


@cache
def table() -> Table:
    return Table(os.environ["TABLE"], client("dynamodb"))


def read_order(record: KinesisStreamRecord) -> Item | None:
    """The item of a record; None if it can never be one and was put aside."""
    try:
        item = item_of(record.kinesis.data_as_bytes())
        return expiring(item, int(os.environ.get("EXPIRE_DAYS", 0)))
    except RejectedError as error:
        reject(FUNCTION, record, error)
        return None


processor = OrderProcessor(FUNCTION, logger)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(event, read_order, processor, context)
