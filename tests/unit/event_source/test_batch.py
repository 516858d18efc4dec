"""Splitting, retrying and giving up."""

from dataclasses import replace

import pytest
from event_source.batch import Part, expired, settle
from event_source.event import Record
from event_source.mapping import parse
from event_source.response import Verdict

MAPPING = parse(
    {
        "UUID": "u",
        "FunctionArn": "arn:aws:lambda:us-east-1:000000000000:function:f",
        "EventSourceArn": "arn:aws:kinesis:us-east-1:000000000000:stream/s",
    }
)


def records(*numbers):
    return [Record(str(number), float(number), b"{}") for number in numbers]


def numbers(part):
    return [int(record.sequence) for record in part.records]


def test_all_done_leaves_nothing():
    settled = settle(Part(records(1, 2)), Verdict(2), MAPPING)
    assert (settled.done, settled.left, list(settled.given_up)) == (2, [], [])


def test_without_bisect_the_rest_is_tried_again_for_ever():
    part = Part(records(1, 2, 3))
    for failures in range(1, 50):
        settled = settle(part, Verdict(0), MAPPING)
        assert not settled.given_up
        (part,) = settled.left
        assert part.failures == failures
    assert numbers(part) == [1, 2, 3]


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_retries_are_limited(retries):
    mapping = replace(MAPPING, max_retries=retries)
    part, calls = Part(records(1, 2)), 0
    while True:
        calls += 1
        settled = settle(part, Verdict(0), mapping)
        if settled.given_up:
            break
        (part,) = settled.left
    assert calls == retries + 1
    assert [record.sequence for record in settled.given_up] == ["1", "2"]


def test_progress_begins_the_count_of_failures_anew():
    mapping = replace(MAPPING, max_retries=1)
    settled = settle(Part(records(1, 2, 3), failures=1), Verdict(1, named=True), mapping)
    assert settled.done == 1
    assert [(numbers(part), part.failures) for part in settled.left] == [([2, 3], 1)]


def test_a_failed_batch_is_halved_and_the_split_costs_no_retry():
    mapping = replace(MAPPING, bisect=True, max_retries=0)
    settled = settle(Part(records(1, 2, 3, 4, 5)), Verdict(0), mapping)
    assert [(numbers(part), part.failures) for part in settled.left] == [
        ([1, 2], 0),
        ([3, 4, 5], 0),
    ]


def test_the_record_that_was_named_is_split_off_alone():
    mapping = replace(MAPPING, bisect=True, max_retries=0)
    settled = settle(Part(records(1, 2, 3, 4)), Verdict(1, named=True), mapping)
    assert settled.done == 1
    assert [numbers(part) for part in settled.left] == [[2], [3, 4]]


@pytest.mark.parametrize("poison", range(37))
@pytest.mark.parametrize("named", [True, False])
def test_bisect_gives_up_the_poison_alone_and_keeps_the_order(poison, named):
    mapping = replace(MAPPING, bisect=True, max_retries=2)
    parts, done, given_up, calls = [Part(records(*range(37)))], [], [], 0
    while parts:
        calls += 1
        part = parts.pop(0)
        held = numbers(part)
        if poison in held:
            verdict = Verdict(held.index(poison), named=True) if named else Verdict(0)
        else:
            verdict = Verdict(len(held))
        settled = settle(part, verdict, mapping)
        done += held[: settled.done]
        given_up += [int(record.sequence) for record in settled.given_up]
        parts = settled.left + parts
    assert done == [number for number in range(37) if number != poison]
    assert given_up == [poison]
    assert calls <= (5 if named else 2 * 6 + 4)


def test_expired_counts_the_first_records_that_are_too_old():
    assert expired(records(1, 2, 3, 4), max_age_seconds=10, now=13) == 2
    assert expired(records(1, 2), max_age_seconds=10, now=100) == 2
    assert expired(records(1, 2), max_age_seconds=-1, now=1e12) == 0
