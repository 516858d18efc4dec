"""The public AWS APIs that are used, and the one kind of error they raise here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from event_source.response import Answer

CONNECTIONS = 100
FUNCTION_LIMIT_SECONDS = 900


class AwsError(Exception):
    """A call failed for a reason that time, or an operator, can mend: try it again."""


class Aws:
    """Clients made from the standard environment, which says where they connect and as whom.

    Nothing is retried here: the callers wait, and are interrupted, as suits them.
    """

    def __init__(self) -> None:
        session = botocore.session.Session()
        quick = botocore.config.Config(
            connect_timeout=5,
            read_timeout=10,
            retries={"total_max_attempts": 1},
            max_pool_connections=CONNECTIONS,
        )
        patient = quick.merge(botocore.config.Config(read_timeout=FUNCTION_LIMIT_SECONDS + 10))
        self._lambda = session.create_client("lambda", config=quick)
        self._invoke = session.create_client("lambda", config=patient)
        self._kinesis = session.create_client("kinesis", config=quick)
        self._s3 = session.create_client("s3", config=quick)

    def mappings(self) -> list[dict[str, Any]]:
        with _trouble():
            pages = self._lambda.get_paginator("list_event_source_mappings").paginate()
            return [mapping for page in pages for mapping in page["EventSourceMappings"]]

    def role(self, function: str) -> str:
        """The ARN of the role that the function runs as."""
        with _trouble():
            return self._lambda.get_function_configuration(FunctionName=function)["Role"]

    def shards(self, stream: str) -> list[dict[str, Any]]:
        with _trouble():
            pages = self._kinesis.get_paginator("list_shards").paginate(StreamName=stream)
            return [shard for page in pages for shard in page["Shards"]]

    def iterator(self, stream: str, shard: str, after: str | None) -> str:
        """An iterator that begins after a sequence number, or with the oldest record (None)."""
        start = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
            if after
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        with _trouble():
            answer = self._kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, **start)
            return answer["ShardIterator"]

    def records(self, iterator: str, limit: int) -> dict[str, Any]:
        with _trouble():
            return self._kinesis.get_records(ShardIterator=iterator, Limit=limit)

    def invoke(self, function: str, payload: bytes) -> Answer:
        """Call the function and wait for its answer; an error that it returns is one too."""
        with _trouble():
            answer = self._invoke.invoke(FunctionName=function, Payload=payload)
            return Answer(
                request_id=answer["ResponseMetadata"].get("RequestId", ""),
                status=answer["StatusCode"],
                version=answer.get("ExecutedVersion", "$LATEST"),
                function_error=answer.get("FunctionError"),
                payload=answer["Payload"].read(),
            )

    def put_object(self, bucket: str, key: str, body: bytes) -> None:
        with _trouble():
            self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json")


@contextmanager
def _trouble() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise AwsError(str(error)) from error
