"""The configuration file: one JSON object."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from log_generator.errors import ConfigError

DEFAULT_PATH = Path("/etc/surgewatch/log_generator.json")


class Surge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pace times `factor`, `duration` seconds long, from `start` on; again `every` so often."""

    start: float
    duration: float
    factor: float
    every: float | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dataset: Path
    dataset_sha256: str | None = None
    log: Path = Path("/var/log/surgewatch/orders.log")
    state_directory: Path = Path("/var/lib/surgewatch/log-generator")
    format: Literal["csv", "tsv"] = "csv"
    seed: int = 1
    pace: Literal["constant", "poisson", "recorded"] = "constant"
    lines_per_second: float = 1.0
    recorded_speed: float = 60.0
    surges: tuple[Surge, ...] = ()
    min_free_mb: int = 256
    shop: Path | None = None
    """The unix socket of the HTTP server where orders are placed; none to write without one."""
    views_per_order: int = 4
    views_per_second: float = 20.0
    """At most, however fast the orders come."""


def load(path: Path) -> Config:
    """Read and validate a configuration; ConfigError names everything that is wrong with it."""
    try:
        config = msgspec.json.decode(path.read_bytes(), type=Config, dec_hook=_decode)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    if wrong := problems(config):
        raise ConfigError("\n".join(f"{path}: {problem}" for problem in wrong))
    return config


def _decode(kind: type, value: Any) -> Any:
    return kind(value)  # the one type that msgspec does not know is Path


def problems(config: Config) -> list[str]:
    found = [
        f"{name}: must be an absolute path, not {str(path)!r}"
        for name in ("dataset", "log", "state_directory", "shop")
        if (path := getattr(config, name)) and not path.is_absolute()
    ]
    for name in ("lines_per_second", "recorded_speed", "views_per_second"):
        if not 0 < (value := getattr(config, name)) < float("inf"):
            found.append(f"{name}: must be more than 0, not {value:g}")
    for name in ("min_free_mb", "views_per_order"):
        if (number := getattr(config, name)) < 0:
            found.append(f"{name}: must be at least 0, not {number}")
    for number, surge in enumerate(config.surges):
        place = f"surges[{number}]"
        if surge.start < 0:
            found.append(f"{place}.start: must be at least 0, not {surge.start:g}")
        if surge.duration <= 0:
            found.append(f"{place}.duration: must be more than 0, not {surge.duration:g}")
        if surge.factor < 0:
            found.append(f"{place}.factor: must be at least 0, not {surge.factor:g}")
        if surge.every is not None and surge.every <= surge.duration:
            found.append(f"{place}.every: must be more than the duration, or it never ends")
    return found
