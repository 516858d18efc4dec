"""How many order lines, and then alarms, passed each stage from the log to the history."""

from console import alarms, health
from console.errors import AWS_ERRORS, ConsoleError
from console.health import Health
from console.stack import Stack

WRITER = "order_writer"


def survey(stack: Stack) -> tuple[Health, dict[str, str]]:
    """The hosts' health, and each stage's count; "?" where it could not be found out.

    The last stages are counted first: no line is to seem older than its writing.
    """
    try:
        recorded = f"{alarms.ask(stack, 'count')[0]['alarms']:,}"
    except (*AWS_ERRORS, ConsoleError):
        recorded = "?"
    found = health.ask(stack)
    passed = health.counts(
        found,
        stack["surgewatch_streams"]["orders"]["name"],
        stack["surgewatch_prefix"] + WRITER,
    )
    stages = {name: "?" if n is None else f"{n:,}" for name, n in passed.items()}
    if passed["stored"] is None:
        stages["stored"] = count_items(stack)
    return found, stages | {"alarms": recorded}


def count_items(stack: Stack) -> str:
    """How many items the order table has, as AWS last guessed: to count them reads them all."""
    client = stack.client("dynamodb", retries={"total_max_attempts": 2}, connect_timeout=3)
    try:
        table = client.describe_table(TableName=stack["surgewatch_orders_table"])["Table"]
    except AWS_ERRORS:
        return "?"
    return f"about {table['ItemCount']:,}"
