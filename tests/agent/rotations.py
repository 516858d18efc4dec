"""What rotators do to a log, each while its writer goes on."""

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol


class Log:
    """A log with a writer that appends whole lines, each of them unlike any other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written: list[bytes] = []
        self.destroyed: set[bytes] = set()
        self._file = path.open("ab", buffering=0)
        self._unterminated = b""

    def write(self, count: int, terminated: bool = True) -> None:
        lines = [
            b"%06d %s" % (n, b"x" * (n * 37 % 120))
            for n in range(len(self.written), len(self.written) + count)
        ]
        self.written += lines
        data = self._unterminated + b"".join(line + b"\n" for line in lines)
        self._unterminated = b"" if terminated else b"\n"
        self._file.write(data if terminated else data[:-1])

    def write_line(self, line: bytes) -> None:
        """Write what need not be unlike any other."""
        self._file.write(line + b"\n")
        self.written += line.split(b"\n")

    def reserve(self, size: int) -> None:
        """Let the file end in so many NULs, and fill them in before it grows again."""
        self.keep_place()
        self._file.truncate(max(self._file.tell() + size, self.path.stat().st_size))

    def keep_place(self) -> None:
        """Write where the last line ended from now on, whatever becomes of the file."""
        if "a" in self._file.mode:
            end = self._file.seek(0, os.SEEK_END)
            self._file.close()
            self._file = self.path.open("r+b", buffering=0)
            self._file.seek(end)

    def reopen(self) -> None:
        """Do as a program that was told to: what it has not ended it ends in the old file."""
        if self._unterminated:
            self._file.write(self._unterminated)
            self._unterminated = b""
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def lines(self) -> set[bytes]:
        """The whole lines that are in the file now."""
        return {line.strip(b"\0") for line in self.path.read_bytes().split(b"\n")} - {b""}


class Agent(Protocol):
    """What a rotator may ask about the agent."""

    def shipped(self) -> bool:
        """Whether all of the log was accepted, after some patience."""

    def seen(self) -> bool:
        """Whether the agent has taken durable note of the log, after some patience."""


Rotation = Callable[[Log, int, Agent], None]


def _shift(log: Log) -> Path:
    for number in range(20, 0, -1):
        for suffix in ("", ".gz"):
            old = log.path.with_name(f"{log.path.name}.{number}{suffix}")
            if old.exists():
                old.rename(log.path.with_name(f"{log.path.name}.{number + 1}{suffix}"))
    return log.path.with_name(f"{log.path.name}.1")


def rename(log: Log, number: int, agent: Agent) -> None:
    log.path.rename(_shift(log))
    log.write(5)  # still into the renamed file
    log.reopen()


def create(log: Log, number: int, agent: Agent) -> None:
    """A new name each time, as programs do that put the date into it."""
    log.path = log.path.with_name(f"app.log-{20260101 + number}")
    log.reopen()


def copytruncate(log: Log, number: int, agent: Agent) -> None:
    shutil.copyfile(log.path, _shift(log))
    os.truncate(log.path, 0)


def copytruncate_regrown(log: Log, number: int, agent: Agent) -> None:
    size = log.path.stat().st_size
    copytruncate(log, number, agent)
    while log.path.stat().st_size <= size:
        log.write(20)


def truncate(log: Log, number: int, agent: Agent) -> None:
    """Destroys what nobody has a copy of: a careful rotator waits for the agent."""
    if not agent.shipped():
        log.destroyed |= log.lines()
    os.truncate(log.path, 0)


def delete(log: Log, number: int, agent: Agent) -> None:
    if not agent.shipped():
        log.destroyed |= log.lines()
    log.path.unlink()
    log.reopen()


def compress(log: Log, number: int, agent: Agent) -> None:
    """Renames, and compresses at once, as logrotate does without delaycompress."""
    rotated = _shift(log)
    log.path.rename(rotated)
    log.reopen()
    with rotated.open("rb") as plain, gzip.open(f"{rotated}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    status = rotated.stat()
    os.utime(f"{rotated}.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
    rotated.unlink()


def rename_out(log: Log, number: int, agent: Agent) -> None:
    """Gives a name that no pattern and no rotator's habit has, to a file that the agent knows."""
    if not agent.seen():
        return
    log.path.rename(log.path.with_name(f"saved-{number}"))
    log.reopen()


HEADER = b"#" + b"column," * 50


def same_head(log: Log, number: int, agent: Agent) -> None:
    """Moves the log to where nobody looks, and starts one that begins alike."""
    if not agent.shipped():
        log.destroyed |= log.lines()
    (log.path.parent / "archive").mkdir(exist_ok=True)
    log.path.rename(log.path.parent / "archive" / f"{number}.log")
    log.reopen()
    log.write_line(HEADER)


def same_content(log: Log, number: int, agent: Agent) -> None:
    """Writes a file of the day that holds what the one before holds, and more."""
    before = log.path.read_bytes()
    log.path = log.path.with_name(f"app.log-{20260101 + number}")
    log.reopen()
    log.write_line(before.rstrip(b"\n"))


def rewritten(log: Log, number: int, agent: Agent) -> None:
    """Writes the log anew in place, as long as it was or longer."""
    size = log.path.stat().st_size
    if not agent.shipped():
        log.destroyed |= log.lines()
    os.truncate(log.path, 0)
    while log.path.stat().st_size < size:
        log.write(20)


def nuls(log: Log, number: int, agent: Agent) -> None:
    """Reserves room, which is filled in from its start."""
    log.reserve(8192)
    log.write(20)


def hole(log: Log, number: int, agent: Agent) -> None:
    """Truncates after a copy, under a writer that does not append."""
    log.keep_place()
    copytruncate(log, number, agent)
    log.write(5)


def symlink(log: Log, number: int, agent: Agent) -> None:
    """Rotates the target of a link, in the target's directory."""
    if not log.path.is_symlink():
        target = log.path.with_name("pods")
        target.mkdir()
        log.path.rename(target / "0.log")
        log.path.symlink_to(target / "0.log")
    target = log.path.resolve()
    target.rename(target.with_name(f"0.log.{20260101 + number}-000000"))
    log.reopen()


def lane(log: Log, number: int, agent: Agent) -> None:
    """Goes on in a file that is named after an address, while the others are there."""
    log.path = log.path.with_name(f"2026-01-01_10.0.0.{number}.log")
    log.reopen()


ROTATIONS: dict[str, Rotation] = {
    rotation.__name__: rotation
    for rotation in (
        rename,
        create,
        copytruncate,
        copytruncate_regrown,
        truncate,
        delete,
        compress,
        rename_out,
        same_head,
        same_content,
        rewritten,
        nuls,
        hole,
        symlink,
        lane,
    )
}
