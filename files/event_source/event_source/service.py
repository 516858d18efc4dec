"""The service: keeps one runner for each enabled mapping, and the status up to date."""

import logging
from collections.abc import Callable
from pathlib import Path

from event_source import mapping, status
from event_source.aws import Aws, AwsError
from event_source.checkpoint import Checkpoints
from event_source.config import Config
from event_source.mapping import Mapping
from event_source.runner import Runner

log = logging.getLogger(__name__)


class Service:
    """All mappings of the region.

    `alive` is called at every turn of the loop; `pause` waits that many seconds and says whether to
    stop.
    """

    def __init__(
        self,
        aws: Aws,
        config: Config,
        alive: Callable[[], None],
        pause: Callable[[float], bool],
    ) -> None:
        self._aws, self._config, self._alive, self._pause = aws, config, alive, pause
        self._directory = Path(config.state_directory)
        self._checkpoints = Checkpoints(self._directory / "checkpoints.db")
        self._runners: dict[str, Runner] = {}
        self._ending: list[Runner] = []
        self._error: str | None = None
        self._unwritten = ""

    def run(self) -> None:
        """Work until `pause` says stop, then let current invocations end."""
        stop = False
        while not stop:
            try:
                self._reconcile([mapping.parse(each) for each in self._described()])
                self._note(None)
            except AwsError as error:
                self._note(f"mappings cannot be read: {error}")
            self._report()
            self._alive()
            stop = self._pause(self._config.refresh_seconds)
        for runner in self._runners.values():
            runner.stop()
        self._ending += self._runners.values()
        while self._ending:
            self._alive()
            self._ending[0].join(1)
            self._ending = [runner for runner in self._ending if runner.alive]
        self._checkpoints.close()

    def _described(self) -> list[dict]:
        return [each for each in self._aws.mappings() if mapping.is_stream(each)]

    def _reconcile(self, listed: list[Mapping]) -> None:
        """Start what is new, change what has changed, stop what is disabled or gone."""
        wanted = {each.uuid: each for each in listed if each.enabled}
        for uuid in self._runners.keys() - wanted.keys():
            log.info("mapping %s: stopped", uuid)
            runner = self._runners.pop(uuid)
            runner.stop()
            self._ending.append(runner)
        self._ending = [runner for runner in self._ending if runner.alive]
        ending = {runner.mapping.uuid for runner in self._ending}
        for uuid, each in wanted.items():
            if uuid in self._runners:
                self._runners[uuid].mapping = each
            elif uuid not in ending:
                log.info("mapping %s: %s to %s", uuid, each.stream, each.function)
                self._runners[uuid] = Runner(self._aws, self._checkpoints, self._config, each)

    def _note(self, error: str | None) -> None:
        if error and error != self._error:
            log.warning("%s", error)
        self._error = error

    def _report(self) -> None:
        mappings = [
            status.MappingStatus(
                function=runner.mapping.function.split(":")[6],
                stream=runner.mapping.stream,
                records=self._checkpoints.records(uuid),
                lag_seconds=round(runner.lag_seconds, 1),
                last_error=runner.error,
            )
            for uuid, runner in self._runners.items()
        ]
        try:
            status.write(self._directory, status.Status(mappings, self._error))
            self._unwritten = ""
        except OSError as error:  # functions are fed all the same
            if str(error) != self._unwritten:
                log.error("the status cannot be written, tried again: %s", error)
            self._unwritten = str(error)
