"""Hands a command to the analytics engine, which is installed in the project's environment."""

import os

from console.errors import ConsoleError


def become_engine(command: str, arguments: list[str]) -> int:
    try:
        os.execvp("analytics-engine", ["analytics-engine", command, *arguments])
    except OSError as error:
        raise ConsoleError(f"analytics-engine: {error.strerror}") from error
