"""A database user for each function, with no more privileges than it uses."""

from typing import Any, NamedTuple

import pymysql
from pymysql.cursors import DictCursor

from common.database import ACCESS_DENIED, connect


class Privilege(NamedTuple):
    """A privilege on `*.*`, on `logs.*`, on a table, or on one column of a table."""

    name: str
    on: str
    column: str | None = None

    @property
    def sql(self) -> str:
        columns = f" ({self.column})" if self.column else ""
        return f"{self.name}{columns} ON {self.on}"


HISTORY = "logs.logs_history"
MINUTES = ("logs.access_minutes", "logs.order_minutes", "logs.rule_minutes", "logs.slo_minutes")
VIEWS = (
    "logs.alarms_by_hour",
    "logs.alarms_by_month",
    "logs.availability_by_hour",
    "logs.latency_by_hour",
    "logs.orders_by_hour",
    "logs.slo_budget",
)

# Which privileges the user of each function has.
PRIVILEGES = {
    "alarm_recorder": {
        Privilege("INSERT", HISTORY),
        *(
            Privilege("SELECT", HISTORY, name)
            for name in ("incident_id", "sequence", "notified_at")
        ),
        Privilege("UPDATE", HISTORY, "notified_at"),
    },
    "alarm_reader": {Privilege("SELECT", name) for name in (HISTORY, *MINUTES, *VIEWS)},
    # A row is compared with the one that it replaces; what is too old is deleted.
    "measure_writer": {
        Privilege(name, table)
        for table in MINUTES
        for name in ("SELECT", "INSERT", "UPDATE", "DELETE")
    },
}

ACTUAL = """
SELECT privilege_type AS name, '*.*' AS `on`, NULL AS `column`
FROM information_schema.user_privileges WHERE grantee = %(grantee)s AND privilege_type <> 'USAGE'
UNION ALL
SELECT privilege_type, CONCAT(table_schema, '.*'), NULL
FROM information_schema.schema_privileges WHERE grantee = %(grantee)s
UNION ALL
SELECT privilege_type, CONCAT(table_schema, '.', table_name), NULL
FROM information_schema.table_privileges WHERE grantee = %(grantee)s
UNION ALL
SELECT privilege_type, CONCAT(table_schema, '.', table_name), column_name
FROM information_schema.column_privileges WHERE grantee = %(grantee)s
"""


class Change(NamedTuple):
    """A statement to be executed, and what it does, without any secret."""

    what: str
    sql: str
    arguments: tuple[str, ...]


def changes(cursor: DictCursor, secret: dict[str, Any], wanted: set[Privilege]) -> list[Change]:
    """What makes a user log in with its secret, over TLS only, and have the wanted privileges."""
    name = secret["username"]
    return [*_account(cursor, secret), *_privileges(cursor, name, wanted)]


def _account(cursor: DictCursor, secret: dict[str, Any]) -> list[Change]:
    name = secret["username"]
    cursor.execute("SELECT ssl_type FROM mysql.user WHERE user = %s AND host = '%%'", (name,))
    row = cursor.fetchone()
    arguments = (name, secret["password"])
    if row is None:
        statement = "CREATE USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL"
        return [Change(f"{name}: create", statement, arguments)]
    if row["ssl_type"] in ("ANY", b"ANY") and _opens(secret):
        return []
    statement = "ALTER USER %s@'%%' IDENTIFIED BY %s REQUIRE SSL"
    return [Change(f"{name}: set the password", statement, arguments)]


def _opens(secret: dict[str, Any]) -> bool:
    """Whether the secret's user can log in."""
    try:
        connect(secret).close()
    except pymysql.OperationalError as error:
        if error.args[0] != ACCESS_DENIED:
            raise
        return False
    return True


def _privileges(cursor: DictCursor, name: str, wanted: set[Privilege]) -> list[Change]:
    cursor.execute(ACTUAL, {"grantee": f"'{name}'@'%'"})
    actual = {Privilege(**row) for row in cursor.fetchall()}
    return [
        *(_change("grant", one, "TO", name) for one in sorted(wanted - actual, key=str)),
        *(_change("revoke", one, "FROM", name) for one in sorted(actual - wanted, key=str)),
    ]


def _change(verb: str, privilege: Privilege, to: str, name: str) -> Change:
    statement = f"{verb.upper()} {privilege.sql} {to} %s@'%%'"
    return Change(f"{name}: {verb} {privilege.sql}", statement, (name,))
