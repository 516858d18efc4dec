"""No line is lost: every rotation, whatever happens to the agent and to its requests meanwhile."""

import itertools
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.endpoint import Endpoint, Faults
from tests.agent.process import AgentProcess
from tests.agent.rotations import ROTATIONS, Log

SEEDS = range(4)
ROUNDS = 4
PATTERNS = {"create": "app.log-*", "same_content": "app.log*", "lane": "[2a][0p]*.log"}
# Without these root, too, may not read what its mode forbids.
PLAIN_RIGHTS = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
# So many descriptors leave 26 for files.
FEW_DESCRIPTORS = ["prlimit", "--nofile=90:90"]
OTHERS = 60
# What may be a copy is left for 10 s; the rest is for a busy machine.
PATIENCE = 60
duplicates: dict[tuple[str, str, int], int] = {}


class Cell:
    """One log, one agent, one endpoint with faults; answers are lost where the seed is odd."""

    def __init__(
        self, folder: Path, endpoint: Endpoint, rotation: str, state: str, seed: int
    ) -> None:
        self.random = random.Random(seed)
        self.is_up = True
        self.endpoint, self.rotate = endpoint, ROTATIONS[rotation]
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.log = Log(self.logs / "app.log")
        self.others = [
            self.logs / f"svc-{n}x.log" for n in range(OTHERS if state == "descriptors" else 0)
        ]
        self.faults = Faults(
            refused=0.05, throttled=0.04, broken=0.04, dropped=0.04, slow=0.03, lost=seed % 2 * 0.05
        )
        endpoint.faults = self.faults
        patterns = [PATTERNS.get(rotation, "app.log")] + ["svc-*.log"] * bool(self.others)
        flows = [
            {
                "filePattern": str(self.logs / pattern),
                "kinesisStream": "s",
                "initialPosition": "START_OF_FILE",
                "minTimeBetweenFilePollsMillis": 20,
                "retryInitialBackoffMillis": 20,
                "retryMaxBackoffMillis": 200,
            }
            for pattern in patterns
        ]
        if rotation == "create":
            self.rotate(self.log, 0, self)
        self.agent = AgentProcess(
            folder,
            flows,
            **{
                "kinesis.endpoint": endpoint.url,
                # In an outage there is nothing to wait for; else all that was sent is answered.
                "shutdownTimeoutMillis": 1000 if state == "outage" else 20_000,
            },
        )
        if state == "unreadable" and os.geteuid() == 0:
            self.agent.runner = PLAIN_RIGHTS
        if self.others:
            self.agent.runner = FEW_DESCRIPTORS

    def write(self) -> None:
        """Write some lines, now and then the last of them without its end."""
        for _ in range(self.random.randint(1, 6)):
            self.log.write(self.random.randint(1, 120), self.random.random() < 0.8)
            time.sleep(self.random.random() * 0.03)
        self.log.write(3)

    def shipped(self) -> bool:
        if not self.is_up:
            return False
        wanted = self.log.lines()
        return self.endpoint.wait_for(lambda: wanted <= self.lines(), 5)

    def seen(self) -> bool:
        inode = f'"inode":{self.log.path.stat().st_ino}'
        deadline = time.monotonic() + 2
        while inode not in self.agent.positions.read_text():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def lines(self) -> set[bytes]:
        return set(self.counts())

    def counts(self) -> Counter[bytes]:
        """How often each line came; one that only ends a line before a hole is none."""
        found: Counter[bytes] = Counter()
        for record, count in list(self.endpoint.records.items()):
            found[record.removesuffix(b"\n")] += count
        del found[b""]
        return found


def up(cell: Cell, number: int) -> None:
    cell.write()
    cell.rotate(cell.log, number, cell)
    cell.write()


def stopped(cell: Cell, number: int) -> None:
    cell.is_up = False
    cell.write()
    cell.agent.stop()
    cell.write()
    cell.rotate(cell.log, number, cell)
    cell.write()
    cell.agent.start()


def killed(cell: Cell, number: int) -> None:
    """SIGKILL at a random moment around the rotation."""
    cell.is_up = False
    timer = threading.Timer(cell.random.random() * 0.4, cell.agent.kill)
    timer.start()
    cell.write()
    cell.rotate(cell.log, number, cell)
    cell.write()
    timer.join()
    cell.agent.start()


def outage(cell: Cell, number: int) -> None:
    cell.is_up = False
    cell.endpoint.faults = Faults(error=(500, "InternalFailure"))
    cell.write()
    cell.agent.stop()
    cell.rotate(cell.log, number, cell)
    cell.endpoint.faults = cell.faults
    cell.agent.start()
    cell.write()


def unreadable(cell: Cell, number: int) -> None:
    """The log may not be read, from a restart on until after a rotation."""
    cell.is_up = False
    cell.write()
    cell.agent.stop()
    cell.log.path.chmod(0)
    cell.agent.start_and_look()
    cell.write()
    cell.log.path.chmod(0o644)
    cell.rotate(cell.log, number, cell)
    cell.write()


def away(cell: Cell, number: int) -> None:
    """The logs' directory is not there, from a restart on until after a rotation."""
    cell.is_up = False
    cell.write()
    cell.agent.stop()
    hidden = cell.logs.rename(cell.logs.with_name("away"))
    cell.agent.start_and_look()
    cell.write()
    hidden.rename(cell.logs)
    cell.rotate(cell.log, number, cell)
    cell.write()


def descriptors(cell: Cell, number: int) -> None:
    """Far more files grow than may be open."""
    for path in cell.others:
        line = b"%s %d" % (path.name.encode(), number)
        cell.log.written.append(line)
        with path.open("ab") as file:
            file.write(line + b"\n")
    up(cell, number)


STATES: dict[str, Callable[[Cell, int], None]] = {
    state.__name__: state for state in (up, stopped, killed, outage, unreadable, away, descriptors)
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "rotation" not in metafunc.fixturenames:
        return
    cells = list(itertools.product(ROTATIONS, STATES, SEEDS))
    if not metafunc.config.getoption("--full"):
        cells = random.Random(4).sample(cells, len(cells) // 25)
    metafunc.parametrize(("rotation", "state", "seed"), cells)


def test_no_line_is_lost(tmp_path: Path, rotation: str, state: str, seed: int) -> None:
    with Endpoint(seed=seed) as endpoint:
        cell = Cell(tmp_path, endpoint, rotation, state, seed)
        with cell.agent:
            cell.agent.wait_until_ready()
            for number in range(1, ROUNDS + 1):
                STATES[state](cell, number)
            cell.endpoint.faults = Faults()
            written = Counter(cell.log.written)
            wanted = Counter({k: n for k, n in written.items() if k not in cell.log.destroyed})
            endpoint.wait_for(lambda: wanted <= cell.counts(), PATIENCE)
            # One that has just been started ends before it knows of signals.
            stopped_well = cell.agent.stop() in (0, -signal.SIGTERM)
        lost = wanted - cell.counts()
        assert not lost, f"{lost.total()} of {wanted.total()} lost: {sorted(lost)[:3]}"
        assert stopped_well
        assert cell.lines() <= set(cell.log.written)
        repeated = (cell.counts() - written).total()
        duplicates[rotation, state, seed] = repeated
        if state != "killed" and not endpoint.lost_records:
            assert repeated == 0


def test_duplicates_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print("\nrepeated lines, by rotation and state, for each seed:")
        for rotation, state in itertools.product(ROTATIONS, STATES):
            counts = [duplicates[key] for key in sorted(duplicates) if key[:2] == (rotation, state)]
            if counts:
                print(f"  {rotation:22} {state:8} {' '.join(map(str, counts))}")
