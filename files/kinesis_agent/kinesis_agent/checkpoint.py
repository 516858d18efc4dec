"""The positions up to which everything was accepted, and what was counted, on disk."""

from pathlib import Path

import msgspec
from msgspec import Struct
from python_service import file

from kinesis_agent import state_json

VERSION = 1


class Mark(Struct, array_like=True, frozen=True):
    """A place in a file's content, and the bytes just before it, by which it is known again."""

    position: int
    window: bytes = b""


class Tracked(Struct, omit_defaults=True):
    """What is remembered of one file's content."""

    path: str
    lane: str
    head: bytes = b""
    mark: Mark = Mark(0)
    # The file that holds the content, or held it last.
    device: int = 0
    inode: int = 0
    # The inode of the truncated file whose content this is a copy of; -1 for any other copy.
    origin: int = 0
    # Since when, by the wall clock, no file is known to hold the content.
    missing_since: float = 0
    # The most bytes that were seen in it.
    size: int = 0
    # A compressed file that was there before the flow was.
    ignored: bool = False
    # Since when, by the wall clock, there have been bytes after the mark.
    behind_since: float = 0
    # When the file was made, and when it had last been written to when it was read, both in ns.
    birth: int = 0
    mtime: int = 0
    # Where the file is, if links lead there.
    target: str = ""


class Counters(Struct, omit_defaults=True):
    """What a flow has done since its first start; what is read again counts again."""

    records_sent: int = 0
    bytes_sent: int = 0
    attempts: int = 0
    records_refused: int = 0
    service_errors: int = 0
    undecodable: int = 0
    unmatched: int = 0
    oversize: int = 0
    lost_bytes: int = 0


class State(Struct):
    """All that outlives the process, of each flow: its tracked files, oldest content first."""

    version: int = VERSION
    flows: dict[str, list[Tracked]] = {}
    counters: dict[str, Counters] = {}


class CheckpointError(Exception):
    """Why the positions cannot be used."""


class Checkpoint:
    """A file that holds the state; replaced as a whole, so that a crash leaves old or new."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""

    def load(self) -> State:
        """Return the state, a new one at the first start; refuse a file that is not ours."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return State()
        except OSError as error:
            raise CheckpointError(f"{self._path}: {error.strerror}") from None
        try:
            state = state_json.decode(data, State)
        except msgspec.DecodeError as error:
            raise CheckpointError(
                f"{self._path} holds no positions of this agent ({error}); "
                "move it away to start from initialPosition"
            ) from None
        if state.version != VERSION:
            raise CheckpointError(f"{self._path} is of version {state.version}, not {VERSION}")
        self._written = data
        return state

    def save(self, state: State) -> bool:
        """Make the state durable; return whether there was anything new."""
        data = state_json.encode(state)
        if data == self._written:
            return False
        file.replace(self._path, data, 0o600, durably=True)
        self._written = data
        return True
