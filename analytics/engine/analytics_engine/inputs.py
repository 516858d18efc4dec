"""Rules and reference data from where they stand, read again when they have changed."""

import time
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
from botocore.exceptions import BotoCoreError, ClientError

from analytics_engine.config import Config
from analytics_engine.grouping import problems
from analytics_engine.reference import BadReference, Reference, References
from analytics_engine.rules import Rule, RuleError, parse

FILE_SECONDS = 1.0
OBJECT_SECONDS = 60.0


class InputError(ValueError):
    """What is there cannot be used; what was in force stays so."""


def load(rules: Path, folder: Path | None = None) -> tuple[list[Rule], References]:
    """Rules from a file, reference data from a folder (default: `reference` beside it)."""
    try:
        tables = {
            file.stem: file.read_text(encoding="utf-8")
            for file in sorted((folder or rules.parent / "reference").glob("*.csv"))
        }
        return _parsed(rules.read_text(encoding="utf-8"), str(rules), tables)
    except (OSError, UnicodeDecodeError, RuleError, BadReference) as error:
        raise InputError(str(error)) from error


def _parsed(text: str, name: str, tables: dict[str, str]) -> tuple[list[Rule], References]:
    references = {table: Reference(content, table) for table, content in tables.items()}
    return parse(text, name, lambda rule: problems(rule, references)), references


class Inputs:
    """The rules file and the reference data that it names."""

    def __init__(self, config: Config) -> None:
        self._rules = config.rules
        self._sources = config.references
        self._texts: dict[str, str] = {}
        self._look: dict[str, float] = {}
        self._wrong: InputError | None = None
        self._s3: Any = None

    def changed(self) -> tuple[list[Rule], References] | None:
        """What is in force from now on, if that is not what it was at the last call."""
        seen = dict(self._texts)
        self._refresh(str(self._rules), FILE_SECONDS)
        for source in self._sources.values():
            self._refresh(source, OBJECT_SECONDS if source.startswith("s3://") else FILE_SECONDS)
        if self._texts != seen:
            self._wrong = None
            try:
                return self._parse()
            except (RuleError, BadReference) as error:
                self._wrong = InputError(str(error))
        if self._wrong is not None:
            raise self._wrong
        return None

    def look_again(self) -> None:
        """Do not wait until it is time to look."""
        self._look.clear()

    def _parse(self) -> tuple[list[Rule], References]:
        tables = {name: self._texts[source] for name, source in self._sources.items()}
        return _parsed(self._texts[str(self._rules)], self._rules.name, tables)

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
