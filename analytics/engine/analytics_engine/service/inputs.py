"""Rules with all that they name from where it stands, read again when it has changed."""

import errno
import time
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from analytics_engine.errors import InputError
from analytics_engine.records import kind
from analytics_engine.rules.files import Definitions, define, sources
from analytics_engine.service.config import Config

FILE_SECONDS = 1.0
OBJECT_SECONDS = 60.0
LARGEST = 4 * 2**20
"""Bytes of a file or an object. A table takes some 60 times as much memory."""
RETRY_SECONDS = 10.0
"""Until one that could not be read is tried again: all else waits for that."""


class Inputs:
    """The rules file, and what its rules name."""

    def __init__(self, config: Config) -> None:
        self._rules = config.rules
        self._records = config.records
        self._streams = config.streams
        self._references = config.references
        self._texts: dict[str, str] = {}
        self._parsed: dict[str, str] = {}
        self._look: dict[str, float] = {}
        self._unread: dict[str, str] = {}
        self._wrong: InputError | None = None
        self._s3: Any = None

    @property
    def unread(self) -> list[str]:
        """What cannot be read now, and why; as far as it was read before, that is in force."""
        return list(self._unread.values())

    def changed(self) -> Definitions | None:
        """What is in force from now on, if that is not what it was at the last call."""
        files = self._files()
        for source in files:
            self._refresh(source, OBJECT_SECONDS if source.startswith("s3://") else FILE_SECONDS)
        if any(source not in self._texts for source in files):
            raise InputError(*self.unread)
        if self._texts != self._parsed:
            self._parsed, self._wrong = dict(self._texts), None
            try:
                return self._parse()
            except InputError as error:
                self._wrong = error
        if self._wrong is not None:
            raise self._wrong
        return None

    def look_again(self) -> None:
        """Do not wait until it is time to look."""
        self._look.clear()

    def _files(self) -> list[str]:
        """Only the kinds that a stream has: another does no harm."""
        kinds = sorted({stream.record for stream in self._streams.values()})
        return [str(self._rules), *map(self._kind, kinds), *self._references.values()]

    def _kind(self, name: str) -> str:
        return str(self._records / f"{name}.yml")

    def _parse(self) -> Definitions:
        tables = {name: self._texts[source] for name, source in self._references.items()}
        kinds = {
            name: kind.parse(self._texts[self._kind(name)], self._kind(name))
            for name in {stream.record for stream in self._streams.values()}
        }
        found = sources(self._streams, kinds)
        return define(found, self._texts[str(self._rules)], self._rules.name, tables)

    def _refresh(self, source: str, seconds: float) -> None:
        now = time.monotonic()
        if now < self._look.get(source, 0.0):
            return
        try:
            self._texts[source] = self._fetch(source)
        except (OSError, UnicodeDecodeError, BotoCoreError, ClientError) as error:
            self._unread[source] = f"{source}: {error}"
            seconds = min(seconds, RETRY_SECONDS)
        else:
            self._unread.pop(source, None)
        self._look[source] = time.monotonic() + seconds

    def _fetch(self, source: str) -> str:
        if not source.startswith("s3://"):
            with Path(source).open("rb") as file:
                return _bounded(file)
        if self._s3 is None:
            config = botocore.config.Config(
                connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 1}
            )
            self._s3 = botocore.session.Session().create_client("s3", config=config)
        bucket, _, key = source.removeprefix("s3://").partition("/")
        return _bounded(self._s3.get_object(Bucket=bucket, Key=key)["Body"])


def _bounded(body: Any) -> str:
    """All of it; OSError where that is more than anyone meant to write."""
    content = body.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"more than {LARGEST // 2**20} MiB")
    return content.decode()
