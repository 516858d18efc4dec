"""An incident's state at a tick, as the alarm that says so."""

import msgspec

from analytics_engine.alarm import Alarm, Kind, incident_id
from analytics_engine.incident import Incident
from analytics_engine.line import SECOND, at
from analytics_engine.rules import UNITS, Rule
from analytics_engine.top import shown
from analytics_engine.window import Group


def announce(
    rule: Rule,
    kind: Kind,
    tick: int,
    incident: Incident,
    group: Group,
    value: float,
    reason: str | None = None,
) -> Alarm:
    """Make the next alarm of an incident's sequence."""
    opening = kind == "OPEN"
    told = {column: shown(counts) for column, counts in incident.top.items()}
    alarm = Alarm(
        incident_id=incident_id(rule.name, incident.scope, incident.opened),
        rule=rule.name,
        scope=incident.scope,
        kind=kind,
        sequence=incident.sequence,
        event_time=at(tick),
        opened_at=at(incident.opened),
        order_count=group.lines,
        value=value,
        unit=UNITS[rule.measure],
        threshold=group.threshold,
        window_seconds=rule.window_seconds,
        severity=rule.severity,
        late=False,
        test=rule.test,
        peak=None if opening else incident.peak,
        total=None if opening else incident.total_hot,
        duration_seconds=None if opening else (tick - incident.opened) / SECOND,
        top=None if kind == "REMINDER" else told,
        reason=msgspec.UNSET if reason is None else reason,
    )
    incident.sequence += 1
    return alarm
