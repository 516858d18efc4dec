"""Records that a function could never store: objects `rejected/<function>/…` in the bucket."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from console.stack import Stack

PREFIX = "rejected/"
MAX_BYTES = 4 * 1024 * 1024
"""More than a record of 1 MiB takes, as text and as base64."""
MAX_RECORD_BYTES = 1024 * 1024


class Unreadable(Exception):
    """An object that no function wrote."""


def keys(s3: Any, bucket: str, function: str = "") -> Iterator[str]:
    """The objects' keys, of one function or of all."""
    prefix = f"{PREFIX}{function}/" if function else PREFIX
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def read(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    """An object's record and reason. Raises Unreadable where it is none that a function wrote."""
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_BYTES + 1)
    try:
        record = json.loads(body if len(body) <= MAX_BYTES else b"")
        for name in ("record", "reason", "partition_key", "data"):
            if not isinstance(record[name], str):
                raise TypeError(name)
        if (
            not 1 <= len(record["partition_key"]) <= 256
            or not record["partition_key"].isprintable()
        ):
            raise ValueError("no partition key")
        data = base64.b64decode(record["data"], validate=True)
        if len(data) > MAX_RECORD_BYTES:
            raise ValueError(f"{len(data)} bytes")
        return record | {"data": data}
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unreadable(f"{key} is no record that a function put aside: {error!r}") from error


def redrive(stack: Stack, function: str = "") -> Iterator[tuple[str, str | None]]:
    """Put each record back on its function's stream, then delete its object.

    Yields each key, and where it was passed over, why. Interrupted in between, it puts a record
    there twice, which every sink takes as one. A record that is rejected again comes as an object
    of another name, later than those listed here.
    """
    s3, kinesis, bucket = stack.client("s3"), stack.client("kinesis"), stack["surgewatch_bucket"]
    streams = stream_names(stack)
    for key in list(keys(s3, bucket, function)):
        stream = streams.get(key.removeprefix(PREFIX).partition("/")[0])
        if stream is None:
            yield key, f"{key} is of no function that reads a stream"
            continue
        try:
            record = read(s3, bucket, key)
        except Unreadable as error:
            yield key, str(error)
            continue
        kinesis.put_record(
            StreamName=stream, PartitionKey=record["partition_key"], Data=record["data"]
        )
        s3.delete_object(Bucket=bucket, Key=key)
        yield key, None


def stream_names(stack: Stack) -> dict[str, str]:
    """The stream that each function reads: what an object says of it, anyone may have written."""
    streams = stack["surgewatch_streams"]
    return {
        function["name"]: streams[function["stream"]]["name"]
        for function in stack["surgewatch_functions"]
        if "stream" in function
    }
