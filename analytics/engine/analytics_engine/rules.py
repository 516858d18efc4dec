"""Rules as data: YAML to `Rule`s, with every error named by line and key."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

import msgspec
import yaml

from analytics_engine.line import COLUMNS, IDENTITY, SECOND, TOP_COLUMNS

RUN = "Run"
"""A column that only verification orders have: the run of InvoiceNo `V<run>-…`."""

Name = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
Seconds = Annotated[int, msgspec.Meta(ge=1, le=900)]
Amount = Annotated[int, msgspec.Meta(ge=0)] | Annotated[float, msgspec.Meta(ge=0)]
Measure = Literal["lines", "invoices", "revenue", "share"]
UNITS: dict[Measure, str] = {
    "lines": "orders",
    "invoices": "invoices",
    "revenue": "GBP",
    "share": "share",
}


class Where(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines whose column equals a value, is one of several, or begins with one."""

    column: str
    equals: str | None = None
    one_of: list[str] | None = None
    starts_with: str | None = None


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured, and when it is said."""

    name: Name
    threshold: Amount | str
    """A number, or `<reference>.<column>`: each group's own."""
    measure: Measure = "lines"
    where: Where | None = None
    """The lines measured; for a share, the lines whose share among all is measured."""
    group_by: str | None = None
    """A column, or `<reference>.<column>`."""
    comparison: Literal["at_least", "below"] = "at_least"
    minimum_lines: Annotated[int, msgspec.Meta(ge=0)] = 0
    window_seconds: Seconds = 15
    quiet_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    reminder_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = 60
    severity: Literal["info", "warning", "critical"] = "warning"
    max_groups: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    test: bool = False
    """Whether it sees verification orders, and only them."""

    @property
    def window(self) -> int:
        return self.window_seconds * SECOND

    @property
    def quiet(self) -> int:
        return self.quiet_seconds * SECOND

    @property
    def reminder(self) -> int | None:
        return self.reminder_seconds and self.reminder_seconds * SECOND

    @property
    def references(self) -> set[str]:
        """Names of the reference data that it needs."""
        named = (self.group_by, self.threshold)
        return {name.partition(".")[0] for name in named if isinstance(name, str) and "." in name}

    @property
    def columns(self) -> set[str]:
        """Columns of the order line that it needs, but for the keys of reference data."""
        wanted = {self.where and self.where.column, self.group_by}
        if self.measure == "revenue":
            wanted |= {"Quantity", "UnitPrice"}
        return {column for column in wanted if column in COLUMNS}


class RuleError(ValueError):
    """A rules file that cannot be used; `errors` has a line for each reason."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def always(rules: list[Rule]) -> set[str]:
    """The columns that the engine decodes for these rules."""
    return {*IDENTITY, *TOP_COLUMNS}.union(*(rule.columns for rule in rules))


Problems = Callable[[Rule], Iterator[tuple[str, str]]]
"""Finds what is wrong with a rule that is valid in itself: its key, and what."""


def parse(
    text: str, name: str = "rules.yml", problems: Problems = lambda _: iter(())
) -> list[Rule]:
    """Read a rules file; RuleError names all that is wrong with it."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RuleError([f"{name}:{line}: {error.problem}"]) from error
    entries = dict(_pairs(root)).get("rules") if isinstance(root, yaml.MappingNode) else None
    if not isinstance(entries, yaml.SequenceNode) or not entries.value:
        raise RuleError([f"{name}:1: rules: expected a list of rules"])
    errors = [
        f"{name}:{key.start_mark.line + 1}: {key.value}: unknown key"
        for key, _ in root.value
        if key.value != "rules"
    ]
    rules: list[Rule] = []
    for entry in entries.value:
        rule, wrong = _rule(entry, problems)
        errors += [f"{name}:{line}: {message}" for line, message in wrong]
        if rule is not None and rule.name in {other.name for other in rules}:
            line = entry.start_mark.line + 1
            errors.append(f"{name}:{line}: name: {rule.name} is the name of an earlier rule")
        if rule is not None:
            rules.append(rule)
    if errors:
        raise RuleError(errors)
    return rules


Wrong = list[tuple[int, str]]


def _rule(entry: yaml.Node, problems: Problems) -> tuple[Rule | None, Wrong]:
    here = entry.start_mark.line + 1
    if not isinstance(entry, yaml.MappingNode):
        return None, [(here, "expected a rule: keys and values")]
    fields = {field.name: field for field in msgspec.structs.fields(Rule)}
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    wrong: Wrong = []
    for key, node in _pairs(entry):
        line = node.start_mark.line + 1
        if key not in fields:
            wrong.append((line, f"{key}: unknown key (known: {', '.join(fields)})"))
        elif key in values:
            wrong.append((line, f"{key}: given twice"))
        lines[key] = line
        values[key] = _value(node)
    for key, field in fields.items():
        if key not in values:
            if field.required:
                wrong.append((here, f"{key}: missing"))
            continue
        try:
            msgspec.convert(values[key], field.type)
        except msgspec.ValidationError as error:
            wrong.append((lines[key], f"{key}: {error}"))
    # A key that is unknown or stands there twice leaves a rule to look at, what is invalid none.
    known = {key: value for key, value in values.items() if key in fields}
    try:
        rule = msgspec.convert(known, Rule)
    except msgspec.ValidationError:
        return None, wrong
    found = [*_senseless(rule), *problems(rule)]
    wrong += [(lines.get(key, here), f"{key}: {message}") for key, message in found]
    return (None if wrong else rule), sorted(wrong)


def _senseless(rule: Rule) -> Iterator[tuple[str, str]]:
    """Keys whose values are each valid but make no rule together."""
    if rule.where is not None:
        if rule.where.column not in COLUMNS:
            yield "where", f"no column {rule.where.column!r}"
        tests = (rule.where.equals, rule.where.one_of, rule.where.starts_with)
        if sum(test is not None for test in tests) != 1:
            yield "where", "expected one of equals, one_of, starts_with"
    if rule.measure == "share" and rule.where is None:
        yield "measure", "a share needs 'where': the lines whose share is measured"
    group = rule.group_by
    if group is not None and group not in COLUMNS and "." not in group:
        if group != RUN:
            yield "group_by", f"{group!r} is neither a column nor <reference>.<column>"
        elif not rule.test:
            yield "group_by", f"{RUN} is a column of verification orders: needs 'test: true'"
    if isinstance(rule.threshold, str):
        if "." not in rule.threshold:
            yield "threshold", "expected a number or <reference>.<column>"
        elif group is None:
            yield "threshold", "thresholds from reference data need 'group_by'"
        elif "." in group and group.partition(".")[0] != rule.threshold.partition(".")[0]:
            yield "threshold", "must come from the reference data that 'group_by' names"


def _pairs(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in node.value:
        yield str(key.value), value


def _value(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()
