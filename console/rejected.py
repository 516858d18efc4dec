"""Records that a function could never store: objects `rejected/<function>/…` in the bucket."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from console.stack import Stack

PREFIX = "rejected/"


def keys(s3: Any, bucket: str, function: str = "") -> Iterator[str]:
    """The objects' keys, of one function or of all."""
    prefix = f"{PREFIX}{function}/" if function else PREFIX
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def read(s3: Any, bucket: str, key: str) -> dict[str, Any]:
    """An object's record and reason."""
    return json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def redrive(stack: Stack, function: str = "") -> Iterator[str]:
    """Put each record back on its stream, then delete its object; yields the keys.

    Interrupted in between, it puts a record there twice, which every sink takes as one. A record
    that is rejected again comes as an object of another name, later than those listed here.
    """
    s3, kinesis, bucket = stack.client("s3"), stack.client("kinesis"), stack["surgewatch_bucket"]
    for key in list(keys(s3, bucket, function)):
        record = read(s3, bucket, key)
        kinesis.put_record(
            StreamName=record["stream"].rpartition("/")[2],
            PartitionKey=record["partition_key"],
            Data=base64.b64decode(record["data"]),
        )
        s3.delete_object(Bucket=bucket, Key=key)
        yield key
