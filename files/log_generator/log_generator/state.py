"""What survives a stop: where the host stands, and how far the log had been written by then.

The state is older than the log or equal to it, never ahead: `recovery` reads the rest off the log.
"""

from pathlib import Path

import msgspec
from python_service import file

from log_generator.replay import Position

FILE = "state.json"


class LogPosition(msgspec.Struct, frozen=True):
    """All lines of the sequence up to `offset` of this file, and of earlier files, are counted."""

    inode: int
    offset: int


class Injection(msgspec.Struct, frozen=True):
    name: str
    written: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    version: int = 1
    dataset: str = ""
    slices: str = ""  # those that it owns, and writes
    positions: dict[str, Position] = {}  # of these, and of those that were given away
    lines: int = 0
    injected: int = 0
    elapsed: float = 0.0
    last_due: float = 0.0
    last_recorded: int = 0
    last_event_time: str | None = None
    log: LogPosition | None = None
    injection: Injection | None = None
    placed: dict[str, bool] = {}  # the invoices under way: whether the shop accepted them
    refused: int = 0  # orders that it did not
    waiting: str | None = None  # for the shop, and why
    paused: str | None = None
    updated_at: str = ""


def load(directory: Path) -> State:
    try:
        return msgspec.json.decode(file.read(directory / FILE), type=State)
    except FileNotFoundError:
        return State()


def save(directory: Path, state: State) -> None:
    """Replace the state file, durably, readable by every user."""
    content = msgspec.json.format(msgspec.json.encode(state))
    file.replace(directory / FILE, content, durably=True)
