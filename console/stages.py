"""How many orders, requests and alarms passed each stage from the log to the database."""

from console import health
from console.errors import AWS_ERRORS, ConsoleError
from console.health import Health
from console.stack import Stack


def survey(stack: Stack) -> tuple[Health, dict[str, dict[str, str]]]:
    """The hosts' health, and each stage's count; "?" where it could not be found out."""
    found = health.ask(stack)
    counted = health.counts(found, stack["surgewatch_streams"], stack["surgewatch_prefix"])
    stages = {
        row: {name: "?" if count is None else f"{count:,}" for name, count in counts.items()}
        for row, counts in counted.items()
    }
    if not stack.groups.get("event_source"):  # where AWS feeds the functions, it has the counts
        stages["orders"]["stored"] = _count_items(stack)
        stages["alarms"]["recorded"] = _count_alarms(stack)
    return found, stages


def _count_items(stack: Stack) -> str:
    """How many items the order table has, as AWS last guessed: to count them reads them all."""
    client = stack.client("dynamodb", retries={"total_max_attempts": 2}, connect_timeout=3)
    try:
        table = client.describe_table(TableName=stack["surgewatch_orders_table"])["Table"]
    except AWS_ERRORS:
        return "?"
    return f"about {table['ItemCount']:,}"


def _count_alarms(stack: Stack) -> str:
    from console import alarms

    try:
        return f"{alarms.ask(stack, 'count')[0]['alarms']:,}"
    except (*AWS_ERRORS, ConsoleError):
        return "?"
