"""Rules with all that they name from where it stands, read again when it has changed."""

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


class Inputs:
    """The rules file, and what its rules name."""

    def __init__(self, config: Config) -> None:
        self._rules = config.rules
        self._records = config.records
        self._streams = config.streams
        self._references = config.references
        self._texts: dict[str, str] = {}
        self._look: dict[str, float] = {}
        self._wrong: InputError | None = None
        self._s3: Any = None

    def changed(self) -> Definitions | None:
        """What is in force from now on, if that is not what it was at the last call."""
        seen = dict(self._texts)
        for source in self._files():
            self._refresh(source, OBJECT_SECONDS if source.startswith("s3://") else FILE_SECONDS)
        if self._texts != seen:
            self._wrong = None
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
        self._look[source] = now + seconds
        try:
            self._texts[source] = self._fetch(source)
        except (OSError, UnicodeDecodeError, BotoCoreError, ClientError) as error:
            self._look[source] = now + FILE_SECONDS
            if source not in self._texts:
                raise InputError(f"{source}: {error}") from error

    def _fetch(self, source: str) -> str:
        if not source.startswith("s3://"):
            return Path(source).read_text(encoding="utf-8")
        if self._s3 is None:
            config = botocore.config.Config(connect_timeout=5, read_timeout=10)
            self._s3 = botocore.session.Session().create_client("s3", config=config)
        bucket, _, key = source.removeprefix("s3://").partition("/")
        return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
