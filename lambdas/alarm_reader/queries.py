"""The questions that alarm_reader answers.

Each takes the event's arguments and gives a statement and its parameters.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

Query = tuple[str, dict[str, Any]]

MAX_ROWS = 1000
HISTORY = "SELECT * FROM logs.logs_history"
# Over the primary key: the views would read all that is kept.
ON_THE_DAY = "minute >= %(first)s AND minute < %(first)s + INTERVAL 1 DAY"
USERS = f"{ON_THE_DAY} AND direction = 'in' AND visitor = 'user'"


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
    return (
        "SELECT * FROM logs.alarms_by_hour"
        " WHERE hour >= %(first)s AND hour < %(first)s + INTERVAL 1 MONTH ORDER BY hour, rule",
        {"first": f"{_month(month)}-01"},
    )


def _requests(day: str) -> Query:
    """What users asked of each route of each service on a day (`YYYY-MM-DD`)."""
    return (
        "SELECT service, route, CAST(SUM(requests) AS signed) AS requests,"
        " CAST(SUM(status_5xx) AS signed) AS status_5xx,"
        " CAST(SUM(status_4xx) AS signed) AS status_4xx,"
        " CAST(SUM(status_499) AS signed) AS status_499, CAST(SUM(bytes) AS signed) AS bytes"
        f" FROM logs.access_minutes WHERE {USERS} GROUP BY service, route ORDER BY service, route",
        _on(day),
    )


def _latency(day: str) -> Query:
    """How many of them took how long: by bucket."""
    return (
        "SELECT service, route, bucket, CAST(SUM(amount) AS signed) AS requests"
        " FROM logs.access_minutes JOIN JSON_TABLE(histogram,"
        " '$[*]' COLUMNS (bucket int PATH '$[0]', amount int PATH '$[1]')) AS cells"
        f" WHERE {USERS} GROUP BY service, route, bucket ORDER BY service, route, bucket",
        _on(day),
    )


def _orders(day: str) -> Query:
    """The orders of each hour of a day, and of its busiest minute."""
    return (
        "SELECT CAST(DATE_FORMAT(minute, '%%Y-%%m-%%d %%H:00:00') AS datetime) AS hour,"
        " CAST(SUM(orders) AS signed) AS orders, CAST(MAX(orders) AS signed) AS peak_minute"
        f" FROM logs.order_minutes WHERE {ON_THE_DAY} GROUP BY 1 ORDER BY 1",
        _on(day),
    )


def _budget(month: str) -> Query:
    """What is left of a month's error budgets (`YYYY-MM`)."""
    return (
        "SELECT CAST(%(first)s AS date) AS month, rule, scope,"
        " CAST(SUM(`lines`) AS signed) AS `lines`, CAST(SUM(bad) AS signed) AS bad,"
        " 1 - SUM(`lines` * (1 - objective)) / SUM(`lines`) AS objective,"
        " 1 - SUM(bad) / SUM(`lines`) AS availability,"
        " 1 - SUM(bad) / SUM(`lines` * (1 - objective)) AS left_share"
        " FROM logs.slo_minutes"
        " WHERE minute >= %(first)s AND minute < %(first)s + INTERVAL 1 MONTH"
        " GROUP BY rule, scope ORDER BY rule, scope",
        {"first": f"{_month(month)}-01"},
    )


def _on(day: str) -> dict[str, Any]:
    if not isinstance(day, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", day):
        raise QueryError(f"day is not YYYY-MM-DD: {day!r}")
    try:
        return {"first": date.fromisoformat(day)}
    except ValueError:
        raise QueryError(f"there is no day {day!r}") from None


def _month(month: str) -> str:
    if not isinstance(month, str) or not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", month):
        raise QueryError(f"month is not YYYY-MM: {month!r}")
    return month


QUERIES: dict[str, Callable[..., Query]] = {
    "list": _list,
    "count": _count,
    "incident": _incident,
    "summary": _summary,
    "requests": _requests,
    "latency": _latency,
    "orders": _orders,
    "budget": _budget,
}
