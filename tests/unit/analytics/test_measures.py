"""Measures on their way to their stream."""

import time

from analytics_engine.errors import AlarmRefused, StreamError
from analytics_engine.service import measures
from analytics_engine.service.measures import Sender
from analytics_engine.service.store import Store


class Sink:
    """Takes two at once; says no to some, once or for ever."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.fails: list[Exception] = []

    def put(self, rows: list[tuple[int, str, bytes]]) -> int:
        if self.fails:
            raise self.fails.pop(0)
        if rows[0][2] == b"never":
            raise AlarmRefused("too large")
        some = [row for row in rows[:2] if row[2] != b"never"]
        self.taken += [data for _, _, data in some]
        return some[-1][0]


def test_each_is_sent_in_order_and_one_that_is_refused_holds_up_no_other(monkeypatch) -> None:
    monkeypatch.setattr(measures, "RETRY_SECONDS", 0.01)
    store, sink = Store(":memory:", measured=True), Sink()
    sink.fails = [StreamError("away"), StreamError("away")]
    rows = [b"1", b"2", b"never", b"3", b"4"]
    store._sql.executemany(
        "INSERT INTO measure (minute, measure) VALUES ('m', ?)", [(row,) for row in rows]
    )
    sender, deadline = Sender(store, sink), time.monotonic() + 20
    while store.measures():
        sender.step()
        assert time.monotonic() < deadline, sink.taken
    sender.close()
    assert sink.taken == [b"1", b"2", b"3", b"4"]
    assert sender.error is None
    store.close()
