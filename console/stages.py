"""How many order lines, and then alarms, passed each stage from the log to the history."""

import time
from typing import Any

from console import alarms, health
from console.errors import AWS_ERRORS, ConsoleError
from console.health import Health
from console.stack import Stack

COUNT_SECONDS = 5


def survey(stack: Stack) -> tuple[Health, dict[str, str]]:
    """The hosts' health, and each stage's count; "?" where it could not be found out.

    The last stages are counted first: no line is to seem older than its writing.
    """
    client = stack.client("dynamodb", retries={"total_max_attempts": 2}, connect_timeout=3)
    try:
        items = count_items(client, stack["surgewatch_orders_table"], COUNT_SECONDS)
    except AWS_ERRORS:
        items = "?"
    try:
        recorded = f"{alarms.ask(stack, 'count')[0]['alarms']:,}"
    except (*AWS_ERRORS, ConsoleError):
        recorded = "?"
    found = health.ask()
    passed = health.counts(found, stack["surgewatch_streams"]["orders"]["name"])
    stages = {name: "?" if n is None else f"{n:,}" for name, n in passed.items()}
    return found, stages | {"items": items, "alarms": recorded}


def count_items(client: Any, table: str, seconds: float) -> str:
    """The exact count, or how many could be counted in the time; DynamoDB only keeps a guess."""
    deadline = time.monotonic() + seconds
    counted = 0
    for page in client.get_paginator("scan").paginate(TableName=table, Select="COUNT"):
        counted += page["Count"]
        if time.monotonic() > deadline and "LastEvaluatedKey" in page:
            return f"more than {counted:,}"
    return f"{counted:,}"
