"""Positions are kept, and one process has them."""

import pytest
from event_source.checkpoint import Checkpoints, Position, StateError
from event_source.shards import Shard

SHARD = Shard("shardId-000000000000", "start", ())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoints.db"


def test_positions_are_there_after_a_new_start(path):
    first = Checkpoints(path)
    assert first.position("m", SHARD) == Position(None, finished=False)
    first.advance("m", SHARD, "10", 3)
    first.advance("m", SHARD, "20", 4)
    first.close()
    second = Checkpoints(path)
    assert second.position("m", SHARD) == Position("20", finished=False)
    assert second.records("m") == 7
    second.finish("m", SHARD)
    assert second.position("m", SHARD) == Position("20", finished=True)


def test_a_shard_without_records_can_be_finished(path):
    state = Checkpoints(path)
    state.finish("m", SHARD)
    assert state.position("m", SHARD) == Position(None, finished=True)


def test_mappings_and_streams_made_anew_have_positions_of_their_own(path):
    state = Checkpoints(path)
    state.advance("m", SHARD, "10", 1)
    assert state.position("other", SHARD).sequence is None
    assert state.position("m", Shard(SHARD.id, "anew", ())).sequence is None


def test_the_time_of_first_sight_does_not_change(path):
    state = Checkpoints(path)
    assert state.first_seen("m", 5.0) == 5.0
    state.close()
    assert Checkpoints(path).first_seen("m", 9.0) == 5.0


def test_a_second_process_is_refused(path):
    state = Checkpoints(path)
    with pytest.raises(StateError, match="locked"):
        Checkpoints(path)
    state.close()


def test_state_of_another_version_is_refused(path):
    state = Checkpoints(path)
    state._db.execute("PRAGMA user_version = 99")
    state.close()
    with pytest.raises(StateError, match="another version"):
        Checkpoints(path)
