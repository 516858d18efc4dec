"""The shop's services as processes of their own, and requests through unix sockets."""

import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

ORDER = {
    "InvoiceNo": "536365",
    "Customer": "17850",
    "lines": [{"StockCode": "85123A", "Quantity": 6, "UnitPrice": 2.55}],
}


class Answer(NamedTuple):
    status: int
    body: str


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float = 30) -> None:
        super().__init__("shop.test", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, target: str, body: object = None, **headers: str) -> Answer:
    """GET, or POST where there is a body: as it is where it is bytes, else as JSON."""
    connection = Connection(path)
    try:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET" if body is None else "POST", target, body, named)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read().decode())
    finally:
        connection.close()


def eventually(condition, what, seconds=20):
    """Wait until it holds; what it gives."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


class Service:
    """One of the three, in a process; it can be killed and started anew."""

    def __init__(self, name: str, home: Path, outgoing: Path) -> None:
        self.name = name
        self.socket = home / f"{name}.socket"
        self._outgoing = outgoing
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "shop", "--service", self.name, "--socket", self.socket]
        self.process = subprocess.Popen([*command, "--outgoing", self._outgoing])
        eventually(self._answers, self.name)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def _answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return ask(self.socket, "/health").status == 200
        except OSError:
            return False


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """A folder with a path short enough for unix sockets."""
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="session")
def services(home):
    """The three, by name; calls go through `out.socket` in their folder."""
    started = {}
    for name in ("shop", "stock", "payment"):
        started[name] = Service(name, home, home / "out.socket")
        started[name].start()
    yield started
    for service in started.values():
        service.kill()
