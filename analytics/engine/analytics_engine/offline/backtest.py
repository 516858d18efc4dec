"""What the rules would have said of recorded lines: the same engine, as fast as it goes."""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.engine import Engine
from analytics_engine.evaluation.snapshot import Counts, Snapshot
from analytics_engine.offline.recording import Recording, Unordered, source_of
from analytics_engine.records import history
from analytics_engine.records.clock import KEPT
from analytics_engine.rules.files import Definitions


@dataclass
class Replay:
    """What rules would have said, and of what."""

    alarms: list[Alarm]
    """Stream by stream, as time passes in the files."""
    counts: Counts
    sorted: list[Path]
    """Files whose lines did not stand in the order of their moments."""
    left_out: dict[Path, str]
    """Files of which not every line was counted: the first that was not, and why."""


def backtest(
    files: Sequence[Path],
    definitions: Definitions,
    progress: Callable[[int], None] = lambda _: None,
) -> Replay:
    """Evaluate recorded lines; `progress` is told how many bytes have been read.

    Each file is a shard of the stream whose lines it holds: they may overlap. Raises InputError
    where a file holds lines of no stream, OSError.
    """
    replay = Replay([], Counts(), [], {})
    recordings: dict[str, list[Recording]] = {}
    for path in files:
        recording = Recording(path)
        recordings.setdefault(source_of(recording, definitions.sources), []).append(recording)
    everything = [recording for some in recordings.values() for recording in some]

    def read() -> None:
        progress(sum(recording.position for recording in everything))

    for source, some in recordings.items():
        while (alarms := _evaluate(source, some, definitions, replay.counts, read)) is None:
            pass
        replay.alarms += alarms
        replay.sorted += [recording.path for recording in some if not recording.ordered]
        replay.left_out |= {r.path: r.left_out for r in some if r.left_out is not None}
    return replay


def _evaluate(
    source: str,
    recordings: list[Recording],
    definitions: Definitions,
    counts: Counts,
    read: Callable[[], None],
) -> list[Alarm] | None:
    """The alarms of one stream; None where a recording must be sorted first, as it then will be."""
    engine = offline_engine(definitions, source)
    batches = {}
    for number, recording in enumerate(recordings):
        engine.open_shard(str(number))
        batches[str(number)] = recording.batches(engine.intake.lines, engine.source.lateness_ms)
    alarms: list[Alarm] = []
    while engine.shards:
        name = min(engine.shards, key=lambda name: engine.shards[name].watermark_ms)
        try:
            batch = next(batches[name], None)
        except Unordered:
            recordings[int(name)].ordered = False
            return None
        if batch is None:
            engine.close_shard(name)
        else:
            engine.take(name, "", *batch)
        alarms += engine.advance()
        read()
        engine.history.save()
        engine.history.expire(engine.decided - KEPT)
        engine.settle()
    alarms += engine.finish()
    for field in Counts.__struct_fields__:
        setattr(counts, field, getattr(counts, field) + getattr(engine.counts, field))
    return alarms


def offline_engine(definitions: Definitions, source: str) -> Engine:
    """An engine that begins with these rules and remembers nothing beyond the process."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(history.SCHEMA)
    connection.execute("BEGIN")
    stream = history.History(connection, source)
    engine = Engine(stream, Snapshot(), definitions.sources[source])
    engine.change(*definitions.of(source))
    return engine
