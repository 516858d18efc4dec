"""Writes what each minute amounts to into the tables of minutes.

A measure is an absolute value, and the newest is the one of the most lines: repeats are harmless,
and an older one changes nothing.
"""

import os
from collections import defaultdict
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.database import Database
from common.rejected import RejectedError, reject
from common.secrets import read_secret
from measure_writer.measure import TABLES, Measure, measure_of
from measure_writer.tables import Row, Tables

FUNCTION = "measure_writer"

logger = Logger(service=FUNCTION)


class MeasureProcessor(BatchProcessor):
    """Reads every record, then writes all rows of a table together."""

    def process(self) -> list[tuple]:
        results = super().process()
        found: dict[str, list[tuple[Row, KinesisStreamRecord]]] = defaultdict(list)
        for _, measure, record in results:
            if isinstance(measure, Measure):
                entry = (measure.row, KinesisStreamRecord(record))
                found[measure.table.name].append(entry)
        for table in TABLES.values():
            entries = found[table.name]
            if not entries:
                continue
            try:
                refused = tables().write(table, [row for row, _ in entries])
                # As fast as rows come, and faster: what is too old has an end.
                tables().expire(table, 2 * len(entries))
            except Exception as error:
                for _, record in entries:
                    self._fail(record, error)
                continue
            for place, error in refused.items():
                self._reject(entries[place][1], error)
        if self.exceptions:
            error = self.exceptions[-1][1]
            logger.error("measures to try again", records=len(self.exceptions), error=repr(error))
        return results

    def _reject(self, record: KinesisStreamRecord, error: Exception) -> None:
        try:
            reject(FUNCTION, record, error)
        except Exception as failure:
            self._fail(record, failure)

    def _fail(self, record: KinesisStreamRecord, error: Exception) -> None:
        self.failure_handler(record, (type(error), error, error.__traceback__))


@cache
def tables() -> Tables:
    return Tables(Database(partial(read_secret, os.environ["DATABASE_SECRET"])))


def read_measure(record: KinesisStreamRecord) -> Measure | None:
    """The measure of a record; None if it can never be stored and was put aside."""
    try:
        return measure_of(record.kinesis.data_as_bytes())
    except RejectedError as error:
        reject(FUNCTION, record, error)
        return None


processor = MeasureProcessor(EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(event, read_measure, processor, context)
