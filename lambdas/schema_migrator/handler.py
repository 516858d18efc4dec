"""Brings the database's schema and users up to date.

The event may say {"check": true}: nothing is changed. The answer says what was, or would be,
changed: {"changed": …, "migrations": […], "users": […]}.
"""

import json
import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pymysql.cursors import DictCursor

from common.database import connect
from common.secrets import read_secret
from schema_migrator import migrations, users

FUNCTION = "schema_migrator"
LOCK = "surgewatch schema"
LOCK_SECONDS = 30

logger = Logger(service=FUNCTION)


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    ids = json.loads(os.environ["USER_SECRETS"])
    secrets = {name: read_secret(secret_id, fresh=True) for name, secret_id in ids.items()}
    # The administrator's secret, as RDS makes it, has no more than a name and a password.
    place = next(iter(secrets.values()))
    admin = place | read_secret(os.environ["ADMIN_SECRET"], fresh=True)
    with connect(admin) as connection, connection.cursor() as cursor:
        _lock(cursor)
        changes = migrate(cursor, secrets, check=bool(event.get("check")))
    logger.info("schema", extra=changes)
    return changes


def migrate(
    cursor: DictCursor, secrets: dict[str, dict[str, Any]], *, check: bool
) -> dict[str, Any]:
    """Apply what is pending and correct the users, or only say so."""
    pending = migrations.pending(cursor, migrations.read_migrations())
    if not check:
        for migration in pending:
            migrations.apply(cursor, migration)
    corrections = [
        change
        for name, secret in secrets.items()
        for change in users.changes(cursor, secret, users.PRIVILEGES[name])
    ]
    if not check:
        for change in corrections:
            cursor.execute(change.sql, change.arguments)
    return {
        "changed": bool(pending or corrections),
        "migrations": [migration.name for migration in pending],
        "users": [change.what for change in corrections],
    }


def _lock(cursor: DictCursor) -> None:
    """Keep a second migrator out until this connection is closed."""
    cursor.execute("SELECT GET_LOCK(%s, %s) AS ours", (LOCK, LOCK_SECONDS))
    if not cursor.fetchone()["ours"]:
        raise TimeoutError("another schema_migrator is at work")
