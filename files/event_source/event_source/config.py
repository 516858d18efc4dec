"""The configuration file: a JSON object, every field optional."""

from pathlib import Path

import msgspec

DEFAULT_PATH = Path("/etc/surgewatch/event_source.json")


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Where the state is kept, and how often the APIs are asked."""

    state_directory: str = "/var/lib/surgewatch/event-source"
    polls_per_second: float = 5.0
    """GetRecords calls a second, of each mapping on each shard (AWS allows a shard 5 in all)."""
    refresh_seconds: float = 2.0
    """How often mappings and shards are read again."""


class ConfigError(Exception):
    """The file cannot be used; the text says why, one fault a line."""


def load(path: Path) -> Config:
    """Read and check the file at `path`, or raise ConfigError with every fault."""
    try:
        raw = msgspec.json.decode(path.read_bytes(), type=dict[str, msgspec.Raw])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    fields = {field.name: field.type for field in msgspec.structs.fields(Config)}
    values, faults = {}, []
    for name, text in raw.items():
        try:
            values[name] = msgspec.json.decode(text, type=fields[name])
        except KeyError:
            faults.append(f"{path}: {name}: unknown field")
        except msgspec.DecodeError as error:
            faults.append(f"{path}: {name}: {error}")
    for name in ("polls_per_second", "refresh_seconds"):
        if values.get(name, 1) <= 0:
            faults.append(f"{path}: {name}: must be above 0")
    if faults:
        raise ConfigError("\n".join(faults))
    return Config(**values)
