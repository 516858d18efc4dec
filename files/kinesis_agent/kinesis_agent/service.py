"""The agent as a service, which signals end or make read its configuration again."""

import logging
import signal
from pathlib import Path

from python_service.notify import notify

from kinesis_agent.agent import Agent
from kinesis_agent.config import Config
from kinesis_agent.config_file import ConfigError, load
from kinesis_agent.lock import hold

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
        in_force: Config | None = None
        with hold(self._state_dir / "lock", self._state_dir):
            while config := self._next:
                try:
                    self._agent = Agent(config, self._state_dir)
                    if self._next is not config:
                        self._agent.stop()  # told so while there was none yet
                    self._agent.start()
                except Exception as error:  # whatever it is, what worked before goes on
                    if in_force is None or config is in_force:
                        raise
                    log.error("not reloaded, the configuration before is in force: %s", error)
                    if self._next is config:
                        self._next = in_force
                    continue
                in_force = config
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
