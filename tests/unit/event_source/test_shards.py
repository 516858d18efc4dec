"""Children wait for their parents."""

from event_source.shards import Shard, parse, ready

PARENT = Shard("shardId-000000000000", "s0", ())
OTHER = Shard("shardId-000000000001", "s1", ())
LEFT = Shard("shardId-000000000002", "s2", (PARENT.id,))
MERGED = Shard("shardId-000000000004", "s4", (LEFT.id, OTHER.id))
ALL = [PARENT, OTHER, LEFT, MERGED]


def test_a_shard_is_read_once_its_parents_are_finished():
    assert ready(ALL, set()) == {PARENT, OTHER}
    assert ready(ALL, {PARENT}) == {OTHER, LEFT}
    assert ready(ALL, {PARENT, LEFT}) == {OTHER}
    assert ready(ALL, {PARENT, LEFT, OTHER}) == {MERGED}


def test_a_parent_that_is_no_longer_listed_does_not_hold_its_child():
    assert ready([LEFT], set()) == {LEFT}


def test_the_parent_of_a_stream_made_anew_is_another_shard():
    assert ready([Shard(PARENT.id, "anew", ()), LEFT], {PARENT}) == {Shard(PARENT.id, "anew", ())}


def test_parse_reads_both_parents_of_a_merge():
    described = {
        "ShardId": MERGED.id,
        "ParentShardId": LEFT.id,
        "AdjacentParentShardId": OTHER.id,
        "SequenceNumberRange": {"StartingSequenceNumber": "s4"},
    }
    assert parse(described) == MERGED
