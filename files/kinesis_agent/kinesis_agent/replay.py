"""Records on demand: printed only, or sent again."""

import fnmatch
import os
import re
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from kinesis_agent.agent import Agent
from kinesis_agent.checkpoint import Checkpoint, Counters, Mark, State, Tracked
from kinesis_agent.config import Config, Flow
from kinesis_agent.convert import Conversion
from kinesis_agent.files import HEAD, WINDOW, open_source
from kinesis_agent.flow import LONGEST
from kinesis_agent.java_glob import escape, expand
from kinesis_agent.tail import Tailer

_TIME = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?")


class ReplayError(Exception):
    """Why a file cannot be sent again."""


def records(flow: Flow, count: int) -> Iterator[bytes]:
    """Yield the first records that the flow makes of its files, from their start."""
    counters = Counters()
    conversion = Conversion(flow, counters)
    conversion.prepare()
    tailer = Tailer(
        flow.file_pattern,
        conversion.framer,
        None,
        counters,
        from_start=True,
        longest=LONGEST[True],
        header_lines=flow.skip_header_lines,
    )

    def all_records() -> Iterator[bytes]:
        now = time.time()
        # The second time it is later, so that a last record which might go on is whole.
        for wall in (now, now + 60):
            tailer.poll(wall)
            while piece := tailer.next(wall):
                if not piece.oversize:
                    yield from conversion.convert(piece)

    yield from islice(all_records(), count)


def replay(config: Config, path: Path, start: str) -> int:
    """Send a file's lines again from a place on, and leave the agent's positions alone."""
    path = Path(os.path.abspath(path))
    flow = next((f for f in config.flows if _matches(path, f.file_pattern)), None)
    if flow is None and len(config.flows) == 1:
        flow = config.flows[0]  # a rotated file, say
    if flow is None:
        raise ReplayError(f"no flow has a pattern that {path} matches")
    try:
        tracked = _tracked(path, start)
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror}") from None
    flow = msgspec.structs.replace(flow, file_pattern=escape(str(path)))
    config = msgspec.structs.replace(
        config,
        flows=[flow],
        checkpoint_file=None,
        cloudwatch_emit_metrics=False,
        prometheus_port=None,
    )
    with tempfile.TemporaryDirectory() as state_dir:
        Checkpoint(Path(state_dir) / "positions.json").save(State(flows={flow.key: [tracked]}))
        agent = Agent(config, Path(state_dir))
        agent.ship()
    return agent.flows[0].counters.records_sent


def _matches(path: Path, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(str(path), each) for each in expand(pattern))


def _tracked(path: Path, start: str) -> Tracked:
    source = open_source(str(path))
    try:
        status = source.stat()
        offset = int(start) if start.isdigit() else _find_time(path, _moment(start))
        if offset:
            # The line that an offset is in the middle of is not sent: it would be torn.
            before = source.read_at(offset - 1, 1 << 20)
            offset += before.find(b"\n") if not before.startswith(b"\n") else 0
        window = source.read_at(max(0, offset - WINDOW), min(offset, WINDOW))
        head = source.read_at(0, HEAD)
    finally:
        source.close()
    tracked = Tracked(str(path), str(path), head, Mark(offset, window))
    tracked.device, tracked.inode = status.st_dev, status.st_ino
    return tracked


def _find_time(path: Path, moment: datetime) -> int:
    """Return where the first line starts that has this time or a later one."""
    offset = 0
    with path.open("rb") as file:
        for line in file:
            found = _TIME.search(line)
            if found and _moment(found[0].decode()) >= moment:
                return offset
            offset += len(line)
    return offset


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ReplayError(f"{text!r} is neither an offset nor a time") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
