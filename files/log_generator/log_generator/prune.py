"""Removing rotated logs, but none that the agent has not shipped to its last byte."""

import json
import logging
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from log_generator.errors import LogGeneratorError

logger = logging.getLogger(__name__)


def prune(
    log: Path, keep: int, busy_inode: int | None, status_command: Sequence[str]
) -> list[Path]:
    """Remove what is older than the newest `keep` rotated files and shipped; returns what went.

    `busy_inode` is the file that the generator would recover from: it stays.
    """
    rotated = sorted(log.parent.glob(log.name + "-*"), key=lambda path: path.stat().st_mtime_ns)
    candidates = [
        path for path in rotated[: max(0, len(rotated) - keep)] if path.stat().st_ino != busy_inode
    ]
    if not candidates:
        return []
    done = shipped(status_command)
    gone = [path for path in candidates if path in done]
    for path in gone:
        path.unlink()
        logger.info("removed %s", path)
    if kept := len(candidates) - len(gone):
        logger.warning("%d rotated files are kept: the agent has not shipped them", kept)
    return gone


def shipped(status_command: Sequence[str]) -> set[Path]:
    """The files that each flow which reads them has shipped whole.

    The command prints {"flows": [{"files": [{"path": …, "bytes_behind": n}]}]} and lists a rotated
    file, under its present name, for as long as it is there. Its exit code does not matter: an
    agent that has an error elsewhere still knows what it shipped.
    """
    try:
        answer = subprocess.run(status_command, capture_output=True, timeout=30, check=False)
        flows = json.loads(answer.stdout)["flows"]
        behind: dict[Path, int] = {}
        for flow in flows:
            for file in flow["files"]:
                path = Path(os.path.realpath(file["path"]))
                behind[path] = max(behind.get(path, 0), file["bytes_behind"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise LogGeneratorError(f"no answer from {' '.join(status_command)}: {error}") from error
    return {path for path, count in behind.items() if count == 0}
