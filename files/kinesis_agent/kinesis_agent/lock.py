"""What only one agent at a time may use."""

import fcntl
from pathlib import Path
from typing import IO

from kinesis_agent.checkpoint import CheckpointError


def hold(path: Path, what: Path) -> IO[str]:
    """Lock a file until it is closed; raise CheckpointError where another agent has it."""
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise CheckpointError(f"another agent runs with {what}") from None
    return file
