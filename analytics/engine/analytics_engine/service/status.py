"""What the running engine says of itself: a file that any user may read."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from python_service import file
from python_service.status import silence

from analytics_engine.evaluation.engine import Engine
from analytics_engine.evaluation.snapshot import Counts
from analytics_engine.records.ticks import TICK_MS, at

BEHIND_SECONDS = 60
FILE = "status.json"


class OpenIncident(msgspec.Struct):
    """An incident that is open."""

    rule: str
    scope: str
    opened_at: str
    peak: int | float
    test: bool


class ShardStatus(msgspec.Struct):
    """How far a shard has been read."""

    shard: str
    position: str | None
    read_until: str


class StreamStatus(msgspec.Struct):
    """How far a stream has been evaluated."""

    decided_tick: str | None
    lag_seconds: float | None
    shards: list[ShardStatus]
    counts: Counts


class Status(msgspec.Struct):
    """All of it; times are RFC 3339. What has no stream is of all together."""

    records_read: int
    lines_counted: int
    alarms_sent: int
    decided_tick: str | None
    """Of the stream furthest behind, as is the lag."""
    lag_seconds: float | None
    open_incidents: list[OpenIncident]
    streams: dict[str, StreamStatus]
    counts: Counts
    errors: list[str]
    updated_at: str
    rules: list[str] = []
    """Those in force."""


def describe(engines: Mapping[str, Engine], waiting: int, errors: Sequence[str]) -> Status:
    """The status now; `waiting` alarms are still to be sent."""
    now_ms = round(time.time() * 1000)
    streams = {name: _stream(engine, now_ms) for name, engine in engines.items()}
    counts = Counts(
        **{
            name: sum(getattr(stream.counts, name) for stream in streams.values())
            for name in Counts.__struct_fields__
        }
    )
    ruled = [engine for engine in engines.values() if engine.reads]
    decided = [engine.decided for engine in ruled if engine.decided]
    lag = _lag(min(decided), now_ms) if decided else None
    return Status(
        records_read=counts.records_read,
        lines_counted=counts.lines_counted,
        alarms_sent=counts.alarms - waiting,
        decided_tick=at(min(decided)) if decided else None,
        lag_seconds=lag if ruled else 0.0,  # nothing is to be decided: none waits
        open_incidents=[
            OpenIncident(rule.name, i.scope, at(i.opened), i.peak, rule.test)
            for engine in engines.values()
            for rule, i in engine.open_incidents
        ],
        streams=streams,
        counts=counts,
        errors=list(errors),
        updated_at=at(now_ms // TICK_MS),
        rules=[rule.name for engine in ruled for rule in engine.rules],
    )


def _stream(engine: Engine, now_ms: int) -> StreamStatus:
    decided = engine.decided if engine.reads else 0
    return StreamStatus(
        decided_tick=at(decided) if decided else None,
        lag_seconds=_lag(decided, now_ms) if decided else None,
        shards=[
            ShardStatus(name, shard.last, at(max(shard.watermark_ms, 0) // TICK_MS))
            for name, shard in sorted(engine.shards.items())
        ],
        counts=engine.counts,
    )


def _lag(decided: int, now_ms: int) -> float:
    return round((now_ms - decided * TICK_MS) / 1000, 3)


def write(directory: Path, status: Status) -> None:
    """Replace the file. Raises OSError."""
    file.replace(directory / FILE, msgspec.json.encode(status))


def read(directory: Path) -> Status:
    """Raises FileNotFoundError, msgspec.MsgspecError."""
    return msgspec.json.decode(file.read(directory / FILE), type=Status)


def faults(status: Status) -> list[str]:
    """What an operator should look at."""
    age = (datetime.now(UTC) - datetime.fromisoformat(status.updated_at)).total_seconds()
    behind = [
        f"{name}: {stream.lag_seconds:.0f} s behind"
        for name, stream in status.streams.items()
        if stream.lag_seconds is not None and stream.lag_seconds > BEHIND_SECONDS
    ]
    return (silence(age) or behind) + status.errors
