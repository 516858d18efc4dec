"""kinesis_data_stream: the steps of a change of shards, and its calls against the model."""

import uuid

import pytest

from plugins.modules import kinesis_data_stream as module


@pytest.fixture
def keep(run):
    """Run the module for a stream of the test's own."""
    name = f"module-{uuid.uuid4().hex[:8]}"

    def keep_stream(**arguments):
        return run(module, name=name, **arguments)

    keep_stream.name = name
    yield keep_stream
    keep_stream(state="absent")


@pytest.mark.parametrize(
    ("current", "wanted", "expected"),
    [
        (2, 2, []),
        (2, 3, [3]),
        (2, 9, [4, 8, 9]),
        (9, 2, [5, 3, 2]),
        (1, 2, [2]),
        (2, 1, [1]),
    ],
)
def test_shards_at_most_double_or_halve(current, wanted, expected):
    assert list(module.steps(current, wanted)) == expected


def test_a_stream_is_made_once(keep, region):
    assert keep(shards=2, retention_hours=48)["changed"]
    second = keep(shards=2, retention_hours=48)
    assert not second["changed"]
    assert second["stream"]["open_shard_count"] == 2
    kinesis = region.client("kinesis")
    summary = kinesis.describe_stream_summary(StreamName=keep.name)["StreamDescriptionSummary"]
    assert summary["RetentionPeriodHours"] == 48


def test_one_setting_changes_alone(keep):
    keep(retention_hours=48)
    shown = keep(retention_hours=72)["diff"]
    assert shown == {"before": {"retention_hours": 48}, "after": {"retention_hours": 72}}
    assert keep(retention_hours=24)["changed"]
    assert not keep(retention_hours=24)["changed"]


def test_a_check_changes_nothing(keep):
    assert keep(check=True)["changed"]
    assert "stream" not in keep(check=True)
    keep()
    assert keep(check=True, retention_hours=48)["changed"]
    assert not keep()["changed"]


def test_tags_are_kept(keep):
    assert keep(tags={"Stack": "local"})["changed"]
    assert not keep(tags={"Stack": "local"})["changed"]
    assert keep(tags={"Stack": "aws"})["diff"]["after"] == {"tags": {"Stack": "aws"}}
    assert not keep()["changed"]


def test_what_the_local_region_lacks(run_on_moto):
    def keep(**arguments):
        return run_on_moto(module, name="orders", **arguments)

    assert keep(shards=2, encrypted=True)["changed"]
    assert not keep(shards=2, encrypted=True)["changed"]
    assert keep(shards=5, encrypted=True)["stream"]["open_shard_count"] == 5
    assert keep(shards=2, encrypted=True)["stream"]["open_shard_count"] == 2
    assert keep(shards=2)["diff"]["after"] == {"encrypted": False}
    assert keep(mode="on_demand")["diff"]["after"] == {"mode": "on_demand"}
    assert not keep(mode="on_demand")["changed"]


def test_changes_in_a_row_are_made_though_each_takes_a_while(run_strictly):
    """AWS refuses one while another is under way, and too many a second."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    wanted = {"name": name, "shards": 3, "retention_hours": 48, "encrypted": True}
    assert run_strictly(module, name=name)["changed"]
    assert run_strictly(module, **wanted)["stream"]["open_shard_count"] == 3
    assert not run_strictly(module, **wanted)["changed"]


def test_it_is_removed_once(keep):
    keep()
    assert keep(state="absent")["changed"]
    assert not keep(state="absent")["changed"]
