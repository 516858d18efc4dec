"""The engine's configuration: where things are. What is measured stands in the rules."""

from pathlib import Path
from typing import Annotated

import msgspec

from analytics_engine.errors import ConfigError
from analytics_engine.records.kind import Name
from analytics_engine.rules.files import Stream


class InputStream(Stream, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stream that rules read."""

    name: str
    """What Kinesis calls it."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `/etc/surgewatch/analytics.json` holds."""

    streams: dict[Name, InputStream]
    """By the name that rules give as their `source`."""
    alarms_stream: str
    rules: Path
    records: Path
    """The folder of the kinds of records."""
    state_directory: Path
    references: dict[str, str] = {}
    """Reference data by name: a file, or `s3://bucket/key`."""
    polls_per_second: Annotated[float, msgspec.Meta(gt=0, le=20)] = 3
    """Reads a second and shard. AWS allows 5 to all readers of a shard together."""
    metrics_namespace: str | None = None
    """CloudWatch namespace to put metrics under; none are put where it is null."""
    measures_stream: str | None = None
    """Takes what each minute amounts to; null: minutes are not counted."""


def load(path: Path) -> Config:
    """Read the file; ConfigError says what is wrong with it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Config, dec_hook=_path)
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _path(_: type, text: str) -> Path:
    return Path(text)
