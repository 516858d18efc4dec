"""The groups of a rule and their thresholds, from its own words and the reference data."""

from collections.abc import Iterator

from analytics_engine.reference import UNKNOWN, BadReference, References
from analytics_engine.rules import Rule


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


def problems(rule: Rule, references: References) -> Iterator[tuple[str, str]]:
    """What a rule asks of the reference data and does not find: the rule's key, and what."""
    for key, use in (("group_by", translation), ("threshold", thresholds)):
        named = getattr(rule, key)
        if isinstance(named, str) and "." in named:
            name = named.partition(".")[0]
            if name not in references:
                yield key, f"no reference data {name!r}"
                continue
            try:
                use(rule, references)
            except BadReference as error:
                yield key, str(error)
