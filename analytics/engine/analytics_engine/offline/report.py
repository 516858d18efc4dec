"""Incidents as a table for people."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.rules.measures import Number


def table(alarms: Iterable[Alarm]) -> Table:
    """A row an incident, with what was said of it last."""
    incidents: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        incidents.setdefault(alarm.incident_id, []).append(alarm)
    made = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("rule", "scope", "opened", "lasted", "peak", "lines", "said", "most of it"):
        made.add_column(name, no_wrap=True)
    for sent in incidents.values():
        opened, last = sent[0], sent[-1]
        ended = last.kind in ("CLOSE", "CORRECTION")
        cells = (
            opened.rule,
            opened.scope,
            opened.opened_at[:19].replace("T", " "),
            f"{last.duration_seconds:g} s" if ended else "still open",
            f"{amount(opened.value if last.peak is None else last.peak)} {opened.unit}",
            f"{last.total or opened.order_count:,}",
            f"{len(sent)}{' (late)' if opened.late else ''}",
            _most(last.top or opened.top or {}),
        )
        # As text: a value in square brackets or between colons is no markup.
        made.add_row(*map(Text, cells))
    return made


def amount(value: Number) -> str:
    """A number as people write it: 1,234,363.80, but 30 and 0.0123."""
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1000 else f"{value:.6g}"


def _most(top: dict[str, list[tuple[str, int]]]) -> str:
    return ", ".join(f"{values[0][0]} ({values[0][1]})" for values in top.values() if values)
