"""Bringing the state up to what really stands in the log, after a stop of any kind."""

import logging
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from log_generator import inject, order_log, record, replay, slices
from log_generator.order_log import Tail
from log_generator.prepared import Prepared
from log_generator.replay import Line
from log_generator.state import Injection, State

logger = logging.getLogger(__name__)

_LOWEST = b"2000-01-01T00:00:00.000Z"


def recover(
    state: State, log: Path, prepared: Prepared, drops: Path, form: str, now: bytes
) -> State:
    """The state after the last line in the log; a half-written last line is finished first."""
    if state.log and (tail := order_log.read_tail(log, state.log)):
        if tail.partial:
            _finish(tail, _next_body(state, tail, prepared, drops, form), state, form, now)
        order_log.append(tail.path, b"")  # the new state must not be ahead of this file's disk
        state = after(state, tail, prepared)
    if state.dataset != prepared.header.content:
        state = _new_data_set(state, prepared)
    return state


def after(state: State, tail: Tail, prepared: Prepared) -> State:
    """The state after the lines of a tail."""
    injected = sum(map(_is_injected, tail.lines))
    count = len(tail.lines) - injected
    if not tail.lines:
        return state
    injection = state.injection
    if injection and injected:
        injection = Injection(injection.name, injection.written + injected)
    positions, last_recorded, placed = state.positions, state.last_recorded, dict(state.placed)
    if count and state.dataset == prepared.header.content:
        sequence = _sequence(state, prepared)
        for line in islice(_unrefused(sequence, placed), count):
            sequence.written(line.place)
            last_recorded = line.recorded
        positions = replay.pack(sequence.positions())
    written = record.event_time_of(tail.lines[-1])
    return msgspec.structs.replace(
        state,
        positions=positions,
        lines=state.lines + count,
        injected=state.injected + injected,
        injection=injection,
        placed=placed,
        last_due=max(state.last_due, state.elapsed) if count else state.last_due,
        last_recorded=last_recorded,
        last_event_time=written.decode() if written else state.last_event_time,
    )


def _new_data_set(state: State, prepared: Prepared) -> State:
    """Another data set begins a pass of its own, so that no invoice number comes twice."""
    positions = {
        number: (turn + 1, 0) for number, (turn, _) in replay.unpack(state.positions).items()
    }
    return msgspec.structs.replace(
        state,
        dataset=prepared.header.content,
        positions=replay.pack(positions),
        placed={},
        last_recorded=0,
    )


def _is_injected(line: bytes) -> bool:
    return line.startswith(inject.FIRST_LETTER)


def _sequence(state: State, prepared: Prepared) -> replay.Replay:
    """As it was when the tail was written: the configuration may have changed since."""
    return replay.Replay(prepared, slices.parse(state.slices), replay.unpack(state.positions))


def _unrefused(lines: Iterable[Line], placed: dict[str, bool]) -> Iterator[Line]:
    """Those that are written, with what is placed kept up. No refusal is younger than the state."""
    for line in lines:
        invoice = line.invoice.decode()
        accepted = placed.setdefault(invoice, True)
        if line.last:
            del placed[invoice]
        if accepted:
            yield line


def _next_body(
    state: State, tail: Tail, prepared: Prepared, drops: Path, form: str
) -> tuple[bytes, bytes] | None:
    """Invoice and body of the line that was being written."""
    injected = sum(map(_is_injected, tail.lines))
    if _is_injected(tail.partial):
        if not state.injection:
            return None
        lines, _ = inject.bodies(drops, state.injection.name, form)
        return lines[state.injection.written + injected]
    if state.dataset != prepared.header.content:
        return None
    count = len(tail.lines) - injected
    lines = _unrefused(_sequence(state, prepared), dict(state.placed))
    line = next(islice(lines, count, None), None)
    return (line.invoice, line.body) if line else None


def _finish(
    tail: Tail, unfinished: tuple[bytes, bytes] | None, state: State, form: str, now: bytes
) -> None:
    """End the half line in the file, and in the tail count it as whole."""
    last = record.event_time_of(tail.lines[-1]) if tail.lines else None
    last = last or (state.last_event_time or "").encode()
    rest = unfinished and rest_of(tail.partial, *unfinished, form, last, max(now, last))
    if rest:
        order_log.append(tail.path, rest)
        tail.lines.append(tail.partial + rest)
    else:
        logger.warning("%s ends in a half line that is not ours: %r", tail.path, tail.partial)
        order_log.append(tail.path, b"\n")


def rest_of(
    partial: bytes, invoice: bytes, body: bytes, form: str, last: bytes, now: bytes
) -> bytes | None:
    """What is missing of a line; None where `partial` is not its beginning."""
    separator = record.SEPARATOR[form].encode()
    address = record.client_address(record.customer(body, form), invoice)
    begun = partial[len(body) : len(body) + len(_LOWEST)]
    for time in (now, last, begun + _LOWEST[len(begun) :]):
        whole = body + time + separator + address + b"\n"
        if time and whole.startswith(partial):
            return whole[len(partial) :]
    return None
