"""A measure of the stream, checked: a row of the table of its kind."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from common.rejected import RejectedError

MAX_BUCKETS = 2_000
GREATEST = {32: 2**32 - 1, 64: 2**63 - 1}

Check = Callable[[Any], Any]


class Table(NamedTuple):
    """Where the measures of a kind are kept; `newest` is the column that grows with each change."""

    name: str
    keys: dict[str, Check]
    values: dict[str, Check]
    newest: str


class Measure(NamedTuple):
    """A row, and its table."""

    table: Table
    row: dict[str, Any]


def measure_of(data: bytes) -> Measure:
    """The measure of a record's bytes.

    Raises:
        RejectedError: it can never be stored.
    """
    try:
        found = json.loads(data.decode(), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise RejectedError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise RejectedError("not a JSON object")
    table = TABLES.get(found["kind"]) if isinstance(found.get("kind"), str) else None
    if table is None:
        raise RejectedError(f"kind is none of {', '.join(TABLES)}: {str(found.get('kind'))[:60]!r}")
    row = {}
    for name, check in (table.keys | table.values).items():
        try:
            row[name] = check(found.get(name))
        except (TypeError, ValueError, OverflowError):
            raise RejectedError(f"{name} is impossible: {str(found.get(name))[:60]!r}") from None
    return Measure(table, row)


def _refused(constant: str) -> None:
    """NaN and the infinities, which Python would take, are no JSON to others."""
    raise ValueError(constant)


def _minute(value: Any) -> datetime:
    time = datetime.fromisoformat(value).astimezone(UTC)
    if not 1000 <= time.year <= 9999 or (time.second, time.microsecond) != (0, 0):
        raise ValueError
    return time.replace(tzinfo=None)


def _text(limit: int) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > limit:
            raise ValueError
        value.encode()  # refuses a lone surrogate
        return value

    return check


def _whole(bits: int = 32) -> Check:
    def check(value: Any) -> int:
        if type(value) is not int or not 0 <= value <= GREATEST[bits]:
            raise ValueError
        return value

    return check


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e300:
        raise ValueError
    return value


def _histogram(value: Any) -> str:
    if not isinstance(value, list) or len(value) > MAX_BUCKETS:
        raise TypeError
    whole = _whole()
    return json.dumps([(whole(bucket), whole(amount)) for bucket, amount in value])


_KEY, _COUNT, _TIME = _text(120), _whole(), {"minute": _minute}
_OF_RULE = _TIME | {"rule": _text(64), "scope": _text(255)}

TABLES = {
    "access": Table(
        "access_minutes",
        _TIME | dict.fromkeys(("service", "direction", "called", "route", "visitor"), _KEY),
        dict.fromkeys(("requests", "status_5xx", "status_4xx", "status_499"), _COUNT)
        | {"bytes": _whole(64), "histogram": _histogram},
        "requests",
    ),
    "order": Table("order_minutes", _TIME, {"orders": _COUNT}, "orders"),
    "rule": Table(
        "rule_minutes",
        _OF_RULE,
        {"value": _number, "threshold": _number}
        | dict.fromkeys(("lines", "hot_ticks", "ticks"), _COUNT),
        "ticks",
    ),
    "slo": Table(
        "slo_minutes", _OF_RULE, {"objective": _number, "lines": _COUNT, "bad": _COUNT}, "lines"
    ),
}
