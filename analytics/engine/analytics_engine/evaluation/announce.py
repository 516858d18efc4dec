"""An incident's state at a tick, as the alarm that says so."""

from analytics_engine.evaluation.alarm import Alarm, Kind, incident_id
from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.top import shown
from analytics_engine.evaluation.window import Window
from analytics_engine.records.ticks import SECOND, at
from analytics_engine.rules.measures import Group, Number


def announce(
    window: Window,
    kind: Kind,
    tick: int,
    incident: Incident,
    group: Group,
    value: Number,
    reason: str | None = None,
) -> Alarm:
    """Make the next alarm of an incident's sequence."""
    rule, opening, terms = window.rule, kind == "OPEN", window.terms(group, incident)
    top = {column: shown(counts) for column, counts in incident.top.items()}
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
        unit=rule.unit(window.kind),
        threshold=terms.threshold,
        window_seconds=terms.window_seconds,
        severity=terms.severity,
        late=False,
        test=rule.test,
        peak=None if opening else incident.peak,
        total=None if opening else incident.total_hot,
        duration_seconds=None if opening else (tick - incident.opened) / SECOND,
        top=None if kind == "REMINDER" else top,
        reason=reason,
        source=rule.source,
    )
    incident.sequence += 1
    return alarm
