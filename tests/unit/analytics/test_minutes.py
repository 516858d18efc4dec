"""What each minute amounts to, compared with a plain count that shares no code."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from analytics_engine.evaluation import minutes
from analytics_engine.records import kind
from analytics_engine.records.buckets import bucket
from analytics_engine.records.kind import Source
from analytics_engine.rules.files import HOME
from analytics_engine.rules.rule import Rule
from analytics_engine.service.store import Store

from tests.unit.analytics.conftest import ORDERS, START, Put, puts, time_of

ACCESS = Source(kind.load(HOME / "records")["access"], 500)
KEYS = ("service", "direction", "called", "route", "visitor")
RULE = Rule("requests_silent", 1, source="access", comparison="below")


@dataclass
class Request:
    """A request line, and when it was put, in milliseconds after START."""

    shard: int
    put_ms: int
    time_ms: int
    fields: dict[str, Any]

    @property
    def arrival(self) -> float:
        return (START + self.put_ms) / 1000

    @property
    def data(self) -> bytes:
        return json.dumps(self.fields | {"EventTime": time_of(self.time_ms)}).encode()


def random_requests(seed: int, seconds: int = 400) -> list[Request]:
    """Bursts, gaps, ties, repeats, disorder; lines that come late, and clocks that are fast."""
    rng = random.Random(seed)
    found: list[Request] = []
    now = 0
    while now < seconds * 1000:
        for _ in range(rng.randrange(1, 60)):
            now += rng.choice((0, 0, 1, 7, 40, 100, 700))
            if rng.random() < 0.2:
                now -= now % 100
            calls = rng.random() < 0.2
            fields: dict[str, Any] = {
                "RequestId": f"r{len(found)}",
                "Service": rng.choice(("shop", "shop", "stock")),
                "Direction": "out" if calls else "in",
                "To": "payment" if calls else "",
                "Route": rng.choice(("order", "product", "home ", "home")),
                "Visitor": rng.choice(("user", "user", "bot")),
                "Status": rng.choice((200, 200, 200, 301, 404, 499, 500, "502", 503, "")),
                "Seconds": rng.choice((0, 0.001, 0.063, 0.064, 0.8004, 12.5, "0.25", "", "-", -1)),
                "Bytes": rng.choice((0, 512, "1024", 10**6, "", -5, 10**15)),
            }
            delay, time = rng.randrange(0, 450), now
            if rng.random() < 0.08:
                delay = rng.choice((500, 599, 601, 5_000, 70_000, 130_000, 899_000))
            elif rng.random() < 0.02:
                time += rng.choice((4_000, 60_000))
            found.append(Request(rng.randrange(2), now + delay, time, fields))
            while time == now and rng.random() < 0.1:
                again = rng.choice((0, 100, 2_000, 90_000))
                copy = Request(rng.randrange(2), now + delay + again, time, fields)
                found.append(copy)
        now += rng.choice((0, 500, 9_000, 75_000))
    return sorted(found, key=lambda request: request.put_ms)


def brute_force(requests: Sequence[Request]) -> dict[tuple, dict[str, Any]]:
    """By minute and key, what each line adds."""
    found: dict[tuple, dict[str, Any]] = {}
    latest: dict[int, int] = defaultdict(int)
    seen: set[str] = set()
    for one in requests:
        arrived = latest[one.shard] = max(latest[one.shard], one.put_ms)
        tick = (START + one.time_ms) // 100 + 1
        decided_with = -((500 - START - arrived) // 100)
        time = arrived if one.time_ms > arrived + 5_000 else one.time_ms
        if one.time_ms <= arrived + 5_000 and tick < decided_with - 9_000:
            continue
        fields = one.fields
        if fields["RequestId"] in seen:
            continue
        seen.add(fields["RequestId"])
        names = ("Service", "Direction", "To", "Route", "Visitor")
        key = (time // 60_000, *(fields[name].strip() for name in names))
        row = found.setdefault(key, Counter(histogram=[]))
        row["requests"] += 1
        status = int(fields["Status"] or 0)
        row["status_5xx"] += status >= 500
        row["status_4xx"] += 400 <= status < 500
        row["status_499"] += status == 499
        size = int(fields["Bytes"] or 0)
        row["bytes"] += size if 0 < size <= 10**12 else 0
        if fields["Seconds"] not in ("", "-", -1):
            row["histogram"].append(bucket(fields["Seconds"]))
    for row in found.values():
        row["histogram"] = sorted(Counter(row["histogram"]).items())
    return {key: dict(row) for key, row in found.items()}


class Reader:
    """Reads the shards in any order, in batches of any size, and forgets what was not saved."""

    def __init__(self, requests: Sequence[Request], seed: int, path: Path | str) -> None:
        self.rng, self.path = random.Random(seed), path
        self.shards = {
            str(number): [one for one in requests if one.shard == number] for number in (0, 1)
        }
        self.store = Store(path, measured=True)
        self.open()

    def open(self) -> None:
        self.engine = self.store.engine("access", ACCESS)
        self.engine.change(ACCESS, [RULE], {})
        if not self.engine.shards:
            for name in self.shards:
                self.engine.open_shard(name)

    def run(self, crashes: float = 0.0) -> list[dict[str, Any]]:
        while self.step():
            self.engine.advance()
            if self.rng.random() < 0.3:
                self.store.save({"access": self.engine})
            if self.rng.random() < crashes:
                self.store.close()
                self.store = Store(self.path, measured=True)
                self.open()
        for name in self.shards:
            self.engine.idle(name, START + 3_600_000)
        self.engine.advance()
        self.store.save({"access": self.engine})
        return [msgspec.json.decode(one) for _, _, one in self.store.measures(10**6)]

    def step(self) -> bool:
        at = {name: int(self.engine.shards[name].last or 0) for name in self.shards}
        left = [name for name, records in self.shards.items() if at[name] < len(records)]
        if not left:
            return False
        name = self.rng.choice(left)
        end = min(at[name] + self.rng.choice((1, 3, 20, 200)), len(self.shards[name]))
        self.engine.read(name, str(end), self.shards[name][at[name] : end])
        for other in self.shards.keys() - set(left):
            ahead = min(self.shards[one][at[one]].put_ms for one in left)
            self.engine.idle(other, START + ahead)
        return True


def newest(measures: Sequence[dict[str, Any]]) -> dict[tuple, dict[str, Any]]:
    """By minute and key, what the greatest number of lines says."""
    found: dict[tuple, dict[str, Any]] = {}
    for one in sorted(measures, key=lambda one: one["requests"]):
        minute = one["minute"]
        assert minute.endswith(":00.000Z")
        number = (int(minute[11:13]) - 12) * 60 + int(minute[14:16])
        values = {name: value for name, value in one.items() if name not in KEYS}
        assert values.pop("kind") == "access"
        del values["minute"]
        values["histogram"] = [tuple(pair) for pair in values["histogram"]]
        found[number, *(one[key] for key in KEYS)] = values
    return found


@pytest.mark.parametrize("seed", range(12))
def test_minutes_are_what_a_plain_count_says(seed: int) -> None:
    requests = random_requests(seed)
    told = Reader(requests, seed, ":memory:").run()
    assert newest(told) == brute_force(requests)
    # What is told, and how often, depends on the stream alone.
    again = Reader(requests, seed + 1000, ":memory:").run()
    assert sorted(map(str, again)) == sorted(map(str, told))
    assert len(told) > len(newest(told))  # late lines changed what had been told


@pytest.mark.parametrize("seed", range(8))
def test_what_was_not_saved_is_counted_again(seed: int, tmp_path: Path) -> None:
    requests = random_requests(seed + 50, 250)
    told = Reader(requests, seed, tmp_path / "engine.db").run(crashes=0.1)
    assert newest(told) == brute_force(requests)


def test_keys_beyond_the_room_are_counted_under_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minutes, "ROOM", 5)
    requests = random_requests(3, 200)
    told = Reader(requests, 3, ":memory:").run()
    whole, bounded = brute_force(requests), newest(told)
    for minute in {key[0] for key in whole}:
        keys = [key for key in bounded if key[0] == minute]
        assert len(keys) <= 6
        for name in ("requests", "status_5xx", "bytes"):
            expected = sum(row[name] for key, row in whole.items() if key[0] == minute)
            assert sum(bounded[key][name] for key in keys) == expected
    assert any(key[1:] == ("other",) * 5 for key in bounded)
    again = Reader(requests, 4, ":memory:").run()
    assert sorted(map(str, again)) == sorted(map(str, told))


def test_orders_are_counted_without_those_of_tests() -> None:
    store = Store(":memory:", measured=True)
    engine = store.engine("orders", ORDERS)
    engine.change(ORDERS, [], {})
    assert engine.reads
    engine.open_shard("0")
    records: list[Put] = [*puts(range(0, 61_000, 1000)), *puts([500], invoice="V1-1")]
    engine.read("0", "0", sorted(records, key=lambda put: put.put_ms))
    engine.idle("0", START + 180_000)
    engine.advance()
    store.save({"orders": engine})
    assert [json.loads(one) for _, _, one in store.measures()] == [
        {"kind": "order", "minute": time_of(0), "orders": 60},
        {"kind": "order", "minute": time_of(60_000), "orders": 1},
    ]


def test_a_bucket_is_within_1_6_percent() -> None:
    lows: dict[int, int] = {}
    for ms in range(200_000):
        number = bucket(ms / 1000)
        assert number is not None
        low = lows.setdefault(number, ms)
        assert number == bucket(low / 1000)
        width = 1 if number < 64 else 1 << ((number >> 5) - 1)
        assert low <= ms < low + width
        assert width / 2 <= max(low, 32) / 64
    assert bucket(10**9) == bucket(24 * 3600)
    assert {bucket(odd) for odd in ("", "-", "nan", -0.1)} == {None}
