"""The groups of a rule and their thresholds, from its own words and the reference data."""

import math
from collections.abc import Iterator, Mapping

from analytics_engine.errors import InputError
from analytics_engine.records.document import Problem
from analytics_engine.records.kind import Source
from analytics_engine.records.values import UNKNOWN, Networks
from analytics_engine.rules.reference import References
from analytics_engine.rules.rule import Network, Percentile, Rule


def translation(rule: Rule, references: References) -> tuple[str | None, Mapping[str, str] | None]:
    """The column that a rule groups by, and the group of each of its values, if that is another."""
    if isinstance(rule.group_by, Network):
        return rule.group_by.column, Networks(rule.group_by.network)
    if rule.group_by is None or "." not in rule.group_by:
        return rule.group_by, None
    name, _, column = rule.group_by.partition(".")
    return references[name].key, references[name].groups(column)


def thresholds(rule: Rule, references: References) -> dict[str, float]:
    """Thresholds by group, UNKNOWN for those not named."""
    if isinstance(rule.threshold, Percentile):
        return {UNKNOWN: float(rule.threshold.share)}
    if not isinstance(rule.threshold, str):
        return {UNKNOWN: rule.threshold or 0}
    name, _, column = rule.threshold.partition(".")
    group = rule.group_by.partition(".")[2] if isinstance(rule.group_by, str) else None
    return references[name].thresholds(column, group or None)


def problems(rule: Rule, source: Source, references: References) -> Iterator[Problem]:
    """What a rule asks of the reference data and does not find."""
    kind, keys = source.kind, set[str]()
    for key, use in (("group_by", translation), ("threshold", thresholds)):
        named = getattr(rule, key)
        if isinstance(named, str) and "." in named:
            name = named.partition(".")[0]
            if name not in references:
                yield key, f"no reference data {name!r}"
                continue
            if (joined := references[name].key) not in kind.columns and name not in keys:
                yield key, f"{name}: its first column {joined!r} is no column of {kind.name}"
            elif key == "threshold" and "." not in str(rule.group_by) and joined != rule.group_by:
                yield (
                    key,
                    f"{name} tells thresholds by {joined}, but the groups are by {rule.group_by}:"
                    f" all would have that of '{UNKNOWN}'",
                )
            if len(set(references[name].columns)) < len(references[name].columns):
                yield key, f"{name}: two of its columns share a name"
            keys.add(name)
            try:
                values = use(rule, references)
            except InputError as error:
                yield key, str(error)
                continue
            if key == "threshold":
                for scope, value in values.items():
                    if not 0 <= value < math.inf:
                        yield (
                            key,
                            f"{name}: expected a number of 0 or more for {scope}, not {value}",
                        )
