"""What the engine of a stream has counted, and all that it must remember but for the history."""

import msgspec

from analytics_engine.evaluation.tracker import State
from analytics_engine.records.kind import Kind
from analytics_engine.rules.rule import Rule


class Counts(msgspec.Struct):
    """What has been seen since the first record."""

    records_read: int = 0
    unreadable: int = 0
    lines_counted: int = 0
    of_tests: int = 0
    """Of these, lines of tests."""
    repeated: int = 0
    late: int = 0
    too_late: int = 0
    ahead: int = 0
    unexpected: int = 0
    """Lines of an arrival up to which their shard had been taken as read."""
    in_other: int = 0
    """Lines of groups that were one too many, over all rules."""
    alarms: int = 0


class Snapshot(msgspec.Struct):
    """Save it together with the history."""

    decided: int = 0
    shards: dict[str, tuple[str | None, int]] = {}
    """Position (the last record that has been counted) and arrival there, in milliseconds."""
    kind: Kind | None = None
    """None: what the stream holds now, it held before."""
    rules: list[Rule] = []
    references: dict[str, str] = {}
    states: dict[str, State] = {}
    """What each rule must remember, by its name."""
    counts: Counts = msgspec.field(default_factory=Counts)
