"""What a function's answer says about the records it was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from event_source.event import Record


@dataclass(frozen=True)
class Answer:
    """The outcome of one Invoke call."""

    request_id: str
    status: int
    version: str
    function_error: str | None
    payload: bytes


@dataclass(frozen=True)
class Verdict:
    """The first `done` records are done; `named`: the function said that the next one failed."""

    done: int
    named: bool = False
    error: str | None = None


def judge(answer: Answer, records: Sequence[Record], reports_items: bool) -> Verdict:
    """Say how far the function got.

    With ReportBatchItemFailures the lowest sequence number named is the checkpoint. An answer that
    names none, or is empty, means that all went well; one that makes no sense, that nothing did.
    """
    if answer.function_error:
        return Verdict(0, error=f"{answer.function_error}: {_message(answer.payload)}")
    if not reports_items:
        return Verdict(len(records))
    try:
        named = [failure["itemIdentifier"] for failure in _failures(answer.payload)]
        places = {record.sequence: place for place, record in enumerate(records)}
        done = min((places[identifier] for identifier in named), default=len(records))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return Verdict(0, error="the function's batchItemFailures cannot be understood")
    if done == len(records):
        return Verdict(done)
    return Verdict(done, named=True, error=f"{len(named)} of {len(records)} records failed")


def _failures(payload: bytes) -> list[dict[str, Any]]:
    answer = msgspec.json.decode(payload) if payload else None
    return (answer or {}).get("batchItemFailures") or []


def _message(payload: bytes) -> str:
    try:
        return str(msgspec.json.decode(payload)["errorMessage"])[:500]
    except (KeyError, TypeError, ValueError, RecursionError):
        return payload.decode(errors="replace")[:500]
