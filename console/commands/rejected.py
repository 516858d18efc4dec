"""List the records that could never be stored, or put them back on their stream."""

import argparse
from itertools import islice
from typing import Any

from console import rejected
from console import stack as stacks
from console.stack import Stack
from console.terminal import err, line, out

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
        return _redrive(stack, options.function)
    else:
        _list(s3, bucket, options.function)
    return 0


def _redrive(stack: Stack, function: str) -> int:
    code = 0
    for key, problem in rejected.redrive(stack, function):
        if problem is None:
            out.print(line(f"put back: {key}"))
        else:
            err.print(line(f"passed over: {problem}"), style="red")
            code = 1
    return code


def _list(s3: Any, bucket: str, function: str) -> None:
    found = rejected.keys(s3, bucket, function)
    for key in islice(found, MAX_SHOWN):
        out.print(line(key))
        try:
            record = rejected.read(s3, bucket, key)
            out.print(line(f"  {record['reason']}: {record['record'].strip()[:200]}"))
        except rejected.Unreadable as error:
            out.print(line(f"  {error}"), style="red")
    if next(found, None):
        out.print(f"and more than these {MAX_SHOWN}")
