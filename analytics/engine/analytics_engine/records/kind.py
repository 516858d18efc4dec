"""A kind of record, described as data: what stands in it, and what the rules may ask of it.

A description is a YAML file in `analytics/records/`, one a kind; README.md there says its keys.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from analytics_engine.errors import InputError
from analytics_engine.records.document import Problem, convert, mapping
from analytics_engine.records.ticks import rfc3339
from analytics_engine.records.values import LONGEST, Addresses, text
from analytics_engine.records.where import Where

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Type = Literal["text", "address", "integer", "number"]
"""A number may stand as text (so the agent's CSVTOJSON writes it); a missing value is `""`.

An address is of IP; what is none counts as `values.UNKNOWN`.
"""
Identity = tuple[Any, ...]

LONG = 512
"""Bytes of a record, beyond which its values are looked at one by one."""

RUN = "Run"
"""A column that only lines of tests have: the run of the verification that wrote them."""
LINES, SHARE, BURN = "lines", "share", "burn"
DISTINCT, HIGHEST, LOWEST = "distinct", "highest", "lowest"
MEASURES = (LINES, SHARE, BURN, DISTINCT, HIGHEST, LOWEST)
"""Those that each kind has; the last three are of a column that the rule names."""


RESERVED = ("kind", "minute", "histogram")
"""What else a measure of a minute says."""


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measure of a kind's own: how many distinct values, or the sum of columns' product."""

    unit: str
    distinct: str | None = None
    sum_product: list[str] | None = None


class Moment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The column that says when it happened, and how."""

    column: str
    format: Literal["rfc3339", "epoch_seconds", "epoch_milliseconds"] = "rfc3339"


class Mark(Where, frozen=True, forbid_unknown_fields=True):
    """What marks lines of tests; their run stands from the end of `starts_with` to `run_until`."""

    run_until: str | None = None

    def runs(self, values: Sequence[str]) -> list[str]:
        """The run of each line, given its marked column."""
        start, end = len(self.starts_with or ""), self.run_until
        runs = (value[start:].partition(end)[0] if end else value[start:] for value in values)
        return [text(run) for run in runs]


class Minutes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is counted of each minute besides the lines, under the names that measures have."""

    keys: dict[Name, str] = {}
    """Columns by whose values it is counted."""
    counts: dict[Name, Where] = {}
    """Lines that each test takes."""
    sums: dict[Name, str] = {}
    """Columns of whole numbers that are added up."""
    histogram: str | None = None
    """A column of seconds."""

    @property
    def columns(self) -> set[str]:
        """All columns that it needs."""
        tested = {where.column for where in self.counts.values()}
        return {*self.keys.values(), *self.sums.values(), *tested, *filter(None, [self.histogram])}


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of record."""

    name: Name
    columns: dict[str, Type]
    """In the order in which a log without names holds them."""
    moment: Moment
    unit: str
    """What a count of lines is a count of."""
    identity: list[str] = []
    """Columns that tell a line from all others: repeats share them, hence the moment too."""
    required: list[str] = []
    """Columns without which a record is none, besides identity and moment."""
    measures: dict[str, Measured] = {}
    top: list[str] = []
    """Columns of which an incident names the most frequent values."""
    test: Mark | None = None
    minutes: Minutes | None = None
    """None: minutes are not counted."""

    def unit_of(self, measure: str) -> str:
        """What a measure is counted in."""
        if measure in self.measures:
            return self.measures[measure].unit
        return self.unit if measure == LINES else measure

    def is_text(self, column: str) -> bool:
        """Whether its values are strings always."""
        return self.columns.get(column) in ("text", "address")

    def columns_of(self, measure: str) -> set[str]:
        """The columns that a measure is taken from."""
        own = self.measures.get(measure)
        return set() if own is None else {*(own.sum_product or ()), *filter(None, [own.distinct])}

    def decoded(self, wanted: Iterable[str]) -> list[str]:
        """The columns that a line is decoded into where the rules ask for some: in order."""
        always = {*self.identity, *self.top, *([self.test.column] if self.test else ())}
        wanted = always.union(wanted) or {self.moment.column}
        return [column for column in self.columns if column in wanted]


class Source(msgspec.Struct, frozen=True):
    """A stream that rules read, and how late a line may come on it to be counted in time."""

    kind: Kind
    lateness_ms: int


Sources = Mapping[str, Source]
"""By the name that rules give them."""


class LineType:
    """How the lines of a kind are decoded: only what is needed, as decoding costs most.

    A line has `moment` (RFC 3339 as a rule; text at least) and an attribute for each column.
    """

    def __init__(self, kind: Kind, columns: Sequence[str]) -> None:
        self.kind = kind
        required = {*kind.identity, *kind.required, kind.moment.column}
        self.columns = sorted({*columns, *kind.required} - {kind.moment.column})
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = [("moment", _moment_type(kind))]
        # Names of columns need not be Python's.
        names = {column: f"c{number}" for number, column in enumerate(self.columns)}
        for column in sorted(self.columns, key=lambda column: column not in required):
            json_type = str if kind.is_text(column) else int | float | str
            given = () if column in required else ("",)
            fields.append((names[column], json_type, *given))
        rename = {"moment": kind.moment.column} | {name: column for column, name in names.items()}
        self.struct = msgspec.defstruct("Line", fields, gc=False, rename=rename)
        names[kind.moment.column] = "moment"
        self._asked = list(columns)
        self._row = _identity([names[column] for column in columns])
        self._makers = {
            column: make
            for column in columns
            if (make := _MAKERS.get(kind.columns[column])) is not None
        }
        self.identity = _identity([names[column] for column in kind.identity])
        places = {column: place for place, column in enumerate(kind.columns)}
        self._bounded = [name for name in names.values() if name != "moment"]
        self.pick = _values([places[rename[name]] for name in self.struct.__struct_fields__])
        """Of a row with the kind's columns, the values of the struct's fields."""
        self._decode = msgspec.json.Decoder(self.struct).decode
        self._normalise = _NORMALISE.get(kind.moment.format)

    def decode(self, records: Sequence[bytes]) -> list[Any]:
        """The lines, None for a record that is none."""
        decode = self._decode
        try:
            lines = list(map(decode, records))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            lines = [self._line_or_none(record) for record in records]
        if max(map(len, records), default=0) > LONG:
            for record, line in zip(records, lines, strict=True):
                if line is not None and len(record) > LONG:
                    self._bound(line)
        return lines if self._normalise is None else self.normalised(lines)

    def _bound(self, line: Any) -> None:
        """Cut what is long: hundreds of thousands of lines are remembered."""
        for name in self._bounded:
            if type(value := getattr(line, name)) is str and len(value) > LONGEST:
                setattr(line, name, text(value))

    def normalised(self, lines: Sequence[Any]) -> list[Any]:
        """The lines with their moments as RFC 3339, None where one is no moment."""
        if self._normalise is None:
            return list(lines)
        found = []
        for line in lines:
            try:
                if line is not None:
                    line.moment = self._normalise(line.moment)
                found.append(line)
            except (ValueError, OverflowError):
                found.append(None)
        return found

    def values(self, lines: Sequence[Any]) -> dict[str, Sequence[Any]]:
        """The lines' values by column."""
        found: dict[str, Sequence[Any]] = dict(
            zip(self._asked, zip(*map(self._row, lines), strict=True), strict=True)
        )
        for column, make in self._makers.items():
            found[column] = make(found[column])
        return found

    def _line_or_none(self, record: bytes) -> Any:
        try:
            return self._decode(record)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


def _numbers(values: Sequence[Any]) -> Sequence[Any]:
    """Mostly all of them stay as they are."""
    if str not in set(map(type, values)) and min(values) >= -(2**63) and max(values) < 2**63:
        return values
    return list(map(_number_or_text, values))


def _number_or_text(value: Any) -> Any:
    """As JSON had it, but for whole numbers beyond what can be saved: no amount is one of them."""
    if type(value) is str:
        return text(value)
    return value if type(value) is float or -(2**63) <= value < 2**63 else math.inf


_ADDRESSES = Addresses()
_MAKERS: dict[Type, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "address": lambda values: list(map(_ADDRESSES.__getitem__, values)),
    "integer": _numbers,
    "number": _numbers,
}
"""What makes of values as JSON has them such that the rules can take."""


def _moment_type(kind: Kind) -> Any:
    return str if kind.moment.format == "rfc3339" else int | float | str


def _values(places: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    get = itemgetter(*places)
    return get if len(places) > 1 else lambda row: (get(row),)


def _identity(names: Sequence[str]) -> Callable[[Any], Identity] | None:
    if not names:
        return None
    get = attrgetter(*names)
    return get if len(names) > 1 else lambda line: (get(line),)


_NORMALISE: dict[str, Callable[[Any], str]] = {
    "epoch_seconds": lambda value: rfc3339(round(float(value) * 1000)),
    "epoch_milliseconds": lambda value: rfc3339(int(value)),
}


def parse(text: str, name: str) -> Kind:
    """Read a description; InputError names all that is wrong with it, by line and key."""
    kind, wrong = convert(mapping(text, name), Kind, _problems)
    if kind is None:
        raise InputError(*(f"{name}:{line}: {message}" for line, message in wrong))
    return kind


def load(folder: Path) -> dict[str, Kind]:
    """The kinds that a folder describes, by name; a file is named after its kind.

    Raises InputError, OSError.
    """
    kinds = {}
    for file in sorted(folder.glob("*.yml")):
        try:
            kind = parse(file.read_text(encoding="utf-8"), str(file))
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: {error}") from error
        if kind.name != file.stem:
            raise InputError(f"{file}: name: {kind.name!r} is described in {kind.name}.yml")
        kinds[kind.name] = kind
    return kinds


def _problems(kind: Kind) -> Iterator[Problem]:
    """What is wrong with a description whose values are each valid."""

    def unknown(key: str, columns: Iterable[str | None]) -> Iterator[Problem]:
        for column in columns:
            if column is not None and column not in kind.columns:
                yield key, f"no column {column!r}"

    if RUN in kind.columns:
        yield f"columns.{RUN}", "is the name of what `test` makes"
    yield from unknown("moment", [kind.moment.column])
    for key in ("identity", "required", "top"):
        yield from unknown(key, getattr(kind, key))
    for name, measure in kind.measures.items():
        key = f"measures.{name}"
        if name in MEASURES:
            yield key, "each kind has this measure"
        if (measure.distinct is None) == (not measure.sum_product):
            yield key, "expected one of distinct, sum_product"
        yield from unknown(key, kind.columns_of(name))
        for column in measure.sum_product or ():
            if kind.is_text(column):
                yield key, f"{column} is text, not a number"
    if kind.minutes is not None:
        yield from _uncountable(kind, kind.minutes)
    if kind.test is not None:
        yield from unknown("test", [kind.test.column])
        if kind.test.problem or kind.test.is_range:
            yield "test", kind.test.problem or "is of text, not of numbers"
        if kind.columns.get(kind.test.column, "text") != "text":
            yield "test", f"{kind.test.column} is no text"
        if kind.test.run_until and not kind.test.starts_with:
            yield "test", "run_until needs starts_with: the run stands between them"


def _uncountable(kind: Kind, minutes: Minutes) -> Iterator[Problem]:
    """What is wrong with what is to be counted of each minute."""
    names = [*minutes.keys, *minutes.counts, *minutes.sums, kind.unit, *RESERVED]
    if len(set(names)) < len(names):
        yield "minutes", f"names must differ, also from {', '.join(RESERVED)} and the unit"
    for column in sorted(minutes.columns - kind.columns.keys()):
        yield "minutes", f"no column {column!r}"
    for name, where in minutes.counts.items():
        if where.problem or (where.is_range and kind.is_text(where.column)):
            yield f"minutes.counts.{name}", where.problem or f"{where.column} is text, not a number"
    for column in filter(None, [*minutes.sums.values(), minutes.histogram]):
        if kind.is_text(column):
            yield "minutes", f"{column} is text, not a number"
