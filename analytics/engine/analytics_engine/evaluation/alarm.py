"""Alarms, as they stand on the alarm stream."""

import hashlib
from typing import Any, Literal

import msgspec

from analytics_engine.records.ticks import at
from analytics_engine.rules.measures import Number

Kind = Literal["OPEN", "REMINDER", "CLOSE", "CORRECTION"]
Top = dict[str, list[tuple[str, int]]]


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """The contract: these fields, in this order; times are RFC 3339, values in `unit`s."""

    incident_id: str
    rule: str
    scope: str
    kind: Kind
    sequence: int
    event_time: str
    opened_at: str
    order_count: int
    value: Number
    unit: str
    threshold: Number
    window_seconds: int
    severity: str
    late: bool
    test: bool
    peak: Number | None = None
    total: int | None = None
    duration_seconds: Number | None = None
    top: Top | None = None
    reason: str | None = None
    """Why an incident was closed other than by its rule."""
    source: str
    """The rule's: the stream of whose lines it is."""
    expected: tuple[Number, Number] | None = None
    """Of what learns from the past: the lowest and the highest value that would be usual."""
    context: dict[str, Any] | None = None
    """What a response needs to know beside it."""


Said = tuple[int, Alarm]
"""An alarm, and the tick at which it is said."""


def incident_id(rule: str, scope: str, opened: int) -> str:
    """Who an incident is: the same wherever and whenever it is found."""
    return hashlib.sha256(f"{rule}|{scope}|{at(opened)}".encode()).hexdigest()[:32]
