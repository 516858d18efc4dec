"""The agent as a service, which signals end or make read its configuration again."""

import fcntl
import logging
import signal
from pathlib import Path

from kinesis_agent.agent import Agent
from kinesis_agent.checkpoint import CheckpointError
from kinesis_agent.config import Config
from kinesis_agent.config_file import ConfigError, load
from kinesis_agent.notify import notify

log = logging.getLogger(__name__)


class Service:
    """The agent as a service: SIGTERM or SIGINT end it, SIGHUP makes it read agent.json again."""

    def __init__(self, config_path: Path, state_dir: Path) -> None:
        """Read the configuration; raise ConfigError where it is not valid."""
        self._config_path, self._state_dir = config_path, state_dir
        self._next: Config | None = load(config_path)
        self._agent: Agent | None = None

    def run(self) -> None:
        """Run until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._end(None))
        signal.signal(signal.SIGHUP, lambda *_: self._reload())
        self._state_dir.mkdir(parents=True, exist_ok=True)
        lock = (self._state_dir / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CheckpointError(f"another agent runs with {self._state_dir}") from None
        while config := self._next:
            self._agent = Agent(config, self._state_dir)
            self._agent.run()

    def _reload(self) -> None:
        try:
            config = load(self._config_path)
        except ConfigError as error:
            log.error("not reloaded: %s", error)
            return
        log.info("reloading %s", self._config_path)
        notify("RELOADING=1")
        self._end(config)

    def _end(self, config: Config | None) -> None:
        self._next = config
        if self._agent:
            self._agent.stop()
