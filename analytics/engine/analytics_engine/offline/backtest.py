"""What the rules would have said of recorded lines: the same engine, as fast as it goes."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analytics_engine.evaluation.alarm import Alarm
from analytics_engine.evaluation.engine import Engine
from analytics_engine.evaluation.snapshot import Counts, Snapshot
from analytics_engine.offline.recording import Recording, source_of
from analytics_engine.records import history
from analytics_engine.records.clock import KEPT
from analytics_engine.rules.files import Definitions


def backtest(
    files: Sequence[Path],
    definitions: Definitions,
    counts: Counts,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Alarm]:
    """The alarms, stream by stream, as time passes in the files; `counts` is brought up to date.

    Each file is a shard of the stream whose lines it holds: they may overlap. `progress` is told
    how many bytes have been read. Raises InputError where a file holds lines of no stream.
    """
    recordings: dict[str, list[Recording]] = {}
    for path in files:
        recording = Recording(path)
        recordings.setdefault(source_of(recording, definitions.sources), []).append(recording)
    everything = [recording for some in recordings.values() for recording in some]
    for source, some in recordings.items():
        for alarms in _replay(source, some, definitions, counts):
            progress(sum(recording.position for recording in everything))
            yield from alarms


def _replay(
    source: str,
    recordings: Sequence[Recording],
    definitions: Definitions,
    counts: Counts,
) -> Iterator[list[Alarm]]:
    """The alarms of one stream, batch by batch."""
    engine = offline_engine(definitions, source, counts)
    shards = {str(number): recording for number, recording in enumerate(recordings)}
    batches = {}
    for name, recording in shards.items():
        engine.open_shard(name)
        batches[name] = recording.batches(engine.intake.lines)
    while engine.shards:
        name = min(engine.shards, key=lambda name: engine.shards[name].watermark_ms)
        batch = next(batches[name], None)
        if batch is None:
            engine.close_shard(name)
        else:
            engine.take(name, "", *batch)
        yield engine.advance()
        engine.history.save()
        engine.history.expire(engine.decided - KEPT)
        engine.settle()
    yield engine.finish()


def offline_engine(definitions: Definitions, source: str, counts: Counts | None = None) -> Engine:
    """An engine that begins with these rules and remembers nothing beyond the process."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(history.SCHEMA)
    connection.execute("BEGIN")
    snapshot = Snapshot(counts=counts or Counts())
    engine = Engine(history.History(connection, source), snapshot, definitions.sources[source])
    engine.change(*definitions.of(source))
    return engine
