import json

import msgspec
import pytest
from log_generator import dataset, prepared, record, sample, slices
from log_generator.checkpoint import Checkpoints
from log_generator.config import Config
from log_generator.generator import Generator
from log_generator.ownership import Change

MIDNIGHT = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class FakeClock:
    """Time passes when the test says so."""

    def __init__(self):
        self.seconds = 0.0

    def now(self):
        return MIDNIGHT + int(self.seconds * 1000)

    def monotonic(self):
        return self.seconds


class Machine:
    """A host's folders, and generators that start and stop on it."""

    def __init__(self, folder, source, **settings):
        self.clock = FakeClock()
        self.free = 10**12
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        self.log = folder / "orders.log"
        self.slices = settings.pop("slices", "0-1023")
        self.settings = {"dataset": source, "log": self.log, "state_directory": self.state}
        self.settings |= settings
        self.checkout = None

    @property
    def config(self):
        return Config(**self.settings)

    def config_file(self):
        path = self.state / "config.json"
        path.write_bytes(msgspec.json.encode(self.config, enc_hook=str))
        return path

    def start(self):
        config = self.config
        rows = prepared.prepare(
            config.dataset, dataset.sha256(config.dataset), self.state, config.format
        )
        generator = Generator(config, rows, self.clock, lambda _: self.free, self.checkout)
        owned, wanted = (slices.parse(text) for text in (generator.state().slices, self.slices))
        more = {str(number): (1, 0) for number in wanted - owned}
        generator.change(Change(release=slices.render(owned - wanted), take=more))
        return generator

    def run(self, generator, seconds):
        """Let the generator run, as the service does, for so long."""
        until = self.clock.seconds + seconds
        while self.clock.seconds < until:
            self.clock.seconds = min(until, self.clock.seconds + generator.step())
        generator.step()

    def lines(self, *logs):
        """The lines of the logs, without EventTime."""
        return [without_time(line) for log in logs or (self.log,) for line in whole_lines(log)]

    def times(self, log=None):
        return [record.event_time_of(line + b"\n") for line in whole_lines(log or self.log)]

    def saved(self):
        return json.loads((self.state / "state.json").read_text())


def whole_lines(path):
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return data.splitlines()


def without_time(line):
    separator = b"\t" if b"\t" in line else b","
    body, _, address = line.rsplit(separator, 2)
    return body, address


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Processes are killed here, not machines: nothing needs the disk. And as a test's seconds
    pass faster than a thread can save, states are saved at once."""
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr("os.fdatasync", lambda _: None)
    monkeypatch.setattr(Checkpoints, "offer", Checkpoints.save)


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("dataset") / "sample.csv"
    sample.write(path, rows=3000)
    return path


@pytest.fixture
def machine(tmp_path, source):
    def make(name="host", **settings):
        return Machine(tmp_path / name, settings.pop("source", source), **settings)

    return make
