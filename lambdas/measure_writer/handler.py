"""Writes what each minute amounts to into the tables of minutes.

A measure is an absolute value, and the newest is the one of the most lines: repeats are harmless,
and an older one changes nothing.
"""

import os
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import process_partial_response
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from common.batch import Read, TogetherProcessor
from common.database import Database
from common.rejected import RejectedError, reject
from common.secrets import read_secret
from measure_writer.measure import TABLES, Measure, measure_of
from measure_writer.tables import Tables

FUNCTION = "measure_writer"

logger = Logger(service=FUNCTION)


class MeasureProcessor(TogetherProcessor):
    """Writes all rows of a table together."""

    def store(self, found: Sequence[Read]) -> None:
        for table in TABLES.values():
            entries = [(one.row, record) for one, record in found if one.table is table]
            if not entries:
                continue
            try:
                refused = tables().write(table, [row for row, _ in entries])
                # As fast as rows come, and faster: what is too old has an end.
                tables().expire(table, 2 * len(entries))
            except Exception as error:
                for _, record in entries:
                    self.fail(record, error)
                continue
            for place, error in refused.items():
                self.reject(entries[place][1], error)


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


processor = MeasureProcessor(FUNCTION, logger)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(event, read_measure, processor, context)
