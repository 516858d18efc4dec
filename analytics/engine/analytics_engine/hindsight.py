"""What late lines change: the past is decided anew, and compared with what was said of it.

What was sent stays as it was. An incident of the past as it is known now that meets a known one
(by the rule's own measure: no quiet time between them) corrects it; one that meets none is sent
as late, OPEN and CLOSE at once. A rule waits for its quiet time without late lines, so that they
have all come, but no longer than `clock.CAP`.
"""

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from analytics_engine.alarm import Alarm
from analytics_engine.announce import announce
from analytics_engine.clock import CAP, KEPT
from analytics_engine.incident import Incident
from analytics_engine.late import Past, Span, cover, meets, near, touched
from analytics_engine.line import SECOND, TOP_COLUMNS, at
from analytics_engine.top import keep, shown
from analytics_engine.window import Group, Window

if TYPE_CHECKING:
    from analytics_engine.tracker import Tracker


def due(late: Span, quiet: int) -> int:
    """The tick at which late lines are reckoned with."""
    return min(late[1] + quiet, late[0] + CAP)


def reckon(live: "Tracker", tick: int, late: Span) -> list[Alarm]:
    """Count the past again with the late lines that were taken in between two ticks."""
    quiet = live.rule.quiet
    spans = touched(live.history, live.window, late)
    if not spans:
        return []
    for incident in live.open.values():
        incident.keep_hot(tick + 1)
        if any(near(incident, span, quiet) for span in spans):
            # It is corrected when it has closed.
            incident.late = cover(incident.late, late)
    known = [i for i in live.closed if any(near(i, span, quiet) for span in spans)]
    start = min([*(span.first for span in spans), *(i.began for i in known)])
    scopes = {span.scope for span in spans}
    past = Past(live.history, live.window, scopes, (start - live.rule.window, tick))
    again = live.again(past, scopes, start)
    alarms = again.advance(past.read(start, tick), tick)
    keep(past, [(again.window, again.open.values())], tick)
    for incident in again.open.values():
        incident.keep_hot(tick + 1)
    corrections = [
        correction
        for incident in known
        if (correction := _correct(live, tick, incident, again)) is not None
    ]
    everything = [*live.closed, *live.open.values()]
    for found in again.closed:
        if not any(meets(found, incident, quiet) for incident in everything):
            found.sequence = 2
            live.closed.append(found)
            corrections += [
                msgspec.structs.replace(alarm, sequence=int(alarm.kind == "CLOSE"), late=True)
                for alarm in alarms
                if alarm.scope == found.scope
                and alarm.opened_at == at(found.opened)
                and alarm.kind != "REMINDER"
            ]
    return corrections


def _correct(live: "Tracker", tick: int, incident: Incident, again: "Tracker") -> Alarm | None:
    """What is to be said of a closed incident now, if anything has changed."""
    rule = live.rule
    told = (incident.peak, incident.total_hot, incident.closed)
    same = [i for i in (*again.closed, *again.open.values()) if meets(i, incident, rule.quiet)]
    group = _group_at(again, incident.scope, incident.opened)
    peak, peak_tick, lines = again.window.value(group), incident.opened, group.lines
    total, closed = group.lines, incident.opened
    tops = {column: Counter[str]() for column in TOP_COLUMNS}
    if same:
        best = (min if live.below else max)(same, key=lambda i: i.peak)
        peak, peak_tick, lines = best.peak, best.peak_tick, best.peak_lines
        total = sum(i.total_hot for i in same)
        closed = max(i.last_hot for i in same) + rule.quiet
        incident.earlier = max(incident.opened - min(i.opened for i in same), 0)
        for one in same:
            for column in TOP_COLUMNS:
                tops[column].update(one.top.get(column, {}))
    if incident.opened - rule.window < tick - KEPT:  # its beginning is no longer known
        closed, total = max(closed, incident.closed or 0), max(total, incident.total_hot)
        if not live.below and incident.peak > peak:
            peak, peak_tick, lines = incident.peak, incident.peak_tick, incident.peak_lines
    if (peak, total, closed) == told:
        return None
    incident.peak, incident.peak_tick, incident.peak_lines = peak, peak_tick, lines
    incident.total_hot, incident.closed = total, closed
    incident.last_hot = max(closed - rule.quiet, incident.opened)
    alarm = announce(rule, "CORRECTION", peak_tick, incident, group, peak)
    return msgspec.structs.replace(
        alarm,
        order_count=lines,
        duration_seconds=(closed - incident.opened) / SECOND,
        top={column: shown(counts) for column, counts in tops.items() if counts},
    )


def _group_at(again: "Tracker", scope: str, tick: int) -> Group:
    """A group as it was at a tick for which the history is there."""
    rule = again.rule
    window = Window(rule, again.references, {scope: 0})
    for bucket in again.history.read(tick - rule.window + 1, tick):
        window.enter(bucket)
    window.leave(tick)
    return window.group(scope, tick)
