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
from kinesis_agent.files import HEAD, WINDOW, Source, open_source
from kinesis_agent.flow import LONGEST
from kinesis_agent.java_glob import escape, expand
from kinesis_agent.reader import BLOCK
from kinesis_agent.tail import Tailer

# 2026-01-31T12:00:00.5Z; and as Apache's access and error logs have it, 31/Jan/2026:12:00:00 +0000
# and Sat Jan 31 12:00:00.5 2026.
_TIME = re.compile(
    r"(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)"
    r"|(?P<access>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})"
    r"|[A-Z][a-z]{2} (?P<error>[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d)(?:\.\d+)? (?P<year>\d{4})"
)


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
        offset = int(start) if start.isdecimal() else _find_time(path, source, start)
        if offset and not source.read_at(offset - 1, 1):
            raise ReplayError(f"{path} ends before {offset}")
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


def _find_time(path: Path, source: Source, start: str) -> int:
    """Return where the first line starts that has this time or a later one."""
    moment = _moment(start) or _moment(f"{start} 00:00:00")
    if moment is None:
        raise ReplayError(f"{start!r} is neither an offset nor a time")
    last, offset = None, 0
    for line in _lines(source):
        last = _moment(line.decode("utf-8", "replace")) or last
        if last and last >= moment:
            return offset
        offset += len(line)
    if last is None:
        raise ReplayError(f"no line of {path} has a time as RFC 3339 or Apache writes it")
    raise ReplayError(f"no line of {path} is so late: the last is of {last.isoformat()}")


def _lines(source: Source) -> Iterator[bytes]:
    at, rest = 0, b""
    while block := source.read_at(at, BLOCK):
        at += len(block)
        *lines, rest = (rest + block).split(b"\n")
        yield from (line + b"\n" for line in lines)
    yield rest


def _moment(text: str) -> datetime | None:
    """Return the first time in a text; one without a zone is UTC."""
    for found in _TIME.finditer(text):
        try:
            if found["iso"]:
                moment = datetime.fromisoformat(found["iso"].replace(",", "."))
            elif found["access"]:
                moment = datetime.strptime(found["access"], "%d/%b/%Y:%H:%M:%S %z")
            else:
                moment = datetime.strptime(f"{found['error']} {found['year']}", "%b %d %H:%M:%S %Y")
        except ValueError:
            continue  # no such day, for instance
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
