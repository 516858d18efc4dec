"""What late lines change: the past is recounted, and compared with what was said of it.

What was sent stays as it was. An incident of the past as it is known now that meets a known one
(by the rule's own measure: no quiet time between them) corrects it; one that meets none is sent
as late, OPEN and CLOSE at once.
"""

from collections import Counter

import msgspec

from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.announce import announce
from analytics_engine.evaluation.incident import Incident
from analytics_engine.evaluation.late import Past, Span, cover, meets, near, touched
from analytics_engine.evaluation.top import keep, shown
from analytics_engine.evaluation.tracker import Tracker
from analytics_engine.evaluation.window import Window
from analytics_engine.records.clock import KEPT
from analytics_engine.records.ticks import SECOND, at
from analytics_engine.rules.measures import Group


def recount(live: Tracker, tick: int, late: Span) -> list[Alarm]:
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
    replayed = live.replay(past, scopes, start)
    alarms = [alarm for _, alarm in replayed.advance(past.read(start, tick), tick)]
    keep(past, [(replayed.window, replayed.open.values())], tick)
    for incident in replayed.open.values():
        incident.keep_hot(tick + 1)
    corrections = [
        correction
        for incident in known
        if (correction := _correct(live, tick, incident, replayed)) is not None
    ]
    everything = [*live.closed, *live.open.values()]
    for found in replayed.closed:
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


def _correct(live: Tracker, tick: int, incident: Incident, replayed: Tracker) -> Alarm | None:
    """What is to be said of a closed incident now, if anything has changed."""
    rule, condition, top_columns = live.rule, live.condition, live.kind.top
    before = (incident.peak, incident.total_hot, incident.closed)
    found = (*replayed.closed, *replayed.open.values())
    same = [other for other in found if meets(other, incident, rule.quiet)]
    tops = {column: Counter[str]() for column in top_columns}
    if not same:  # it would not have been: what there was when it opened is said
        group = _group_at(replayed, incident.scope, incident.opened)
        peak, peak_tick, lines = replayed.window.value(group), incident.opened, group.lines
        total, closed = group.lines, incident.opened
    else:
        group = replayed.window.group(incident.scope, tick)
        best = same[0]
        for other in same[1:]:
            if condition.passes(other.peak, best.peak):
                best = other
        peak, peak_tick, lines = best.peak, best.peak_tick, best.peak_lines
        total = sum(i.total_hot for i in same)
        closed = max(i.last_hot for i in same) + rule.quiet
        incident.earlier = max(incident.opened - min(i.opened for i in same), 0)
        for one in same:
            for column in top_columns:
                tops[column].update(one.top.get(column, {}))
    if incident.opened - rule.window < tick - KEPT:  # its beginning is no longer known
        closed, total = max(closed, incident.closed or 0), max(total, incident.total_hot)
        if not condition.waits and condition.passes(incident.peak, peak):
            peak, peak_tick, lines = incident.peak, incident.peak_tick, incident.peak_lines
    if (peak, total, closed) == before:
        return None
    incident.peak, incident.peak_tick, incident.peak_lines = peak, peak_tick, lines
    incident.total_hot, incident.closed = total, closed
    incident.last_hot = max(closed - rule.quiet, incident.opened)
    alarm = announce(live.window, "CORRECTION", peak_tick, incident, group, peak)
    return msgspec.structs.replace(
        alarm,
        order_count=lines,
        duration_seconds=(closed - incident.opened) / SECOND,
        top={column: shown(counts) for column, counts in tops.items() if counts},
    )


def _group_at(replayed: Tracker, scope: str, tick: int) -> Group:
    """A group as it was at a tick for which the history is there."""
    rule = replayed.rule
    window = Window(rule, replayed.kind, replayed.references, {scope: 0})
    for batch in replayed.history.read(tick - rule.window + 1, tick):
        window.enter(batch)
    window.leave(tick)
    return window.group(scope, tick)
