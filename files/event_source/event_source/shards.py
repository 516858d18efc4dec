"""Which shards may be read: a child only after its parents, so that a key's records keep order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shard:
    """One shard; `start` tells it from the shard of that name in a stream made anew."""

    id: str
    start: str
    parents: tuple[str, ...]


def parse(described: dict[str, Any]) -> Shard:
    """Turn one entry of ListShards into a Shard."""
    parents = (described.get("ParentShardId"), described.get("AdjacentParentShardId"))
    start = described["SequenceNumberRange"]["StartingSequenceNumber"]
    return Shard(described["ShardId"], start, tuple(parent for parent in parents if parent))


def ready(shards: Iterable[Shard], finished: set[Shard]) -> set[Shard]:
    """The shards to read now: not finished, and no parent of theirs still listed and unfinished."""
    unfinished = set(shards) - finished
    open_ids = {shard.id for shard in unfinished}
    return {shard for shard in unfinished if open_ids.isdisjoint(shard.parents)}
