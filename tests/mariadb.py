"""A MariaDB for tests, as the role region sets it up: TLS required, on loopback."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from common.database import connect
from tests.region import free_port

FILES = Path(__file__).parent.parent / "roles" / "region" / "files"
SBIN = f"{os.environ['PATH']}:/usr/sbin"


class MariaDB:
    """A server with an administrator and nothing in it; it keeps its port and data."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        names = "IP:127.0.0.1"
        environment = {
            "PATH": SBIN,
            "STATE_DIRECTORY": str(home),
            "DATABASE_NAMES": names,
            "DATABASE_USERNAME": "admin",
        }
        log = home / "prepare.log"
        with log.open("wb") as output:
            subprocess.run(
                ["sh", FILES / "prepare-mariadb.sh"],
                env=environment,
                stdout=output,
                stderr=output,
                check=True,
            )

    @property
    def secret(self) -> dict[str, Any]:
        """The administrator's secret."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "username": "admin",
            "password": (self.home / "password").read_text().strip(),
            "dbname": "logs",
            "ca": (self.home / "authority.pem").read_text(),
        }

    def start(self) -> None:
        """Start it and return once it answers."""
        server = shutil.which("mariadbd", path=SBIN)
        if server is None:
            raise RuntimeError(
                "mariadbd is not there: apt install mariadb-server-core mariadb-client-core"
            )
        own = {
            "datadir": self.home / "data",
            "socket": self.home / "socket",
            "secure-file-priv": self.home / "files",
            "init-file": self.home / "administrator.sql",
            "ssl-ca": self.home / "authority.pem",
            "ssl-cert": self.home / "server.pem",
            "ssl-key": self.home / "server.key",
            "port": self.port,
            "bind-address": "127.0.0.1",
            "pid-file": self.home / "pid",
            "innodb-flush-log-at-trx-commit": 2,  # faster, and still safe from kill -9
        }
        if os.geteuid() == 0:
            own["user"] = "root"
        log = self.home / "server.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    server,
                    f"--defaults-file={FILES / 'mariadb.cnf'}",
                    *(f"--{name}={value}" for name, value in own.items()),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def connect(self) -> pymysql.Connection:
        """The administrator's connection."""
        return connect(self.secret)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except pymysql.OperationalError:
            return False
        return True


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """A running server; a test that needs an empty one drops the database logs and the users."""
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    server.start()
    yield server
    server.kill()
