"""What people hear of an alarm."""

from typing import Any

from alarm_recorder.alarm import Alarm

MAX_SUBJECT = 99  # SNS takes fewer than 100 characters: ASCII, one line


def subject_of(alarm: Alarm) -> str:
    """A sentence for people."""
    rule = alarm["rule"].replace("_", " ")
    name = f"{rule} ({alarm['scope']})" if alarm["scope"] else rule
    level = f"{_number(alarm['value'])} {alarm['unit']} in {_number(alarm['window_seconds'])} s"
    sentence = {
        "OPEN": f"{name}: {level}, threshold {_number(alarm['threshold'])}",
        "REMINDER": f"{name} goes on: {level}, since {alarm['opened_at']:%H:%M:%S} UTC",
        "CLOSE": f"{name} is over{_after(alarm)}{_because(alarm)}",
    }[alarm["kind"]]
    prefix = ("Test: " if alarm["test"] else "") + ("Late: " if alarm["late"] else "")
    return _ascii(prefix + sentence[:1].upper() + sentence[1:])


def attributes_of(alarm: Alarm) -> dict[str, Any]:
    """What subscriptions filter by."""
    values = {
        "rule": alarm["rule"],
        "kind": alarm["kind"],
        "severity": alarm["severity"],
        "test": "true" if alarm["test"] else "false",
    }
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}


def _after(alarm: Alarm) -> str:
    duration = "" if alarm["duration_seconds"] is None else _duration(alarm["duration_seconds"])
    peak = "" if alarm["peak"] is None else f"peak {_number(alarm['peak'])} {alarm['unit']}"
    return (f" after {duration}" if duration else "") + (f", {peak}" if peak else "")


def _because(alarm: Alarm) -> str:
    return f": {alarm['reason']}" if alarm["reason"] else ""


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _number(value: float) -> str:
    """As people write it: 1,234,363.80, but 30 and 0.0123."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.6g}"


def _ascii(text: str) -> str:
    plain = "".join(char if " " <= char <= "~" else "?" for char in text)
    return plain if len(plain) <= MAX_SUBJECT else plain[: MAX_SUBJECT - 3] + "..."
