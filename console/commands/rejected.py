"""List the records that could never be stored, or put them back on their stream."""

import argparse
from itertools import islice
from typing import Any

from console import rejected
from console import stack as stacks
from console.terminal import err, out

USES_STACK = True
MAX_SHOWN = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "redrive"))
    parser.add_argument("function", nargs="?", default="", help="order_writer, say; default: all")


def run(options: argparse.Namespace) -> int:
    stack = stacks.load()
    s3, bucket = stack.client("s3"), stack["surgewatch_bucket"]
    if not any(rejected.keys(s3, bucket, options.function)):
        err.print("No record was rejected.")
    elif options.action == "redrive":
        for key in rejected.redrive(stack, options.function):
            out.print(f"put back: {key}", markup=False)
    else:
        _list(s3, bucket, options.function)
    return 0


def _list(s3: Any, bucket: str, function: str) -> None:
    found = rejected.keys(s3, bucket, function)
    for key in islice(found, MAX_SHOWN):
        record = rejected.read(s3, bucket, key)
        out.print(f"{key}\n  {record['reason']}: {record['record'].strip()[:200]}", markup=False)
    if next(found, None):
        out.print(f"and more than these {MAX_SHOWN}")
