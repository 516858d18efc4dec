"""What becomes of a batch after an invocation: kept, split, tried again or given up. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from event_source.event import Record
from event_source.mapping import Mapping
from event_source.response import Verdict


@dataclass(frozen=True)
class Part:
    """Records handed over together, and how often they failed since they were last split."""

    records: Sequence[Record]
    failures: int = 0


@dataclass(frozen=True)
class Settled:
    """The part's first records are done, the next given up, the rest is left to do, in order."""

    done: int
    given_up: Sequence[Record] = ()
    left: list[Part] = field(default_factory=list)


def settle(part: Part, verdict: Verdict, mapping: Mapping) -> Settled:
    """Apply the mapping's rules to what the function answered.

    A split is not counted as a retry. Where the function named the record that failed, that record
    is split off alone; otherwise the part is halved.
    """
    rest = part.records[verdict.done :]
    if not rest:
        return Settled(verdict.done)
    if mapping.bisect and len(rest) > 1:
        cut = 1 if verdict.named else len(rest) // 2
        return Settled(verdict.done, left=[Part(rest[:cut]), Part(rest[cut:])])
    failures = 1 if verdict.done else part.failures + 1
    if 0 <= mapping.max_retries < failures:
        return Settled(verdict.done, given_up=rest)
    return Settled(verdict.done, left=[Part(rest, failures)])


def expired(records: Sequence[Record], max_age_seconds: int, now: float) -> int:
    """How many of the first records are older than the mapping allows (-1: any age is allowed)."""
    if max_age_seconds < 0:
        return 0
    oldest = now - max_age_seconds
    return next((i for i, record in enumerate(records) if record.arrival >= oldest), len(records))
