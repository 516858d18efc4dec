"""What the outbox sends, sends again, and lets be committed; no I/O and no waiting."""

import random

from hypothesis import given
from hypothesis import strategies as st
from kinesis_agent.backoff import Backoff
from kinesis_agent.batch import Outbox
from kinesis_agent.checkpoint import Mark
from kinesis_agent.config import Flow

FLOW = Flow(file_pattern="/x", kinesis_stream="s")


def outbox(records: int = 5, size: int = 1000, waiting: int = 10_000, in_flight: int = 3) -> Outbox:
    return Outbox(Backoff(FLOW, lambda: 0.5), records, size, waiting, in_flight)


def test_full_requests_go_at_once_and_the_rest_when_there_is_no_more() -> None:
    box = outbox()
    box.add([b"a"] * 7, [])
    assert len(box.next(0, flush=False).records) == 5
    assert box.next(0, flush=False) is None
    assert len(box.next(0, flush=True).records) == 2


def test_a_request_is_no_larger_than_may_be() -> None:
    box = outbox(size=10)
    box.add([b"12345678", b"12", b"123", b"a" * 20], [])
    assert box.next(0, flush=True).records == [b"12345678", b"12"]
    assert box.next(0, flush=True).records == [b"123"]
    assert box.next(0, flush=True).records == [b"a" * 20]


def test_refused_records_go_again_after_a_wait_that_doubles_and_fill_up_with_others() -> None:
    box = outbox()
    box.add([b"a", b"b", b"c"], ["first"])
    box.refused(box.next(0, flush=True), [1], now=0)
    assert box.next(0.099, flush=True) is None
    assert box.next_due() == 0.1
    box.add([b"d"] * 4, ["second"])
    request = box.next(0.1, flush=False)
    assert request.records == [b"b", b"d", b"d", b"d", b"d"]
    box.refused(request, [0], now=0.1)
    assert box.commit() == []
    assert round(box.next_due(), 3) == 0.3
    box.accepted(box.next(0.31, flush=False))
    assert box.commit() == ["first", "second"]
    assert box.is_empty
    assert box.waiting_bytes == 0


def test_after_a_failure_one_request_at_a_time_tries_again() -> None:
    box = outbox()
    box.add([b"a"] * 15, [])
    first, second = box.next(0, flush=False), box.next(0, flush=False)
    box.failed(first, now=0)
    box.failed(second, now=0)
    assert box.next(0.19, flush=True) is None
    probe = box.next(0.2, flush=True)
    assert probe
    assert box.next(0.2, flush=True) is None
    box.accepted(probe)
    assert box.next(0.2, flush=True)


def test_what_does_not_mend_itself_is_tried_slowly() -> None:
    box = outbox()
    box.add([b"a"], [])
    box.failed(box.next(0, flush=True), now=0, permanent=True)
    assert box.next_due() == 10


def test_no_more_is_taken_than_may_wait() -> None:
    box = outbox(waiting=10)
    box.add([b"a" * 10], [])
    assert not box.has_room
    box.accepted(box.next(0, flush=True))
    assert box.has_room


@given(st.integers(0, 10**6))
def test_marks_are_committed_in_order_and_only_behind_what_was_accepted(seed: int) -> None:
    rng = random.Random(seed)
    box = outbox(waiting=1 << 30)
    now, added, in_flight = 0.0, 0, []
    accepted: set[bytes] = set()
    committed = 0
    for _ in range(200):
        now += rng.random()
        choice = rng.random()
        if choice < 0.3 and added < 40:
            records = [b"%d.%d" % (added, n) for n in range(rng.randint(0, 8))]
            box.add(records, [(len(records), Mark(added))])
            added += 1
        elif choice < 0.6 and (request := box.next(now, flush=True)):
            in_flight.append(request)
        elif in_flight:
            request = in_flight.pop(rng.randrange(len(in_flight)))
            refused = [n for n in range(len(request.records)) if rng.random() < 0.3]
            if rng.random() < 0.2:
                box.failed(request, now)
                continue
            accepted |= {r for n, r in enumerate(request.records) if n not in refused}
            box.refused(request, refused, now) if refused else box.accepted(request)
        for count, mark in box.commit():
            assert mark.position == committed
            assert {b"%d.%d" % (committed, n) for n in range(count)} <= accepted
            committed += 1
