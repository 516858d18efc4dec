"""The service against real parts: what a mapping promises, and what a crash must not cost."""

import base64
import json
import signal
import socket
import threading

import pytest
from event_source import status

from .conftest import ROLE, wait_for


def texts(count, start=0):
    return [f"record {number:06d}" for number in range(start, start + count)]


def test_the_function_gets_the_event_that_lambda_would_send(stack):
    stack.create()
    stack.map()
    stack.start()
    stack.put(["hello"], key="a key")
    stack.wait_until_handled(["hello"])
    (record,) = json.loads((stack.folder / "events").read_text())["Records"]
    kinesis = record.pop("kinesis")
    assert record == {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{kinesis['sequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": ROLE,
        "awsRegion": "us-east-1",
        "eventSourceARN": stack.stream_arn,
    }
    assert base64.b64decode(kinesis["data"]) == b"hello"
    assert (kinesis["partitionKey"], kinesis["kinesisSchemaVersion"]) == ("a key", "1.0")
    assert isinstance(kinesis["approximateArrivalTimestamp"], float)


@pytest.mark.parametrize("how", ["raise", "report"])
def test_poison_is_isolated_and_goes_to_the_bucket(stack, bucket, how):
    stack.behave(how, "poison")
    stack.create()
    good, more = texts(60), texts(60, start=60)
    stack.put([*good, "poison", *more], key="one shard")
    stack.map(
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": bucket.arn}},
    )
    stack.start()
    stack.wait_until_handled(good + more)
    assert [text for text in stack.handled() if "poison" not in text] == good + more
    ((key, body),) = wait_for(bucket).items()
    assert key.startswith(f"aws/lambda/{stack.mapping}/shardId-000000000000/")
    assert body["KinesisBatchInfo"]["batchSize"] == 1
    (record,) = json.loads(body["payload"])["Records"]
    assert base64.b64decode(record["kinesis"]["data"]) == b"poison"


def test_a_mapping_can_be_disabled_changed_enabled_and_deleted(stack):
    stack.create()
    stack.map(BatchSize=1)
    stack.start()
    stack.put(["first"])
    stack.wait_until_handled(["first"])

    stack.functions.update_event_source_mapping(UUID=stack.mapping, Enabled=False)
    wait_for(lambda: stack.status() is None)
    stack.put(texts(50), key="one shard")
    stack.functions.update_event_source_mapping(UUID=stack.mapping, Enabled=True, BatchSize=50)
    stack.wait_until_handled(texts(50))
    assert stack.handled() == ["first", *texts(50)]
    assert (stack.folder / "calls").read_text().count("\n") == 2

    stack.functions.delete_event_source_mapping(UUID=stack.mapping)
    stack.mapping = None
    wait_for(lambda: stack.status() is None)


def test_a_status_that_cannot_be_written_holds_up_nothing(stack):
    stack.create()
    stack.map()
    (stack.folder / ".status.json.new").mkdir()
    stack.start()
    stack.put(["hello"])
    stack.wait_until_handled(["hello"])
    (stack.folder / ".status.json.new").rmdir()
    wait_for(lambda: stack.status() is not None)


def test_a_mapping_that_cannot_work_says_so_and_holds_up_no_other(stack, region):
    stack.create()
    stack.map()
    functions = region.client("lambda")
    bad = [
        functions.create_event_source_mapping(
            FunctionName=stack.name, EventSourceArn=arn, StartingPosition="TRIM_HORIZON", **more
        )["UUID"]
        for arn, more in (
            (stack.stream_arn + "-that-is-not-there", {}),
            (stack.stream_arn, {"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}),
        )
    ]
    try:
        stack.start()
        stack.put(["hello"])
        stack.wait_until_handled(["hello"])

        def errors():
            told = status.read(stack.folder).mappings
            return {each.last_error for each in told if each.last_error}

        wait_for(lambda: len(errors()) == 2)
        assert any("FilterCriteria" in error for error in errors())
        assert any("not found" in error for error in errors())
    finally:
        for each in bad:
            functions.delete_event_source_mapping(UUID=each)


def test_the_service_manager_is_told_that_it_is_ready_and_lives(stack, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        stack.start(NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert [manager.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]


def test_sigterm_lets_the_call_end_and_notes_it(stack):
    stack.behave(seconds=1)
    stack.create()
    stack.put(texts(20), key="one shard")
    stack.map(BatchSize=10)
    service = stack.start()
    wait_for((stack.folder / "called").exists)
    service.terminate()
    assert service.wait(10) == 0
    assert stack.handled() == texts(10)
    stack.behave()
    stack.start()
    stack.wait_until_handled(texts(20))
    assert stack.handled() == texts(20), "the call that ended is not repeated"


def test_latest_begins_at_first_sight_and_a_restart_skips_nothing(stack):
    stack.create()
    stack.put(["before"])
    stack.map(StartingPosition="LATEST")
    service = stack.start()
    wait_for(stack.status)
    service.kill()
    service.wait()
    stack.put(["while it was down"])
    stack.start()
    stack.wait_until_handled(["while it was down"])
    assert "before" not in stack.handled()


def test_kill_9_loses_nothing(stack, full):
    count = 20_000 if full else 3_000
    stack.create(shards=2)
    stack.map()
    service = stack.start()
    producer = threading.Thread(target=stack.put, args=(texts(count),))
    producer.start()
    for kill in range(1, 6):
        wait_for(lambda kill=kill: len(stack.handled()) > count * kill / 8)
        service.send_signal(signal.SIGKILL)
        service.wait()
        service = stack.start()
    producer.join()
    stack.wait_until_handled(texts(count))
    repeated = len(stack.handled()) - count
    assert repeated <= 5 * 2 * 100, "no more than the batches that were under way are repeated"


def test_splits_and_merges_are_followed_and_a_key_keeps_its_order(stack):
    stack.create()
    stack.map(BatchSize=20)
    stack.put(texts(100))
    stack.start()
    ranges = {
        shard["ShardId"]: shard["HashKeyRange"]
        for shard in stack.kinesis.list_shards(StreamName=stack.name)["Shards"]
    }
    whole = ranges["shardId-000000000000"]
    middle = (int(whole["StartingHashKey"]) + int(whole["EndingHashKey"])) // 2
    stack.kinesis.split_shard(
        StreamName=stack.name, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(middle)
    )
    stack.wait_for_stream()
    stack.put(texts(100, start=100))
    stack.put([f"ordered {number}" for number in range(50)], key="a key")
    stack.kinesis.merge_shards(
        StreamName=stack.name,
        ShardToMerge="shardId-000000000001",
        AdjacentShardToMerge="shardId-000000000002",
    )
    stack.wait_for_stream()
    stack.put(texts(100, start=200))
    stack.put([f"ordered {number}" for number in range(50, 100)], key="a key")
    stack.wait_until_handled([*texts(300), "ordered 99"])
    handled = stack.handled()
    assert len(handled) == 400
    ordered = [text for text in handled if text.startswith("ordered")]
    assert ordered == [f"ordered {number}" for number in range(100)]


def test_nothing_is_lost_while_functions_are_away(stack, region, bucket):
    stack.create(shards=2)
    stack.map(
        MaximumRetryAttempts=0,
        BisectBatchOnFunctionError=True,
        DestinationConfig={"OnFailure": {"Destination": bucket.arn}},
    )
    stack.start()
    stack.put(texts(500))
    stack.wait_until_handled(texts(500))
    region.ministack.kill()
    try:
        stack.put(texts(500, start=500))
        wait_for(lambda: stack.status().last_error)
    finally:
        region.ministack.start()
    stack.wait_until_handled(texts(1000))
    assert bucket() == {}, "a function that is away is no failed function"
    wait_for(lambda: stack.status().last_error is None)
