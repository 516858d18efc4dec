"""Stores the order lines of the stream in the order table."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.clients import client
from common.rejected import RejectedError, reject
from order_writer.order import Item, expiring, item_of
from order_writer.table import Key, Table, key_of

FUNCTION = "order_writer"

logger = Logger(service=FUNCTION)


class OrderProcessor(BatchProcessor):
    """Reads every record, then writes the items of all of them together."""

    def process(self) -> list[tuple]:
        results = super().process()
        items: dict[Key, Item] = {}
        records: dict[Key, list[KinesisStreamRecord]] = {}
        for _, item, record in results:
            if isinstance(item, dict):
                items[key_of(item)] = item
                records.setdefault(key_of(item), []).append(KinesisStreamRecord(record))
        outcome = table().write(items)
        for key, error in outcome.refused.items():
            for record in records[key]:
                self._reject(record, error)
        for key in outcome.pending:
            for record in records[key]:
                self._fail(record, outcome.error)
        if self.exceptions:
            error = self.exceptions[-1][1]
            logger.error("orders to try again", records=len(self.exceptions), error=repr(error))
        return results

    def _reject(self, record: KinesisStreamRecord, error: Exception) -> None:
        try:
            reject(FUNCTION, record, error)
        except Exception as failure:
            self._fail(record, failure)

    def _fail(self, record: KinesisStreamRecord, error: Exception) -> None:
        self.failure_handler(record, (type(error), error, error.__traceback__))


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


processor = OrderProcessor(EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(event, read_order, processor, context)
