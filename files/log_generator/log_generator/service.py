"""The process: one generator for a state directory, until it is told to stop."""

import fcntl
import logging
import os
import signal
import threading
import time
from pathlib import Path

from log_generator import dataset, prepared
from log_generator.config import Config
from log_generator.errors import ConfigError, DatasetError
from log_generator.generator import Generator
from log_generator.notify import notify

SIGN_OF_LIFE_EVERY = 5.0  # the unit's WatchdogSec is a multiple of it

logger = logging.getLogger(__name__)


def run(config: Config) -> None:
    """Write order lines until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config.state_directory.mkdir(parents=True, exist_ok=True)
    lock = _lock(config.state_directory)
    source = dataset.sha256(config.dataset)
    if config.dataset_sha256 not in (None, source):
        raise DatasetError(f"{config.dataset}: its SHA-256 is {source}")
    rows = prepared.prepare(config.dataset, source, config.state_directory, config.format)
    generator = Generator(config, rows)
    logger.info("replaying %d rows, slices %s", rows.header.rows, config.slices)
    notify("READY=1")
    try:
        next_sign = 0.0
        while not stop.wait(generator.step()):
            if time.monotonic() >= next_sign:
                notify("WATCHDOG=1")
                next_sign = time.monotonic() + SIGN_OF_LIFE_EVERY
    finally:
        notify("STOPPING=1")
        generator.stop()
        os.close(lock)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(f"{directory}: another log-generator is running there") from None
    return descriptor
