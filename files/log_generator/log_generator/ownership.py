"""Which slices a host owns, and how they change hands.

A slice has one owner. It is released with its position, which the giver keeps; taken at that
position by another host; then forgotten by the giver. Each step is whole in the state on the disk
before it is answered, and may be repeated.
"""

from typing import NamedTuple

import msgspec

from log_generator import replay, slices
from log_generator.replay import Position


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a host is asked to do with slices; they are written as `slices.render` does."""

    release: str = ""
    take: dict[str, Position] = {}
    dataset: str = ""
    """Which data set (its content's SHA-256) the positions to take are of."""
    elapsed: float = 0.0
    """How far the schedule of the giver is, for a taker that has none of its own yet."""
    forget: str = ""


class Ownership(NamedTuple):
    owned: frozenset[int]
    positions: dict[int, Position]
    """Of the owned slices, and of those that were released and not forgotten."""


def apply(current: Ownership, change: Change, dataset: str) -> Ownership:
    """What a host that replays `dataset` owns after the change; ValueError where it says no slices.

    A slice that is owned already is not taken again, and none is taken further back than where
    this host left it. In another data set a slice begins a pass, so that no invoice comes twice.
    """
    owned, positions = set(current.owned), dict(current.positions)
    owned -= slices.parse(change.release)
    for number, (turn, row) in replay.unpack(change.take).items():
        if number not in owned:
            given = (turn, row) if change.dataset in ("", dataset) else (turn + 1, 0)
            positions[number] = max(given, positions.get(number, given))
            owned.add(number)
    for number in slices.parse(change.forget) - owned:
        positions.pop(number, None)
    return Ownership(frozenset(owned), positions)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a host says of its slices."""

    slices: str
    positions: dict[str, Position]
    released: dict[str, Position]
    dataset: str
    elapsed: float


def describe(current: Ownership, dataset: str, elapsed: float) -> Answer:
    return Answer(
        slices=slices.render(current.owned),
        positions=replay.pack({n: p for n, p in current.positions.items() if n in current.owned}),
        released=replay.pack(
            {n: p for n, p in current.positions.items() if n not in current.owned}
        ),
        dataset=dataset,
        elapsed=elapsed,
    )
