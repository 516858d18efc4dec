"""Rules with all that they name, from files: kinds of records, streams and reference data."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import yaml

from analytics_engine.errors import InputError
from analytics_engine.records import kind
from analytics_engine.records.kind import Kind, Name, Source, Sources
from analytics_engine.rules import firing, grouping
from analytics_engine.rules.reference import Reference, References
from analytics_engine.rules.rule import Rule, parse

HOME = next(
    (path for path in (Path(__file__).parents[3],) if (path / "rules.yml").exists()),
    Path("/etc/surgewatch/analytics"),
)
"""Rules, records and reference data: the project's own, or the host's."""
STREAMS = next(
    (path for path in (HOME.parent / "inventory" / "stack.yml",) if path.exists()),
    HOME / "streams.json",
)
"""Which streams there are."""


class Stream(msgspec.Struct, frozen=True):
    """What the engine must know of a stream that rules read; its name there is its source's."""

    record: Name
    """The kind of record on it."""
    lateness_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)]
    """How late a line may come to be counted in time."""


class Definitions(NamedTuple):
    """All that decides which alarms a stream gives."""

    sources: Sources
    rules: list[Rule]
    references: References

    def of(self, source: str) -> tuple[Source, list[Rule], References]:
        """What concerns one stream."""
        rules = [rule for rule in self.rules if rule.source == source]
        return self.sources[source], rules, self.references


def load(
    rules: Path,
    references: Path | None = None,
    records: Path | None = None,
    streams: Path | None = None,
) -> Definitions:
    """From files and folders; those not given stand where the project, or a host, has them.

    Raises InputError.
    """
    try:
        kinds = kind.load(records or HOME / "records")
        found = sources(_streams(streams or STREAMS), kinds)
        folder = references or rules.parent / "reference"
        tables = {file.stem: _text(file) for file in sorted(folder.glob("*.csv"))}
        text = _text(rules)
    except OSError as error:
        raise InputError(str(error)) from error
    return define(found, text, str(rules), tables)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: is not UTF-8: {error.reason} at byte {error.start}") from error


def define(sources: Sources, text: str, name: str, tables: Mapping[str, str]) -> Definitions:
    """From texts: a rules file, and tables by name. Raises InputError."""
    references, errors = {}, []
    for table, content in tables.items():
        try:
            references[table] = Reference(content, table)
        except InputError as error:
            errors += error.errors
    if errors:
        raise InputError(*errors)
    rules = parse(
        text,
        name,
        sources,
        lambda rule, source: grouping.problems(rule, source, references),
        lambda rule, source: firing.problems(rule, source.kind, references),
    )
    return Definitions(sources, rules, references)


def sources(streams: Mapping[str, Stream], kinds: Mapping[str, Kind]) -> dict[str, Source]:
    """The streams with what stands on them. Raises InputError."""
    unknown = [
        f"{name}: no kind of record {stream.record!r} is described (known: {', '.join(kinds)})"
        for name, stream in streams.items()
        if stream.record not in kinds
    ]
    if unknown:
        raise InputError(*unknown)
    return {
        name: Source(kinds[stream.record], stream.lateness_ms) for name, stream in streams.items()
    }


def _streams(file: Path) -> dict[str, Stream]:
    """Those that rules read, which say how late lines may come: a host's, or the inventory's."""
    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        entries = found.get("streams") or found["surgewatch_streams"]
        read = {name: entry for name, entry in entries.items() if "lateness_ms" in entry}
        return msgspec.convert(read, dict[Name, Stream])
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, msgspec.ValidationError) as error:
        raise InputError(f"{file}: no streams: {error}") from error
