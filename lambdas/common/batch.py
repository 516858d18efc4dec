"""What functions share that store all records of a batch together."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord

from common.rejected import reject

Read = tuple[Any, KinesisStreamRecord]
"""What was made of a record, and the record."""


class TogetherProcessor(BatchProcessor, ABC):
    """Reads every record, then stores what was read; a reader gives None for what it put aside."""

    def __init__(self, function: str, logger: Logger) -> None:
        super().__init__(EventType.KinesisDataStreams, raise_on_entire_batch_failure=False)
        self._function, self._logger = function, logger

    @abstractmethod
    def store(self, found: Sequence[Read]) -> None:
        """Store it, and call `reject` or `fail` with each record that was not."""

    def process(self) -> list[tuple]:
        results = super().process()
        self.store(
            [
                (read, KinesisStreamRecord(record))
                for status, read, record in results
                if status == "success" and read is not None
            ]
        )
        if self.exceptions:
            error = self.exceptions[-1][1]
            self._logger.error(
                "records to try again", records=len(self.exceptions), error=repr(error)
            )
        return results

    def reject(self, record: KinesisStreamRecord, error: Exception) -> None:
        """Put aside what can never be stored; where that fails, it comes again."""
        try:
            reject(self._function, record, error)
        except Exception as failure:
            self.fail(record, failure)

    def fail(self, record: KinesisStreamRecord, error: Exception) -> None:
        """Have the record come again."""
        self.failure_handler(record, (type(error), error, error.__traceback__))
