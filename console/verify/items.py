"""A run's items in the order table."""

from typing import Any

from console.verify.run import Run

Item = dict[str, dict[str, str]]


def of_run(dynamodb: Any, table: str, run: Run) -> list[Item]:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="CustomerID = :customer AND begins_with(OrderID, :invoice)",
        ExpressionAttributeValues={
            ":customer": {"N": run.customer},
            ":invoice": {"S": f"{run.invoice}-"},
        },
    )
    return [item for page in pages for item in page["Items"]]


def remove(dynamodb: Any, table: str, run: Run) -> int:
    """Remove them; returns how many there were."""
    found = of_run(dynamodb, table, run)
    for item in found:
        key = {name: item[name] for name in ("CustomerID", "OrderID")}
        dynamodb.delete_item(TableName=table, Key=key)
    return len(found)
