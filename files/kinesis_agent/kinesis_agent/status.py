"""What the running agent leaves in its state directory for others to read."""

import contextlib
import hashlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct
from python_service.file import read as read_file
from python_service.status import STALE_SECONDS, silence

from kinesis_agent import state_json
from kinesis_agent.files import BROKEN, HEAD, birth, file_id, is_compressed, open_source
from kinesis_agent.flow import Running
from kinesis_agent.reader import Reader
from kinesis_agent.sight import Sight


class FileStatus(Struct):
    """How far one file was accepted."""

    path: str
    offset: int
    bytes_behind: int
    seconds_behind: float
    device: int
    inode: int
    head: str
    head_size: int
    # When the file was made (ns), and its time (ns) and size when nothing more was in it.
    birth: int
    ended: tuple[int, int] | None


class FlowStatus(Struct):
    """How one flow is."""

    destination: str
    file_pattern: str
    records_sent: int
    bytes_sent: int
    attempts: int
    records_refused: int
    service_errors: int
    undecodable: int
    unmatched: int
    oversize: int
    lost_bytes: int
    bytes_behind: int
    seconds_behind: float
    last_error: str | None
    files: list[FileStatus]
    matches: int = 1
    not_read: list[str] = []


class Status(Struct):
    """All of it."""

    updated_at: float
    running: bool
    flows: list[FlowStatus]
    problems: list[str] = []


def fingerprint(head: bytes) -> str:
    """Return what tells contents apart without telling what they are."""
    return hashlib.blake2b(head, digest_size=16).hexdigest()


def read(state_dir: Path) -> Status | None:
    """Return what the agent last said, or None."""
    try:
        return state_json.decode(read_file(state_dir / "status.json"), Status)
    except (OSError, msgspec.DecodeError):
        return None


def renew(status: Status, now: float) -> None:
    """Look at the files again: what was written since is behind, too, and waits for an agent."""
    waited = now - status.updated_at
    if status.running and waited <= STALE_SECONDS:
        waited = 0.0
    for flow in status.flows:
        for file in flow.files:
            with contextlib.suppress(OSError):
                found = os.stat(file.path)
                if is_compressed(file.path):
                    continue
                if file_id(found) == (file.device, file.inode):
                    file.bytes_behind = max(file.bytes_behind, found.st_size - file.offset)
            if file.bytes_behind:
                file.seconds_behind += waited
        flow.bytes_behind = sum(file.bytes_behind for file in flow.files)
        flow.seconds_behind = max((file.seconds_behind for file in flow.files), default=0.0)


def faults(status: Status | None, now: float) -> list[str]:
    """Return what an operator should look at, a line each."""
    if status is None:
        return silence(None)
    found = silence(now - status.updated_at) if status.running else ["stopped"]
    found += status.problems
    found += [
        f"{flow.file_pattern} -> {flow.destination}: {problem}"
        for flow in status.flows
        for problem in [*flow.not_read, flow.last_error]
        if problem
    ]
    return found


def shipped(status: Status | None, path: str) -> bool:
    """Whether all that the file holds was accepted: it is as it was when it was read to its end."""
    try:
        source = open_source(path)
    except OSError:
        return False
    try:
        stat = source.stat()
        head = source.read_at(0, HEAD)
        for flow in status.flows if status else []:
            for file in flow.files:
                if (file.device, file.inode) != file_id(stat):
                    continue
                if fingerprint(head[: file.head_size]) != file.head:
                    continue
                if file.birth not in (0, birth(source.fd)):
                    continue
                return not file.bytes_behind and file.ended == (stat.st_mtime_ns, stat.st_size)
    except BROKEN:
        return False
    finally:
        source.close()
    return False


def of_flow(flow: Running, sight: Sight, wall: float) -> FlowStatus:
    """Describe a flow at work."""
    files = [_of_reader(reader, wall) for reader in flow.tailer.readers if not reader.missing]
    return FlowStatus(
        destination=flow.flow.destination,
        file_pattern=flow.flow.file_pattern,
        **msgspec.structs.asdict(flow.counters),
        bytes_behind=sum(file.bytes_behind for file in files),
        seconds_behind=max((file.seconds_behind for file in files), default=0.0),
        last_error=flow.last_error,
        files=files,
        matches=sight.files,
        not_read=sight.problems,
    )


def _of_reader(reader: Reader, wall: float) -> FileStatus:
    tracked = reader.tracked
    behind, seconds = reader.behind(wall)
    return FileStatus(
        path=tracked.path,
        offset=tracked.mark.position,
        bytes_behind=behind,
        seconds_behind=round(max(0.0, seconds), 1),
        device=tracked.device,
        inode=tracked.inode,
        head=fingerprint(tracked.head),
        head_size=len(tracked.head),
        birth=tracked.birth,
        ended=reader.ended,
    )


def sentence(flow: FlowStatus) -> str:
    """Return a flow's status in words."""
    odd = {
        "lines too long": flow.oversize,
        "lines of another format": flow.unmatched,
        "characters that do not decode": flow.undecodable,
        "bytes lost": flow.lost_bytes,
    }
    return (
        f"{flow.file_pattern} -> {flow.destination}: {flow.records_sent} records sent, "
        f"{flow.bytes_behind} bytes and {flow.seconds_behind:.1f} s behind"
        + "".join(f", {count} {name}" for name, count in odd.items() if count)
        + ("" if flow.matches or flow.files else ", no file matches")
    )
