"""The shop's services as processes of their own, and requests through unix sockets."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.region import free_port
from tests.unit.roles.rendering import Role

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


class Nginx:
    """The role's nginx with the role's configuration, in a folder; and the lines it logged."""

    def __init__(self, home: Path, services: dict[str, Service]) -> None:
        self.home = home
        self.port = free_port()
        self.incoming = home / "in.socket"
        upstreams = {name: [str(one.socket)] for name, one in services.items()}
        upstreams["payment"].insert(0, str(home / "dead.socket"))
        self.role = Role(
            "shop",
            ansible_managed="a test's",
            shop_listen=f"127.0.0.1:{self.port}",
            shop_trusted_proxies=["198.51.100.0/24"],
            __shop_nginx_run=str(home),
            __shop_log=str(home / "access.log"),
            __shop_upstreams=upstreams,
            __shop_call_seconds=1,
        )
        self.config = home / "nginx.conf"
        self.config.write_text(self.template("shop_nginx.conf.j2"))
        self.process: subprocess.Popen | None = None

    def template(self, name: str) -> str:
        return self.role.render(f"lookup('ansible.builtin.template', '{name}')")

    def start(self) -> None:
        command = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        if command is None:
            raise RuntimeError("nginx is not there: apt install nginx")
        unit = self.template("surgewatch-shop-nginx.service.j2")
        environment = dict(re.findall("^Environment=(.+?)=(.*)$", unit, re.MULTILINE))
        own = ["-g", "user root;"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [command, "-e", "stderr", "-c", self.config, *own], env=environment
        )
        eventually(lambda: (self.home / "pid").exists() and self._listens(), "nginx")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)

    def _listens(self) -> bool:
        assert self.process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def lines(self) -> list[bytes]:
        return (self.home / "access.log").read_bytes().splitlines()


@pytest.fixture(scope="session")
def nginx(home, services):
    """In front of the services and between them; payment has a first backend that is dead."""
    server = Nginx(home, services)
    server.start()
    yield server
    server.stop()
