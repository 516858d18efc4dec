"""Prints the state of the stack: a line a unit, what is wrong, and the counts of the stages."""

from collections.abc import Mapping

from rich.text import Text

from console.health import Health, describe
from console.terminal import out

COLORS = {"active": "green", "missing": "red", "failed": "red", "inactive": "red"}


def show_health(health: Health) -> None:
    """A line a unit, then a line a fault."""
    rows = [
        (host.name, unit, state, describe(unit, host.services.get(unit, {})))
        for host in health.hosts
        for unit, state in sorted(host.units.items())
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for row in rows:
        host, unit, state = (text.ljust(width) for text, width in zip(row, widths, strict=False))
        color = COLORS.get(row[2], "yellow")
        line = Text.assemble(f"{host}  {unit}  ", (state, color), f"  {row[3]}")
        line.rstrip()
        out.print(line)
    faults = [(host.name, fault) for host in health.hosts for fault in host.faults]
    for name, fault in [*faults, *(("stack", fault) for fault in health.faults)]:
        out.print(f"{name}: {fault}", style="red")


def show_stages(stages: Mapping[str, Mapping[str, str]]) -> None:
    """A line for orders, requests and alarms: the counts, in the order of the stages."""
    width = max(map(len, stages))
    for row, counts in stages.items():
        parts = [Text.assemble(f"{name} ", (count, "bold")) for name, count in counts.items()]
        out.print(Text(f"{row:{width}}  ") + Text("  →  ").join(parts))
