"""An alarm of the stream, checked."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from common.rejected import RejectedError

KINDS = ("OPEN", "REMINDER", "CLOSE", "CORRECTION")
MAX_MESSAGE_BYTES = 255 * 1024  # SNS carries 256 KiB, with the attributes
MAX_TOP = 64  # columns, and values of each

Alarm = dict[str, Any]


def alarm_of(data: bytes) -> Alarm:
    """The alarm of a record's bytes, its times as datetimes in UTC.

    Raises:
        RejectedError: it can never be stored or sent.
    """
    if len(data) > MAX_MESSAGE_BYTES:
        raise RejectedError(f"longer than {MAX_MESSAGE_BYTES} bytes")
    try:
        alarm = json.loads(data.decode(), parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise RejectedError(f"not JSON: {error}") from None
    if not isinstance(alarm, dict):
        raise RejectedError("not a JSON object")
    return {name: _checked(alarm, name, check) for name, check in CHECKS.items()}


def _checked(alarm: Alarm, name: str, check: Callable[[Any], Any]) -> Any:
    try:
        return check(alarm.get(name))
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise RejectedError(f"{name} is impossible: {str(alarm.get(name))[:60]!r}") from None


def _refused(constant: str) -> None:
    """NaN and the infinities, which Python would take, are no JSON to others."""
    raise ValueError(constant)


def _text(limit: int, *, empty: bool = False) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or len(value) > limit or not (value or empty):
            raise ValueError
        value.encode()  # refuses a lone surrogate
        return value

    return check


def _word(limit: int) -> Callable[[Any], str]:
    """A text for an attribute of the message, which must not hold control characters."""

    def check(value: Any) -> str:
        if not _text(limit)(value).isprintable():
            raise ValueError
        return value

    return check


def _kind(value: Any) -> str:
    if value not in KINDS:
        raise ValueError
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise ValueError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < 1e300:
        raise ValueError
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _time(value: Any) -> datetime:
    time = datetime.fromisoformat(value).astimezone(UTC)
    if not 1000 <= time.year <= 9999:  # a datetime of MySQL
        raise ValueError
    return time


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _top(value: Any) -> dict[str, list[tuple[str, int]]]:
    """Columns with their most frequent values, each with its count."""
    if not isinstance(value, dict) or len(value) > MAX_TOP:
        raise TypeError
    column, text = _text(255), _text(255, empty=True)
    found = {}
    for name, values in value.items():
        if not isinstance(values, list) or len(values) > MAX_TOP:
            raise TypeError
        found[column(name)] = [(text(one), _whole(count)) for one, count in values]
    return found


def _source(value: Any) -> str:
    """Alarms of an engine from before there was any other stream do not say it."""
    return _word(64)("orders" if value is None else value)


def _range(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError
    return [_number(bound) for bound in value]


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    json.dumps(value, ensure_ascii=False).encode()  # refuses a lone surrogate
    return value


CHECKS: dict[str, Callable[[Any], Any]] = {
    "incident_id": _text(255),
    "rule": _word(64),
    "scope": _text(255, empty=True),
    "kind": _kind,
    "sequence": _whole,
    "event_time": _time,
    "opened_at": _time,
    "order_count": _whole,
    "value": _number,
    "unit": _text(32),
    "threshold": _number,
    "window_seconds": _number,
    "severity": _word(16),
    "late": _flag,
    "test": _flag,
    "peak": _optional(_number),
    "total": _optional(_number),
    "duration_seconds": _optional(_number),
    "top": _optional(_top),
    "reason": _optional(_text(255)),
    "source": _source,
    "expected": _optional(_range),
    "context": _optional(_object),
}
