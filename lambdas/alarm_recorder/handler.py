"""Records the alarms of the stream in the history and tells people.

Row first, then the message, then the mark on the row: after a crash in between, the record comes
again and the message may be repeated, but none is lost.
"""

import os
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
from botocore.exceptions import ClientError

from alarm_recorder.alarm import alarm_of
from alarm_recorder.history import History
from alarm_recorder.notification import attributes_of, subject_of
from common.clients import client
from common.database import Database
from common.rejected import RejectedError, reject
from common.secrets import read_secret

FUNCTION = "alarm_recorder"
UNSENDABLE = ("InvalidParameter", "InvalidParameterValue")

logger = Logger(service=FUNCTION)


class OrderedProcessor(BatchProcessor):
    """Stops at the first record that fails: a CLOSE never overtakes its OPEN."""

    def process(self) -> list[tuple]:
        results = []
        for record in self.records:
            results.append(self._process_record(record))
            if self.exceptions:
                error = self.exceptions[-1][1]
                logger.error("alarm to try again", error=repr(error))
                break
        return results


@cache
def history() -> History:
    return History(Database(partial(read_secret, os.environ["DATABASE_SECRET"])))


def record_alarm(record: KinesisStreamRecord) -> None:
    """Store and announce one alarm; put aside what can never be stored."""
    data = record.kinesis.data_as_bytes()
    try:
        alarm = alarm_of(data)
        is_new = history().add(alarm)
    except RejectedError as error:
        reject(FUNCTION, record, error)
        return
    if alarm["kind"] == "CORRECTION" or not (is_new or not history().is_notified(alarm)):
        return
    try:
        client("sns").publish(
            TopicArn=os.environ["TOPIC"],
            Subject=subject_of(alarm),
            Message=data.decode().strip(),
            MessageAttributes=attributes_of(alarm),
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in UNSENDABLE:
            raise
        reject(FUNCTION, record, error)  # its row stays, and is marked as not sent
        return
    history().mark_notified(alarm)


processor = OrderedProcessor(EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return process_partial_response(event, record_alarm, processor, context)
