"""One shard carried to one function: order, retries, what is given up, and what is noted."""

import base64
import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from event_source.aws import AwsError
from event_source.checkpoint import Checkpoints
from event_source.response import Answer
from event_source.shards import Shard
from event_source.worker import Stopped, Worker

from .test_batch import MAPPING

SHARD = Shard("shardId-000000000000", "start", ())
START = 1_000_000.0


class Time:
    """A clock that waiting moves on; from `stop_at` on a wait says stop."""

    def __init__(self):
        self.now, self.waits, self.stop_at = START, [], float("inf")

    def clock(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        self.waits.append(seconds)
        return self.now >= self.stop_at


class FakeRegion:
    """A shard and a function. Records appear at their arrival; `answers` says how calls go."""

    def __init__(self, time):
        self.time = time
        self.stream = []
        self.closed = True
        self.calls, self.answers = [], []
        self.objects = []
        self.troubles = []
        self.read_troubles = []
        self.iterators, self.expired, self.misused = itertools.count(), set(), set()

    def put(self, *texts, arrival=START - 10):
        for text in texts:
            self.stream.append(
                {
                    "PartitionKey": "k",
                    "SequenceNumber": str(len(self.stream) + 1),
                    "Data": text.encode(),
                    "ApproximateArrivalTimestamp": datetime.fromtimestamp(arrival, UTC),
                }
            )

    def iterator(self, stream, shard, after):
        return f"{after or 0}-{next(self.iterators)}"

    def records(self, iterator, limit):
        if self.read_troubles:
            self.expired.add(iterator)
            raise self.read_troubles.pop(0)
        self.misused |= {iterator} & self.expired
        start = int(iterator.partition("-")[0])
        there = [
            record
            for record in self.stream[start:]
            if record["ApproximateArrivalTimestamp"].timestamp() <= self.time.now
        ][:limit]
        end = start + len(there)
        answer = {"Records": there, "MillisBehindLatest": 0}
        if not (self.closed and end == len(self.stream)):
            answer["NextShardIterator"] = self.iterator(None, None, end)
        return answer

    def invoke(self, function, payload):
        texts = [
            base64.b64decode(record["kinesis"]["data"]).decode()
            for record in json.loads(payload)["Records"]
        ]
        self.calls.append(texts)
        outcome = self.answers.pop(0) if self.answers else None
        if isinstance(outcome, Exception):
            raise outcome
        if callable(outcome):
            outcome = outcome()
        if outcome == "error":
            return Answer("r", 200, "$LATEST", "Unhandled", b'{"errorMessage": "no"}')
        failed = [] if outcome is None else [{"itemIdentifier": sequence} for sequence in outcome]
        body = json.dumps({"batchItemFailures": failed}).encode()
        return Answer("r", 200, "$LATEST", None, body)

    def put_object(self, bucket, key, body):
        if self.troubles:
            raise self.troubles.pop(0)
        self.objects.append((bucket, key, json.loads(body)))


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def region(time):
    return FakeRegion(time)


@pytest.fixture
def checkpoints(tmp_path):
    state = Checkpoints(tmp_path / "checkpoints.db")
    yield state
    state.close()


@pytest.fixture
def work(region, checkpoints, time):
    """Run a worker to its end, with these settings of the mapping; return it."""

    def run(**settings):
        mapping = replace(MAPPING, **{"reports_items": True, **settings})
        worker = Worker(
            region, checkpoints, lambda: mapping, "role", SHARD, 10, time.pause, time.clock
        )
        worker.run()
        return worker

    return run


def given_up(region):
    return [
        [
            base64.b64decode(record["kinesis"]["data"]).decode()
            for record in json.loads(body["payload"])["Records"]
        ]
        for _, _, body in region.objects
    ]


def test_batches_are_full_and_in_order_and_the_shard_is_finished(region, checkpoints, work):
    region.put(*"abcde")
    work(batch_size=2)
    assert region.calls == [["a", "b"], ["c", "d"], ["e"]]
    position = checkpoints.position(MAPPING.uuid, SHARD)
    assert (position.sequence, position.finished) == ("5", True)


def test_a_partial_failure_is_tried_again_from_the_lowest_that_failed(region, work):
    region.put(*"abcd")
    region.answers = [["4", "2"]]
    work()
    assert region.calls == [["a", "b", "c", "d"], ["b", "c", "d"]]


def test_what_failed_is_not_noted_as_handled(region, work):
    region.put(*"abcd")
    region.answers = [["3"], KeyError("begin anew")]
    work()
    assert region.calls == [["a", "b", "c", "d"], ["c", "d"], ["c", "d"]]


def test_a_failed_batch_holds_up_the_shard_until_it_succeeds(region, work, time):
    region.put(*"abcd")
    region.answers = ["error"] * 20
    work(batch_size=2)
    assert region.calls == [["a", "b"]] * 21 + [["c", "d"]]
    assert time.now > START + 19 * 0.1, "there are waits between the tries"


def test_poison_is_isolated_and_kept_in_the_bucket(region, checkpoints, work):
    region.put(*"abcd")
    region.answers = ["error", None, "error", "error", "error"]
    work(bisect=True, max_retries=1, failure_bucket="bucket")
    assert region.calls == [["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["c"], ["d"]]
    assert given_up(region) == [["c"]]
    bucket, key, body = region.objects[0]
    assert (bucket, key.split("/")[:4]) == ("bucket", ["aws", "lambda", MAPPING.uuid, SHARD.id])
    assert body["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert body["requestContext"]["approximateInvokeCount"] == 2
    assert body["responseContext"]["functionError"] == "Unhandled"
    assert checkpoints.records(MAPPING.uuid) == 4


def test_without_a_bucket_what_is_given_up_is_passed_over(region, work):
    region.put(*"abc")
    region.answers = ["error"]
    work(batch_size=2, max_retries=0)
    assert region.calls == [["a", "b"], ["c"]]


def test_a_function_that_cannot_be_reached_costs_no_retry(region, work, time):
    region.put("a", "b")
    region.answers = [AwsError("throttled")] * 30
    work(max_retries=0, bisect=True, failure_bucket="bucket")
    assert region.calls == [["a", "b"]] * 31
    assert region.objects == []
    assert max(time.waits) <= 10


def test_nothing_moves_on_before_the_bucket_has_what_was_given_up(region, checkpoints, work):
    region.put("a", "b")
    region.answers = ["error"]

    class Fails(AwsError):
        def __str__(self):
            assert checkpoints.position(MAPPING.uuid, SHARD).sequence is None
            return "no bucket"

    region.troubles = [Fails()] * 5
    work(max_retries=0, failure_bucket="bucket")
    assert given_up(region) == [["a", "b"]]
    assert checkpoints.position(MAPPING.uuid, SHARD).sequence == "2"


def test_records_beyond_the_age_are_given_up_unseen(region, work):
    region.put("a", "b", arrival=START - 100)
    region.put("c")
    work(max_age_seconds=60, failure_bucket="bucket")
    assert region.calls == [["c"]]
    assert given_up(region) == [["a", "b"]]
    assert region.objects[0][2]["requestContext"]["condition"] == "RecordAgeExceeded"
    assert "responseContext" not in region.objects[0][2]


def test_records_grow_too_old_while_the_function_is_away(region, work):
    region.put("a", arrival=START)
    region.answers = [AwsError("down")] * 100
    work(max_age_seconds=60, failure_bucket="bucket")
    assert 5 < len(region.calls) < 100
    assert given_up(region) == [["a"]]


def test_the_last_failure_is_kept_with_records_that_grew_too_old(region, work, time):
    region.put("a", "b", arrival=START)

    def take_long():
        time.now += 100

    region.answers = ["error", take_long]
    work(bisect=True, max_age_seconds=60, failure_bucket="bucket")
    assert region.calls == [["a", "b"], ["a"]]
    assert given_up(region) == [["b"]]
    assert region.objects[0][2]["responseContext"]["functionError"] == "Unhandled"


def test_the_window_gathers_records_until_it_ends_or_the_batch_is_full(region, work, time):
    region.put("a")
    region.put("b", arrival=START + 1)
    region.put("c", arrival=START + 4)
    region.put("d", "e", "f", arrival=START + 5)
    work(batch_size=3, window_seconds=2)
    assert region.calls == [["a", "b"], ["c", "d", "e"], ["f"]]


def test_trouble_in_reading_neither_repeats_nor_skips(region, work):
    region.put("a", "b")
    region.put("c", arrival=START + 1)
    region.read_troubles = [AwsError("throttled")]
    region.answers = [lambda: region.read_troubles.extend([AwsError("expired")] * 2)]
    work()
    assert region.calls == [["a", "b"], ["c"]]
    assert not region.misused, "an iterator that failed is not used again"


def test_an_error_that_nobody_thought_of_begins_anew_from_what_is_noted(region, work):
    region.put(*"abc")
    region.answers = [None, KeyError("odd"), None]
    worker = work(batch_size=1)
    assert region.calls == [["a"], ["b"], ["b"], ["c"]]
    assert worker.error is None


def test_a_stop_lets_the_call_end_and_the_next_worker_goes_on_behind_it(region, work, time):
    region.put(*"abcd")

    def stop():
        time.stop_at = time.now

    region.answers = [stop]
    with pytest.raises(Stopped):
        work(batch_size=2)
    assert region.calls == [["a", "b"]]
    time.stop_at = float("inf")
    work(batch_size=2)
    assert region.calls == [["a", "b"], ["c", "d"]]


def test_latest_is_the_time_of_first_sight_even_after_a_restart(region, checkpoints, work, time):
    region.closed = False
    region.put("before")
    time.stop_at = START + 5
    with pytest.raises(Stopped):
        work(starting_position="LATEST")
    region.put("while it was down", arrival=START + 20)
    assert checkpoints.position(MAPPING.uuid, SHARD).sequence == "1", "it is read past only once"
    time.now, time.stop_at, region.closed = START + 60, float("inf"), True
    work(starting_position="LATEST")
    assert region.calls == [["while it was down"]]


def test_at_timestamp_begins_there_and_skips_nothing_behind_it(region, work):
    region.put("too early", arrival=START - 51)
    region.put("a", arrival=START - 50)
    region.put("an earlier clock", arrival=START - 51)
    region.closed = False

    def put_more():
        region.put("another", arrival=START - 51)
        region.closed = True

    region.answers = [None, KeyError("begin anew"), put_more]
    work(starting_position="AT_TIMESTAMP", starting_timestamp=START - 50, batch_size=1)
    assert region.calls == [["a"], ["an earlier clock"], ["an earlier clock"], ["another"]]


def test_the_start_is_not_looked_for_again_within_one_run(region, work):
    region.put("a", arrival=START - 50)
    region.closed = False

    def put_more():
        region.put("an earlier clock", arrival=START - 51)
        region.closed = True

    region.answers = [put_more]
    work(starting_position="AT_TIMESTAMP", starting_timestamp=START - 50)
    assert region.calls == [["a"], ["an earlier clock"]]


def test_a_changed_mapping_holds_from_the_next_batch_on(region, checkpoints, time):
    region.put(*"abcde")
    mapping = replace(MAPPING, batch_size=1)
    worker = Worker(region, checkpoints, lambda: mapping, "r", SHARD, 10, time.pause, time.clock)

    def enlarge():
        nonlocal mapping
        mapping = replace(MAPPING, batch_size=3)

    region.answers = [enlarge]
    worker.run()
    assert region.calls == [["a"], ["b", "c", "d"], ["e"]]


def test_the_pace_of_reading_is_kept(region, work, time):
    region.closed = False
    reads = []
    read = region.records
    region.records = lambda *call: reads.append(time.now) or read(*call)
    time.stop_at = START + 10
    with pytest.raises(Stopped):
        work()
    assert 95 <= len(reads) <= 101


def test_what_is_handled_is_told_as_a_time(region, checkpoints, time):
    region.put("a", arrival=START - 10)
    region.put("b", arrival=START - 5)
    region.closed = False
    time.stop_at = START + 10
    mapping = replace(MAPPING, batch_size=1)
    worker = Worker(region, checkpoints, lambda: mapping, "r", SHARD, 10, time.pause, time.clock)
    meanwhile = []
    region.answers = [lambda: meanwhile.append(worker.handled_to)] * 2
    with pytest.raises(Stopped):
        worker.run()
    assert meanwhile == [START - 10, START - 5]
    assert worker.handled_to == pytest.approx(START + 10, abs=0.2)
