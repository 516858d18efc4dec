"""What the function's answer means, as AWS documents it."""

import json
import random

import pytest
from event_source.event import Record
from event_source.response import Answer, judge

from tests.mutation import mutated

RECORDS = [Record(sequence, 0.0, b"{}") for sequence in ("10", "11", "12")]


def answer(payload, error=None):
    return Answer("r", 200, "$LATEST", error, payload)


def failures(*identifiers):
    items = [{"itemIdentifier": identifier} for identifier in identifiers]
    return json.dumps({"batchItemFailures": items}).encode()


@pytest.mark.parametrize(
    "payload", [b"", b"null", b"{}", b'{"batchItemFailures": null}', b'{"batchItemFailures": []}']
)
def test_naming_none_is_success(payload):
    assert judge(answer(payload), RECORDS, reports_items=True).done == 3


def test_the_lowest_sequence_named_is_the_checkpoint():
    verdict = judge(answer(failures("12", "11")), RECORDS, reports_items=True)
    assert (verdict.done, verdict.named) == (1, True)
    assert verdict.error == "2 of 3 records failed"


@pytest.mark.parametrize(
    "payload",
    [
        failures(""),
        failures(None),
        failures("99"),
        failures("11", "99"),
        b'{"batchItemFailures": [{"id": "11"}]}',
        b'{"batchItemFailures": 3}',
        b'"well done"',
        b"not JSON",
    ],
)
def test_an_answer_that_makes_no_sense_fails_the_batch(payload):
    verdict = judge(answer(payload), RECORDS, reports_items=True)
    assert (verdict.done, verdict.named) == (0, False)
    assert verdict.error


def test_what_is_named_counts_only_if_the_mapping_asks_for_it():
    assert judge(answer(failures("11")), RECORDS, reports_items=False).done == 3


@pytest.mark.parametrize("reports_items", [True, False])
def test_a_function_error_fails_the_batch_and_is_told(reports_items):
    verdict = judge(
        answer(b'{"errorMessage": "no store", "errorType": "X"}', "Unhandled"),
        RECORDS,
        reports_items,
    )
    assert (verdict.done, verdict.error) == (0, "Unhandled: no store")


def test_no_answer_ends_the_poller(full):
    rng = random.Random(1)
    whole = [failures("11"), failures("12", "10"), b'{"errorMessage": "no", "errorType": "E"}']
    for _ in range(100_000 if full else 5_000):
        payload = mutated(rng, rng.choice(whole))
        for error in (None, "Unhandled"):
            verdict = judge(answer(payload, error), RECORDS, reports_items=True)
            assert 0 <= verdict.done <= len(RECORDS)


@pytest.mark.parametrize("error", [None, "Unhandled"])
def test_an_answer_that_is_nested_too_deeply_is_one_that_makes_no_sense(error):
    verdict = judge(answer(b"[" * 100_000, error), RECORDS, reports_items=True)
    assert (verdict.done, verdict.named) == (0, False)
    assert verdict.error
