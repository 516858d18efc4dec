"""The groups of a rule and their thresholds, from its own words and the reference data."""

from collections.abc import Iterable

from analytics_engine.reference import UNKNOWN, References
from analytics_engine.rules import Rule, RuleError


def translation(rule: Rule, references: References) -> tuple[str | None, dict[str, str] | None]:
    """The column that a rule groups by, and what its values are translated to, if they are."""
    if rule.group_by is None or "." not in rule.group_by:
        return rule.group_by, None
    name, _, column = rule.group_by.partition(".")
    return references[name].key, references[name].groups(column)


def thresholds(rule: Rule, references: References) -> dict[str, float]:
    """Thresholds by group, UNKNOWN for those not named."""
    if not isinstance(rule.threshold, str):
        return {UNKNOWN: rule.threshold}
    name, _, column = rule.threshold.partition(".")
    group = rule.group_by and rule.group_by.partition(".")[2]
    return references[name].thresholds(column, group or None)


def check(rules: Iterable[Rule], references: References) -> None:
    """RuleError or BadReference where a rule asks for reference data that is not there."""
    errors = []
    for rule in rules:
        missing = rule.references - references.keys()
        errors += [f"{rule.name}: no reference data {name!r}" for name in sorted(missing)]
        if not missing:
            translation(rule, references)
            thresholds(rule, references)
    if errors:
        raise RuleError(errors)
