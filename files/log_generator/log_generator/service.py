"""The process: one generator for a state directory, until it is told to stop."""

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from python_service.notify import notify

from log_generator import control, dataset, prepared
from log_generator.checkout import Checkout
from log_generator.config import Config
from log_generator.control import Control
from log_generator.errors import ConfigError, DatasetError
from log_generator.generator import Generator
from log_generator.ownership import Answer, Change

_PATIENCE = 30.0
SIGN_OF_LIFE_EVERY = 5.0  # the unit's WatchdogSec is a multiple of it

logger = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Write order lines until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config.state_directory.mkdir(parents=True, exist_ok=True)
    with _lock(config.state_directory, _PATIENCE) as alone:
        if not alone:
            raise ConfigError(f"{config.state_directory}: another log-generator is running there")
        generator = _make(config, _checkout(config))
        requests = Control(config.state_directory)
        notify("READY=1")
        try:
            next_sign = 0.0
            while not stop.is_set():
                requests.serve(generator.change, generator.step())
                if time.monotonic() >= next_sign:
                    notify("WATCHDOG=1")
                    next_sign = time.monotonic() + SIGN_OF_LIFE_EVERY
        finally:
            notify("STOPPING=1")
            generator.stop()
            requests.close()


def change(config: Config, asked: Change) -> Answer:
    """Have the slices changed, by the generator that runs or, where none does, without it."""

    @contextlib.contextmanager
    def alone() -> Iterator[control.Handler | None]:
        with _lock(config.state_directory) as locked:
            if not locked:
                yield None
                return
            generator = _make(config)
            yield generator.change
            generator.stop()

    return control.ask(config.state_directory, asked, alone)


def _checkout(config: Config) -> Checkout | None:
    if not config.shop:
        return None
    return Checkout(config.shop, config.format, config.views_per_order, config.views_per_second)


def _make(config: Config, checkout: Checkout | None = None) -> Generator:
    source = dataset.sha256(config.dataset)
    if config.dataset_sha256 not in (None, source):
        raise DatasetError(f"{config.dataset}: its SHA-256 is {source}")
    rows = prepared.prepare(config.dataset, source, config.state_directory, config.format)
    logger.info("the data set has %d rows", rows.header.rows)
    return Generator(config, rows, checkout=checkout)


@contextlib.contextmanager
def _lock(directory: Path, patience: float = 0.0) -> Iterator[bool]:
    """Whether this process is alone with the state directory, for as long as that lasts.

    For a change of slices that is being made there it waits, but not for another generator.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience
    try:
        while not (alone := _try_lock(descriptor)):
            if time.monotonic() >= until or control.is_served(directory):
                break
            time.sleep(0.05)
        yield alone
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
