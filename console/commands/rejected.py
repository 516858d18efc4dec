"""List the records that could never be stored, or put them back on their stream."""

import argparse
from itertools import islice

from console import rejected
from console import stack as stacks
from console.terminal import out

USES_STACK = True
MAX_SHOWN = 1000


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "redrive"))
    parser.add_argument("function", nargs="?", default="", help="order_writer, say; default: all")


def run(options: argparse.Namespace) -> int:
    stack = stacks.load()
    if options.action == "redrive":
        for key in rejected.redrive(stack, options.function):
            out.print(f"put back: {key}", markup=False)
        return 0
    s3, bucket = stack.client("s3"), stack["surgewatch_bucket"]
    found = rejected.keys(s3, bucket, options.function)
    for key in islice(found, MAX_SHOWN):
        record = rejected.read(s3, bucket, key)
        out.print(f"{key}\n  {record['reason']}: {record['record'].strip()[:200]}", markup=False)
    if next(found, None):
        out.print(f"and more than these {MAX_SHOWN}")
    return 0
