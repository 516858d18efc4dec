"""What the rules would have said of recorded order lines: the same engine, as fast as it goes."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from analytics_engine.alarm import Alarm
from analytics_engine.engine import Engine
from analytics_engine.recording import Recording
from analytics_engine.reference import References
from analytics_engine.rules import Rule
from analytics_engine.snapshot import Counts, Snapshot
from analytics_engine.store import Store


def backtest(
    files: Sequence[Path],
    rules: Sequence[Rule],
    references: References,
    counts: Counts,
    progress: Callable[[int], None] = lambda _: None,
) -> Iterator[Alarm]:
    """The alarms, as time passes in the files. Each file is a shard: they may overlap."""
    store = Store(":memory:")
    engine = Engine(store.history, Snapshot(counts=counts))
    engine.change(rules, references)
    recordings = {str(number): Recording(path) for number, path in enumerate(files)}
    batches = {}
    for name, recording in recordings.items():
        engine.open_shard(name)
        batches[name] = recording.batches(engine.intake.line)
    while engine.shards:
        name = min(engine.shards, key=lambda name: engine.shards[name].read_ms)
        batch = next(batches[name], None)
        if batch is None:
            engine.close_shard(name)
        else:
            engine.take(name, "", *batch)
        progress(sum(recording.position for recording in recordings.values()))
        yield from engine.advance()
        store.save(engine)
    yield from engine.finish()
