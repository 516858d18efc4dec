"""An agent as a process of its own, with its files in a folder of the test's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kinesis_agent import status

COMMAND = Path(sys.executable).parent / "kinesis-agent"
ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


class AgentProcess:
    """`with AgentProcess(folder, flows, settings) as agent`; it may be stopped and started."""

    def __init__(self, folder: Path, flows: list[dict[str, Any]], **settings: Any) -> None:
        self.config, self.state_dir = folder / "agent.json", folder / "state"
        self.positions = self.state_dir / "positions.json"
        self.environment = os.environ | ENVIRONMENT
        self.log = folder / "agent.log"
        # What runs the command, with fewer rights or a lower limit.
        self.runner: list[str] = []
        settings = {"cloudwatch.emitMetrics": False} | settings | {"flows": flows}
        self.config.write_text(json.dumps(settings))
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "AgentProcess":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *self.runner,
                    COMMAND,
                    "run",
                    "--config",
                    self.config,
                    "--state-dir",
                    self.state_dir,
                ],
                env=self.environment,
                stderr=log,
            )

    def wait_until_ready(self) -> None:
        """Wait for its first positions: what comes later is not there at its first start."""
        deadline = time.monotonic() + 20
        while not self.positions.exists():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def start_and_look(self) -> None:
        """Start it, and wait until it has looked for its files."""
        before = self._looks()
        self.start()
        deadline = time.monotonic() + 20
        while self._looks() == before:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def _looks(self) -> int:
        return self.log.read_text().count("ships")

    def stop(self) -> int:
        """End it by SIGTERM; return its exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code

    def has_shipped(self, *paths: Path) -> bool:
        """Whether it says so of all of them; much quicker than to ask()."""
        found = status.read(self.state_dir)
        return all(status.shipped(found, str(path)) for path in paths)

    def problems(self) -> str:
        """What status would print of them."""
        return "\n".join(status.faults(status.read(self.state_dir), time.time()))

    def ask(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run another of the commands on its state."""
        return subprocess.run(
            [COMMAND, *arguments, "--state-dir", self.state_dir],
            capture_output=True,
            text=True,
            timeout=30,
        )
