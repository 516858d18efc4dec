"""A moto of the tests' own that is as strict as AWS: molecule/aws/serve_moto.py."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.region import free_port

SERVER = Path(__file__).parents[1] / "molecule" / "aws" / "serve_moto.py"


class StrictMoto:
    """A server, the environment that points at it, and the record of its calls."""

    def __init__(self, port: int, record: Path) -> None:
        self._record = record
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret-key",
        }

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._record.read_text().splitlines()]


@contextmanager
def strict_moto(folder: Path) -> Iterator[StrictMoto]:
    port, log, record = free_port(), folder / "log", folder / "requests.jsonl"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, SERVER, str(port), record], stdout=output, stderr=output
        )
    server = StrictMoto(port, record)
    deadline = time.monotonic() + 60
    try:
        while True:
            try:
                urllib.request.urlopen(f"{server.url}/moto-api/", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield server
    finally:
        process.kill()
        process.wait()
