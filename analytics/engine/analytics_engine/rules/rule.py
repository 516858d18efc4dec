"""Rules as data: YAML to `Rule`s, with every error named by line and key."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Annotated, Literal

import msgspec
import yaml

from analytics_engine.errors import InputError
from analytics_engine.records.document import (
    Problem,
    Wrong,
    convert,
    entries,
    mapping,
    misread,
    pairs,
)
from analytics_engine.records.kind import (
    BURN,
    DISTINCT,
    HIGHEST,
    LINES,
    LOWEST,
    MEASURES,
    RUN,
    SHARE,
    Kind,
    Name,
    Source,
    Sources,
)
from analytics_engine.records.ticks import SECOND
from analytics_engine.records.where import Conditions, each
from analytics_engine.rules.burn import PAIRS, unreachable

Seconds = Annotated[int, msgspec.Meta(ge=1, le=900)]
Amount = (
    Annotated[int, msgspec.Meta(ge=0, le=10**15)] | Annotated[float, msgspec.Meta(ge=0, le=1e15)]
)
AT_LEAST, BELOW = "at_least", "below"


class Percentile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The threshold that a percentile (nearest rank) passes where `where` takes its line.

    Of the lines that count, more than `share` are taken then: that is what is counted.
    """

    percentile: Annotated[float, msgspec.Meta(gt=0, lt=100)]

    @property
    def share(self) -> Fraction:
        return 1 - Fraction(str(self.percentile)) / 100


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Groups of addresses by the network that they are in."""

    column: str
    network: tuple[
        Annotated[int, msgspec.Meta(ge=1, le=32)], Annotated[int, msgspec.Meta(ge=1, le=128)]
    ]
    """How long its prefix is: of IPv4, and of IPv6."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured, and when it is said."""

    name: Name
    threshold: Amount | str | Percentile | None = None
    """A number, or `<reference>.<column>`: each group's own; of a share also a percentile. None for
    a burn rate, which has those of `burn.PAIRS`."""
    source: Name = "orders"
    """The stream of whose lines it is."""
    measure: str = LINES
    """One of MEASURES, or one of the kind of record that stands on the stream."""
    column: str | None = None
    """Of `distinct`, `highest` and `lowest`: what they are taken of."""
    where: Conditions = None
    """The lines measured; for a share, the lines whose share among all that count is measured, and
    for a burn rate the bad ones."""
    among: Conditions = None
    """The lines that count at all."""
    group_by: str | Network | None = None
    """A column, `<reference>.<column>`, or the network of a column's addresses."""
    comparison: Literal["at_least", "below"] = AT_LEAST
    minimum_lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    objective: Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    """Of a burn rate: the share of the lines that count that is to be good."""
    minimum_bad: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Of a burn rate: fewer bad lines in the long window are no reason to wake anyone."""
    window_seconds: Seconds = 15
    quiet_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    reminder_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = 60
    severity: Literal["info", "warning", "critical"] = "warning"
    max_groups: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    test: bool = False
    """Whether it sees the lines of tests, and only them."""

    @property
    def window(self) -> int:
        """Ticks of the history that what is measured is of; a burn rate's windows are longer."""
        seconds = PAIRS[0].short if self.measure == BURN else self.window_seconds
        return seconds * SECOND

    @property
    def quiet(self) -> int:
        """Ticks."""
        return self.quiet_seconds * SECOND

    @property
    def reminder(self) -> int | None:
        """Ticks."""
        return self.reminder_seconds and self.reminder_seconds * SECOND

    def unit(self, kind: Kind) -> str:
        """What is measured is counted in."""
        return self.column or kind.unit_of(self.measure)

    @property
    def references(self) -> set[str]:
        """Names of the reference data that it needs."""
        named = (self.group_by, self.threshold)
        return {name.partition(".")[0] for name in named if isinstance(name, str) and "." in name}

    def columns(self, kind: Kind) -> set[str]:
        """Columns of a line that it needs, but for the keys of reference data."""
        tested = {condition.column for condition in (*each(self.where), *each(self.among))}
        group = self.group_by.column if isinstance(self.group_by, Network) else self.group_by
        wanted = {self.column, group, *tested, *kind.columns_of(self.measure)}
        return {column for column in wanted if column in kind.columns}


Problems = Callable[[Rule, Source], Iterator[Problem]]
"""Finds what is wrong with a rule whose values are each valid."""


def parse(text: str, name: str, sources: Sources, *problems: Problems) -> list[Rule]:
    """Read a rules file; InputError names all that is wrong with it.

    `problems` are asked in order, until one has found something in the rule.
    """
    root = mapping(text, name)
    nodes = entries(root, "rules", name)  # an empty list says that there are none
    errors = [
        f"{name}:{value.start_mark.line + 1}: {key}: unknown key (known: rules)"
        for key, value in pairs(root)
        if key != "rules"
    ]

    def all_problems(rule: Rule) -> Iterator[Problem]:
        source = sources.get(rule.source)
        if source is None:
            known = ", ".join(sources)
            yield "source", f"surgewatch_streams has no {rule.source!r} that rules read ({known})"
            return
        for find in (_senseless, *problems):
            found = list(find(rule, source))
            yield from found
            if found:
                return

    rules: list[Rule] = []
    lines: dict[str, int] = {}
    wrong: list[Wrong] = []
    for entry in nodes:
        rule, found = convert(entry, Rule, all_problems, _required(entry))
        wrong += found
        if rule is None:
            continue
        line = entry.start_mark.line + 1
        if rule.name in lines:
            wrong.append(Wrong(line, f"name: {rule.name} is the name of an earlier rule"))
        lines[rule.name] = line
        rules.append(rule)
    errors += [f"{name}:{line}: {message}" for line, message in wrong]
    if errors:
        raise InputError(*errors)
    return rules


def _required(entry: yaml.Node) -> tuple[str, ...]:
    """All rules but those of burn rates have a threshold."""
    given = dict(pairs(entry)) if isinstance(entry, yaml.MappingNode) else {}
    is_burn = "measure" in given and given["measure"].value == BURN
    return () if is_burn else ("threshold",)


def _senseless_burn(rule: Rule) -> Iterator[Problem]:
    if rule.where is None:
        yield "measure", "a burn rate needs 'where': the lines that are bad"
    for key in ("threshold", "comparison", "minimum_lines", "window_seconds", "severity"):
        if getattr(rule, key) != getattr(Rule(rule.name), key):
            yield key, "is not for a burn rate, whose pairs of windows say it"
    if rule.objective is None:
        yield "measure", "a burn rate needs 'objective': the share that is to be good, e.g. 0.999"
    elif never := unreachable(rule.objective):
        least = 1 - 1 / never[0].factor
        yield (
            "objective",
            f"though all were bad, the budget of {rule.objective:g} would not burn"
            f" {float(never[0].factor):g} times as fast: expected {float(least):.3g} or more",
        )


def _senseless(rule: Rule, source: Source) -> Iterator[Problem]:
    """Keys whose values are each valid but make no rule together."""
    kind = source.kind
    columns = f"(columns of {kind.name}: {', '.join(kind.columns)})"
    measures = [*MEASURES, *kind.measures]
    if rule.measure not in measures:
        yield "measure", f"no measure {rule.measure!r} (known: {', '.join(measures)})"
    for key in ("where", "among"):
        if getattr(rule, key) == []:
            yield key, "expected a condition, or a list of them"
        for condition in each(getattr(rule, key)):
            if condition.column not in kind.columns:
                yield key, f"no column {condition.column!r} {columns}"
            elif condition.is_range and kind.is_text(condition.column):
                yield key, f"{condition.column} is text, not a number"
            if condition.problem:
                yield key, condition.problem
    if rule.measure == SHARE and rule.where is None:
        yield "measure", "a share needs 'where': the lines whose share is measured"
    if rule.measure == BURN:
        yield from _senseless_burn(rule)
    else:
        for key in ("objective", "minimum_bad"):
            if getattr(rule, key) != getattr(Rule(rule.name), key):
                yield key, "is for the measure burn"
    if (rule.measure in (DISTINCT, HIGHEST, LOWEST)) != (rule.column is not None):
        yield "column", "is for the measures distinct, highest and lowest, which need it"
    elif rule.column is not None and rule.column not in kind.columns:
        yield "column", f"no column {rule.column!r} {columns}"
    elif rule.measure in (HIGHEST, LOWEST) and kind.is_text(str(rule.column)):
        yield "column", f"{rule.column} is text, not a number"
    if rule.test and kind.test is None:
        yield "test", f"nothing marks a test in a record of the kind {kind.name}"
    group = rule.group_by
    if isinstance(group, Network):
        if group.column not in kind.columns:
            yield "group_by", f"no column {group.column!r} {columns}"
        elif kind.columns[group.column] != "address":
            yield "group_by", f"{group.column} holds no addresses: it has no networks"
    elif group is not None and group not in kind.columns and "." not in group:
        if group != RUN or kind.test is None or kind.test.starts_with is None:
            yield "group_by", f"{group!r} is neither a column nor <reference>.<column> {columns}"
        elif not rule.test:
            yield "group_by", f"{RUN} is a column of tests: needs 'test: true'"
    if isinstance(rule.threshold, Percentile):
        if rule.measure != SHARE or rule.comparison == BELOW:
            yield "threshold", "a percentile is of a share, and at least: it says which share"
    elif isinstance(rule.threshold, str):
        if message := misread(rule.threshold):
            yield "threshold", message
        elif "." not in rule.threshold:
            yield "threshold", "expected a number or <reference>.<column>"
        elif group is None or isinstance(group, Network):
            yield "threshold", "thresholds from reference data need 'group_by' a column or table"
        elif "." in group and group.partition(".")[0] != rule.threshold.partition(".")[0]:
            yield "threshold", "must come from the reference data that 'group_by' names"
