"""Changes of the slices, asked of the generator that runs, or made where none does."""

import contextlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from log_generator.errors import ControlError, LogGeneratorError
from log_generator.ownership import Answer, Change

_BYTES = 131_072  # more than 1024 slices with a position each need
_PATIENCE = 30.0

logger = logging.getLogger(__name__)

Handler = Callable[[Change], Answer]


class _Failure(msgspec.Struct, frozen=True):
    error: str


class Control:
    """A socket in the state directory, for its owner and root alone."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        with _short(directory) as path:
            path.unlink(missing_ok=True)
            self._socket.bind(str(path))
            path.chmod(0o600)
        self._socket.listen()

    def serve(self, handler: Handler, seconds: float) -> None:
        """Answer a request, if one comes within so many seconds."""
        self._socket.settimeout(seconds)
        try:
            connection, _ = self._socket.accept()
        except TimeoutError:
            return
        with connection:
            connection.settimeout(1.0)
            try:
                if not (data := connection.recv(_BYTES)):
                    return
                request = msgspec.json.decode(data, type=Change)
                answer: Answer | _Failure = handler(request)
            except (LogGeneratorError, OSError, ValueError) as error:
                logger.error("a change of slices was refused: %s", error)
                answer = _Failure(str(error))
            with contextlib.suppress(OSError):  # nobody waits for the answer any more
                connection.sendall(msgspec.json.encode(answer))

    def close(self) -> None:
        self._socket.close()


def ask(
    directory: Path,
    change: Change,
    alone: Callable[[], contextlib.AbstractContextManager[Handler | None]],
) -> Answer:
    """Have the change made by the generator that runs there, else make it here.

    `alone` gives the handler where no generator runs, and None where one does.
    """
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            return _ask(directory, change)
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        with alone() as handler:
            if handler:
                return handler(change)
        time.sleep(0.1)  # one is just starting, or ending
    raise ControlError(f"the generator did not answer within {_PATIENCE:g} s")


def is_served(directory: Path) -> bool:
    """Whether a generator runs there."""
    try:
        _connect(directory).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    return True


def _ask(directory: Path, change: Change) -> Answer:
    with _connect(directory) as client:
        client.sendall(msgspec.json.encode(change))
        data = client.recv(_BYTES)
    if not data:
        raise ControlError("the generator ended while it was asked")
    answer = msgspec.json.decode(data)
    if "error" in answer:
        raise ControlError(answer["error"])
    return msgspec.convert(answer, Answer)


def _connect(directory: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    client.settimeout(_PATIENCE)
    try:
        with _short(directory) as path:
            client.connect(str(path))
    except OSError:
        client.close()
        raise
    return client


@contextlib.contextmanager
def _short(directory: Path) -> Iterator[Path]:
    """The socket's path, however long the directory's is: addresses have 108 bytes."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield Path(f"/proc/self/fd/{descriptor}/control")
    finally:
        os.close(descriptor)
