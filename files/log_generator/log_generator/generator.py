"""The loop's body: writes what is due, keeps the state, says when it wants to be called again."""

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from log_generator import inject, ownership, record, recovery, replay, slices
from log_generator import state as states
from log_generator.checkout import Answer as Placing
from log_generator.checkout import Checkout, Order
from log_generator.checkpoint import Checkpoints
from log_generator.config import Config
from log_generator.errors import ControlError
from log_generator.order_log import OrderLog
from log_generator.ownership import Answer, Change, Ownership
from log_generator.prepared import Prepared
from log_generator.replay import Line, Lookahead, Replay
from log_generator.schedule import Pace, Schedule
from log_generator.state import Injection, State

TICK = 0.01  # lines that are due within it are written together
IDLE = 0.25  # how long a drop, a rename or a full disk may go unnoticed
_BATCH = 500
_BATCH_BYTES = 1_000_000  # so much must be free in any case
_LONGEST_STEP = 1.0  # more time than this did not pass for the schedule: it does not catch up
_CHECKPOINT_EVERY = 1.0
_SIGN_OF_LIFE_EVERY = 10.0
_ANSWER = 0.05  # how long the shop's answer is waited for; then drops and requests have a turn
_LONGEST_BACKOFF = 10.0
_FAILURES = 3  # so many in turn, and the operator should know

logger = logging.getLogger(__name__)


class Clock:
    """The machine's clocks."""

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


def free_bytes(directory: Path) -> int:
    """What an ordinary user may still write."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


class Generator:
    """Brings itself to where the log stands when it is made; from then on `step` by step."""

    def __init__(
        self,
        config: Config,
        prepared: Prepared,
        clock: Clock | None = None,
        free: Callable[[Path], int] = free_bytes,
        checkout: Checkout | None = None,
    ) -> None:
        self._config, self._clock, self._free = config, clock or Clock(), free
        self._drops = inject.directory_in(config.state_directory)
        self._drops.mkdir(exist_ok=True)
        self._checkpoints = Checkpoints(config.state_directory)
        self._separator = record.SEPARATOR[config.format].encode()
        self._prepared, self._schedule = prepared, Schedule(config.surges)
        self._checkout = checkout

        now = self._clock.now()
        saved = states.load(config.state_directory)
        saved = recovery.recover(
            saved, config.log, prepared, self._drops, config.format, record.event_time(now)
        )
        self._saved = saved
        self.lines, self.injected, self.refused = saved.lines, saved.injected, saved.refused
        self._placed = dict(saved.placed)
        self._elapsed, self._last_due = saved.elapsed, saved.last_due
        self._last_recorded = saved.last_recorded
        self._event_time = (saved.last_event_time or "").encode()
        self.paused: str | None = None

        self._own(Ownership(slices.parse(saved.slices), replay.unpack(saved.positions)))

        self._batch: str | None = None
        self._given: list[tuple[bytes, bytes]] = []
        self._given_done, self._given_gap, self._given_due = 0, 0.0, 0.0
        if saved.injection:
            self._take(saved.injection)

        self._unwritten = b""
        self._changed = False
        self._last_step = self._last_save = self._clock.monotonic()
        self._next_look = 0.0
        self._log = self._open()
        if not self._save():
            raise OSError(errno.ENOSPC, "the first state cannot be saved")

    def step(self) -> float:
        """Write what is due; seconds until the next call is wanted."""
        now = self._clock.monotonic()
        passed, self._last_step = min(now - self._last_step, _LONGEST_STEP), now
        self._look_around(now)
        if self.paused is None and self._flush():
            if not self._failures:  # while orders fail no time passes for the schedule, either
                self._elapsed += passed
            self._turn_over()
            while self._write_due(now):
                pass
        self._save_if_time(now)
        if self.paused:
            return IDLE
        wait = self._due - self._elapsed if self._line else IDLE
        if self._failures:
            wait = self._again - now
        if self._given_left():
            wait = min(wait, self._given_due - now)
        return min(max(wait, TICK), IDLE)

    def stop(self) -> None:
        """Save the exact state. With a half line unwritten the last one stands, for recovery."""
        if not self._unwritten:
            self._save()
        self._log.close()

    def state(self) -> State:
        return State(
            dataset=self._saved.dataset,
            slices=slices.render(self._owned),
            positions=replay.pack(self._replay.positions()),
            lines=self.lines,
            injected=self.injected,
            elapsed=self._elapsed,
            last_due=self._last_due,
            last_recorded=self._last_recorded,
            last_event_time=self._event_time.decode() or None,
            log=self._log.position(),
            injection=Injection(self._batch, self._given_done) if self._batch else None,
            placed=dict(self._placed),
            refused=self.refused,
            waiting=self.waiting,
            paused=self.paused,
            updated_at=record.event_time(self._clock.now()).decode(),
        )

    def change(self, asked: Change) -> Answer:
        """Change the slices, durably, before it is answered; ControlError where that cannot be."""
        if not self._flush():
            raise ControlError(f"a line is half written: {self.paused}")
        before, dataset, placed = self._ownership(), self._saved.dataset, self._placed
        after = ownership.apply(before, asked, dataset)
        if after != before:
            if not before.owned:  # it joins the fleet's schedule, and does not catch up
                self._elapsed = max(self._elapsed, asked.elapsed)
                self._last_due = max(self._last_due, self._elapsed)
            self._placed = {
                invoice: accepted
                for invoice, accepted in placed.items()
                if slices.slice_of(replay.without_turn(invoice)) in after.owned
            }
            self._own(after)
            if not self._save():
                self._placed = placed
                self._own(before)
                raise ControlError("the state cannot be saved")
            logger.info("slices: %s", slices.render(after.owned) or "none")
        return ownership.describe(after, dataset, self._elapsed)

    # The sequence

    def _ownership(self) -> Ownership:
        return Ownership(self._owned, self._replay.positions())

    def _own(self, held: Ownership) -> None:
        """Go on with these slices, at these positions."""
        self._owned = held.owned
        self._failures, self._again = 0, 0.0  # it may be another order's turn
        self.waiting: str | None = None
        self._replay = Replay(self._prepared, held.owned, held.positions)
        self._pace = Pace(self._config, held.owned)
        self._sequence = Lookahead(self._replay)
        self._draw()
        if self._owned and not self._line:
            logger.warning("the data set has no row in the slices %s", slices.render(self._owned))

    def _write_due(self, now: float) -> bool:
        """Write a batch of what is due by now; whether there may be more."""
        stamp = self._event_time = max(self._event_time, record.event_time(self._clock.now()))
        batch: list[bytes] = []
        placed = self._place(now)
        moved = False

        def add(invoice: bytes, body: bytes) -> None:
            address = record.client_address(record.customer(body, self._config.format), invoice)
            batch.append(b"%b%b%b%b\n" % (body, stamp, self._separator, address))

        while placed and self._line and self._due <= self._elapsed and len(batch) < _BATCH:
            # After a change of pace it may be long overdue: the schedule goes back to it.
            self._elapsed = min(self._elapsed, self._due + _LONGEST_STEP)
            invoice = self._line.invoice.decode()
            if self._placed.get(invoice, True):
                add(self._line.invoice, self._line.body)
                self.lines += 1
            if self._line.last:
                self._placed.pop(invoice, None)
            self._replay.written(self._line.place)
            self._last_due, self._last_recorded = self._due, self._line.recorded
            self._draw()
            moved, placed = True, self._is_placed()
        while self._given_left() and self._given_due <= now and len(batch) < _BATCH:
            add(*self._given[self._given_done])
            self._given_done += 1
            self.injected += 1
            self._given_due += self._given_gap
        self._changed = self._changed or moved or bool(batch)
        self._unwritten = b"".join(batch)
        return self._flush() and (len(batch) == _BATCH or (moved and not placed))

    # The shop

    def _is_placed(self) -> bool:
        """Whether it is known of the next line's invoice that it was accepted, or refused."""
        line = self._line
        return not (self._checkout and line) or line.invoice.decode() in self._placed

    def _place(self, now: float) -> bool:
        """Place the invoice of the next line, once that is due; whether it is placed.

        A refusal is saved before anything that comes after it is written: recovery counts lines.
        """
        if self._is_placed():
            return True
        assert self._checkout
        assert self._line
        if self._due > self._elapsed or now < self._again:
            return False
        invoice = self._line.invoice
        order = Order(invoice, [line.body for line in self._sequence.invoice(self._line)])
        answer = self._checkout.answer(order, _ANSWER)
        if not answer or not self._understand(answer, now):
            return False
        self._placed[invoice.decode()] = answer.accepted
        if not answer.accepted:
            self.refused += 1
            if not self._save():
                del self._placed[invoice.decode()]
                self.refused -= 1
                self._again = now + IDLE
        return self._is_placed()

    def _understand(self, answer: Placing, now: float) -> bool:
        """Whether it is an answer; else the order is placed again later."""
        if not answer.failure:
            if self.waiting:
                logger.info("the shop takes orders again")
            self._failures, self.waiting = 0, None
            return True
        self._again = now + min(2.0**self._failures, _LONGEST_BACKOFF)
        self._failures += 1
        self._changed = True
        if self._failures == _FAILURES:
            logger.warning("orders wait for the shop: %s", answer.failure)
        if self._failures >= _FAILURES:
            self.waiting = answer.failure
        return False

    def _draw(self) -> None:
        """The next line, and when it is due."""
        self._line: Line | None = next(self._sequence, None)
        self._due = 0.0
        if self._line:
            recorded = max(0, self._line.recorded - self._last_recorded) / 1000
            gap = self._pace.gap(self.lines, recorded)
            self._due = self._schedule.after(self._last_due, gap)

    # The file

    def _flush(self) -> bool:
        """Whether all that was formed stands in the log."""
        try:
            while self._unwritten:
                self._unwritten = self._unwritten[self._log.write(self._unwritten) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            self._pause(f"cannot write to {self._config.log}: {error.strerror}")
            return False
        return True

    def _open(self) -> OrderLog:
        log = OrderLog(self._config.log)
        self._event_time = max(self._event_time, log.last_event_time or b"")
        return log

    def _turn_over(self) -> None:
        """Go on in a new file after a rename, once the state says that the old one is done."""
        if not self._log.was_renamed():
            return
        old, self._log = self._log, self._open()
        if self._save(old):
            logger.info("%s was renamed; writing a new one", self._config.log)
            old.close()
        else:
            self._log.close()
            self._log = old

    # Space, drops and checkpoints

    def _look_around(self, now: float) -> None:
        if now < self._next_look:
            return
        self._next_look = now + IDLE
        self._look_at_space()
        if self._unwritten:
            return
        if self._batch and not self._given_left():
            self._let_go()
        if not self._batch and (name := inject.waiting(self._drops)):
            self._take(Injection(name, 0))
            if not self._save():
                self._batch = None

    def _look_at_space(self) -> None:
        directory, least = self._config.log.parent, self._config.min_free_mb
        free = self._free(directory)
        if free < max(least * 1_000_000, _BATCH_BYTES):
            self._pause(f"{free // 1_000_000} MB are free in {directory}, less than {least}")
        elif self.paused:
            logger.info("there is room again; going on")
            self.paused, self._changed = None, True

    def _pause(self, reason: str) -> None:
        if not self.paused:
            logger.warning("pausing: %s", reason)
            self._changed = True
        self.paused = reason

    def _given_left(self) -> bool:
        return self._batch is not None and self._given_done < len(self._given)

    def _take(self, injection: Injection) -> None:
        try:
            self._given, self._given_gap = inject.bodies(
                self._drops, injection.name, self._config.format
            )
        except FileNotFoundError:
            return  # it was done, and the stop came before the state could say so
        except (OSError, msgspec.MsgspecError) as error:
            logger.error("the batch %s cannot be read, and goes: %s", injection.name, error)
            (self._drops / injection.name).unlink()
            return
        self._batch, self._given_done = injection.name, injection.written
        self._given_due = self._clock.monotonic()

    def _let_go(self) -> None:
        """The batch is written: first the state says so, then its file goes."""
        assert self._batch
        if self._save():
            (self._drops / self._batch).unlink(missing_ok=True)
            self._batch = None

    def _save(self, log: OrderLog | None = None) -> bool:
        """Save the exact state, and wait for it; `log` is the file that the last lines are in."""
        self._saved = self.state()
        return self._checkpoints.save((log or self._log).fd, self._saved)

    def _save_if_time(self, now: float) -> None:
        since = now - self._last_save
        if since < (_CHECKPOINT_EVERY if self._changed else _SIGN_OF_LIFE_EVERY):
            return
        current = self.state()
        if self._unwritten:  # only the pause is news: the lines are not in the log yet
            current = msgspec.structs.replace(
                self._saved, paused=current.paused, updated_at=current.updated_at
            )
        if self._checkpoints.offer(self._log.fd, current):
            self._saved = current
            self._last_save, self._changed = now, False
