"""The questions that alarm_reader answers.

Each takes the event's arguments and gives a statement and its parameters.
"""

import re
from collections.abc import Callable
from typing import Any

Query = tuple[str, dict[str, Any]]

MAX_ROWS = 1000
HISTORY = "SELECT * FROM logs.logs_history"


class QueryError(ValueError):
    """The event asks for something that there is not."""


def query_of(event: dict[str, Any]) -> Query:
    """The statement that an event asks for."""
    arguments = dict(event)
    name = arguments.pop("query", None)
    if name not in QUERIES:
        raise QueryError(f"query is none of {', '.join(QUERIES)}: {name!r}")
    try:
        return QUERIES[name](**arguments)
    except TypeError as error:
        raise QueryError(f"{name}: {error}") from None


def _list(
    after: int | None = None,
    limit: int = 50,
    rule: str | None = None,
    scope: str | None = None,
    source: str | None = None,
    test: bool | None = False,
) -> Query:
    """Alarms in the order they were recorded: those with an id `after`, or else the last ones.

    `test` null asks for both the tests' and the others.
    """
    given = {"rule": rule, "scope": scope, "source": source, "test": test, "after": after}
    wanted = {
        "rule": "rule = %(rule)s",
        "scope": "scope = %(scope)s",
        "source": "source = %(source)s",
        "test": "test = %(test)s",
        "after": "id > %(after)s",
    }
    conditions = [wanted[name] for name, value in given.items() if value is not None]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "id" if after is not None else "id DESC"
    rows = f"{HISTORY}{where} ORDER BY {order} LIMIT %(limit)s"
    limit = max(1, min(int(limit), MAX_ROWS))
    return f"SELECT * FROM ({rows}) AS chosen ORDER BY id", given | {"limit": limit}


def _count(test: bool = False) -> Query:
    """How many alarms and incidents there are, how many alarms were announced, the last id."""
    return (
        "SELECT COUNT(*) AS alarms, COUNT(DISTINCT incident_id) AS incidents,"
        " COUNT(notified_at) AS notified, MAX(id) AS last_id"
        " FROM logs.logs_history WHERE test = %(test)s",
        {"test": test},
    )


def _incident(incident_id: str) -> Query:
    """The alarms of one incident, in order."""
    return (
        f"{HISTORY} WHERE incident_id = %(incident_id)s ORDER BY sequence",
        {"incident_id": incident_id},
    )


def _summary(month: str | None = None) -> Query:
    """The months, or the hours of one month (`YYYY-MM`)."""
    if month is None:
        return "SELECT * FROM logs.alarms_by_month ORDER BY month, rule", {}
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise QueryError(f"month is not YYYY-MM: {month!r}")
    return (
        "SELECT * FROM logs.alarms_by_hour"
        " WHERE hour >= %(first)s AND hour < %(first)s + INTERVAL 1 MONTH ORDER BY hour, rule",
        {"first": f"{month}-01"},
    )


QUERIES: dict[str, Callable[..., Query]] = {
    "list": _list,
    "count": _count,
    "incident": _incident,
    "summary": _summary,
}
