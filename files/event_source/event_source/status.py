"""What the service says about itself: a file that anyone may read."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from python_service import file
from python_service.status import silence


class MappingStatus(msgspec.Struct):
    """One enabled mapping."""

    function: str
    stream: str
    records: int
    lag_seconds: float
    last_error: str | None


class Status(msgspec.Struct):
    """The service at one moment."""

    mappings: list[MappingStatus]
    last_error: str | None = None
    updated_at: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def faults(self, now: datetime) -> list[str]:
        """What an operator should look at; empty if all is well."""
        faults = [
            f"{each.function}: {each.last_error}" for each in self.mappings if each.last_error
        ]
        if self.last_error:
            faults.append(self.last_error)
        return faults + silence((now - self.updated_at).total_seconds())


def write(directory: Path, status: Status) -> None:
    """Replace the status file."""
    file.replace(directory / "status.json", msgspec.json.encode(status))


def read(directory: Path) -> Status:
    """Read the status file; OSError or msgspec.DecodeError if it is not there or not whole."""
    return msgspec.json.decode(file.read(directory / "status.json"), type=Status)
