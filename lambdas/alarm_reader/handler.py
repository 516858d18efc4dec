"""Answers operators' questions about the alarm history: {"query": …} gives {"rows": […]}."""

import json
import os
from datetime import date, datetime
from decimal import Decimal
from functools import cache, partial
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from alarm_reader.queries import query_of
from common.database import Database
from common.secrets import read_secret

FUNCTION = "alarm_reader"
FLAGS = ("late", "test")
JSON = ("top", "expected", "context")

logger = Logger(service=FUNCTION)


@cache
def database() -> Database:
    return Database(partial(read_secret, os.environ["DATABASE_SECRET"]))


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    statement, parameters = query_of(event)
    with database().cursor() as cursor:
        cursor.execute(statement, parameters)
        return {"rows": [plain(row) for row in cursor.fetchall()]}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON can carry it, with times as the stream has them."""
    return {name: _plain(name, value) for name, value in row.items()}


def _plain(name: str, value: Any) -> Any:
    if name in FLAGS:
        return bool(value)
    if name in JSON and value is not None:
        return json.loads(value)
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds") + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value
