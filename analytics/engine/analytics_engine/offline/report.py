"""Incidents as a table for people."""

from collections.abc import Iterable

from rich.table import Table

from analytics_engine.evaluation.alarm import Alarm


def table(alarms: Iterable[Alarm]) -> Table:
    """A row an incident, with what was said of it last."""
    incidents: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        incidents.setdefault(alarm.incident_id, []).append(alarm)
    made = Table(
        "rule", "scope", "opened", "lasted", "peak", "lines", "said", "most of it", box=None
    )
    for sent in incidents.values():
        opened, last = sent[0], sent[-1]
        ended = last.kind in ("CLOSE", "CORRECTION")
        made.add_row(
            opened.rule,
            opened.scope,
            opened.opened_at[:19].replace("T", " "),
            f"{last.duration_seconds:g} s" if ended else "still open",
            f"{opened.value if last.peak is None else last.peak:g} {opened.unit}",
            str(last.total or opened.order_count),
            f"{len(sent)}{' (late)' if opened.late else ''}",
            _most(last.top or opened.top or {}),
        )
    return made


def _most(top: dict[str, list[tuple[str, int]]]) -> str:
    return ", ".join(f"{values[0][0]} ({values[0][1]})" for values in top.values() if values)
