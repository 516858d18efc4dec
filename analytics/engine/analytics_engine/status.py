"""What the running engine says of itself: a file that any user may read."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from analytics_engine.engine import Engine
from analytics_engine.line import TICK_MS, at
from analytics_engine.snapshot import Counts

STALE_SECONDS = 15
BEHIND_SECONDS = 60
FILE = "status.json"


class OpenIncident(msgspec.Struct):
    rule: str
    scope: str
    opened_at: str
    peak: int | float
    test: bool


class ShardStatus(msgspec.Struct):
    shard: str
    position: str | None
    read_until: str


class Status(msgspec.Struct):
    records_read: int
    lines_counted: int
    alarms_sent: int
    decided_tick: str | None
    lag_seconds: float | None
    open_incidents: list[OpenIncident]
    shards: list[ShardStatus]
    counts: Counts
    last_error: str | None
    updated_at: str


def describe(engine: Engine, sent: int, error: str | None) -> Status:
    now = time.time()
    decided = engine.decided or None
    lag = None if decided is None else round(now - decided * TICK_MS / 1000, 3)
    return Status(
        records_read=engine.counts.records_read,
        lines_counted=engine.counts.lines_counted,
        alarms_sent=sent,
        decided_tick=decided and at(decided),
        lag_seconds=lag,
        open_incidents=[
            OpenIncident(rule.name, i.scope, at(i.opened), i.peak, rule.test)
            for rule, i in engine.open_incidents
        ],
        shards=[
            ShardStatus(name, shard.last, at(max(shard.read_ms, 0) // TICK_MS))
            for name, shard in sorted(engine.shards.items())
        ],
        counts=engine.counts,
        last_error=error,
        updated_at=at(round(now * 1000) // TICK_MS),
    )


def write(directory: Path, status: Status) -> None:
    """Replace the file as a whole: a reader never sees half of it."""
    new = directory / f"{FILE}.new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), "wb") as file:
        os.fchmod(file.fileno(), 0o644)  # whatever the service's umask
        file.write(msgspec.json.encode(status))
    new.replace(directory / FILE)


def read(directory: Path) -> Status:
    return msgspec.json.decode((directory / FILE).read_bytes(), type=Status)


def problems(status: Status) -> list[str]:
    """What an operator should look at."""
    found: list[str] = []
    age = (datetime.now(UTC) - datetime.fromisoformat(status.updated_at)).total_seconds()
    if age > STALE_SECONDS:
        found.append(f"the engine has said nothing for {age:.0f} s")
    elif status.lag_seconds is not None and status.lag_seconds > BEHIND_SECONDS:
        found.append(f"{status.lag_seconds:.0f} s behind")
    if status.last_error:
        found.append(status.last_error)
    return found
