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
from analytics_engine.records.where import Where
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


def random_requests(seed: int, seconds: int = 400, late: bool = True) -> list[Request]:
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
            if not late:
                pass
            elif rng.random() < 0.08:
                delay = rng.choice((500, 599, 601, 5_000, 70_000, 130_000, 899_000))
            elif rng.random() < 0.02:
                time += rng.choice((4_000, 60_000))
            found.append(Request(rng.randrange(2), now + delay, time, fields))
            while late and time == now and rng.random() < 0.1:
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

    def __init__(
        self,
        requests: Sequence[Request],
        seed: int,
        path: Path | str,
        rules: Sequence[Rule] = (RULE,),
    ) -> None:
        self.rules = rules
        self.rng, self.path = random.Random(seed), path
        self.shards = {
            str(number): [one for one in requests if one.shard == number] for number in (0, 1)
        }
        self.store = Store(path, measured=True)
        self.open()

    def open(self) -> None:
        self.engine = self.store.engine("access", ACCESS)
        self.engine.change(ACCESS, self.rules, {})
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
        told = [msgspec.json.decode(one) for _, _, one in self.store.measures(10**6)]
        self.rules_told = [one for one in told if one["kind"] != "access"]
        return [one for one in told if one["kind"] == "access"]

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


def test_the_last_place_is_not_given_by_the_order_of_reading(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(minutes, "ROOM", 1)
    names = [f"s{number}" for number in range(20, 0, -1)]
    requests = [
        Request(0, 100, 50, {"RequestId": name, "Service": name, "Status": 200}) for name in names
    ]
    told = Reader(requests, 1, ":memory:").run()
    assert {(one["service"], one["requests"]) for one in told} == {("s1", 1), ("other", 19)}


LINES = Rule("many", 40, source="access", window_seconds=20, quiet_seconds=5)
ROUTES = Rule(
    "route", 8, source="access", where=Where("Status", at_least=400), group_by="Route",
    window_seconds=30, quiet_seconds=10,
)  # fmt: skip
SHARE = Rule(
    "share", 0.3, source="access", measure="share", where=Where("Status", at_least=500),
    group_by="Service", window_seconds=20, minimum_lines=5, quiet_seconds=5,
)  # fmt: skip
SILENT = Rule("silent", 3, source="access", comparison="below", window_seconds=40, quiet_seconds=9)
BURN = Rule(
    "available", source="access", measure="burn", objective=0.9, group_by="Service",
    where=Where("Status", at_least=500), among=Where("Visitor", equals="user"),
)  # fmt: skip


def seen_by_tick(rule: Rule, requests: Sequence[Request], end: int) -> dict[tuple, tuple]:
    """By minute and group: the furthest value, its lines, hot ticks. Every tick is looked at."""
    test = msgspec.to_builtins(rule.where) if isinstance(rule.where, Where) else None
    ticks: dict[int, list[tuple[str, bool]]] = defaultdict(list)
    for one in requests:
        bad = test is not None and int(one.fields["Status"] or 0) >= test["at_least"]
        if bad or rule.where is None or rule.measure == "share":
            group = str(one.fields[rule.group_by]) if rule.group_by else ""
            ticks[one.time_ms // 100 + 1].append((group, bad))
    found: dict[tuple, tuple] = {}
    hot: Counter[tuple] = Counter()
    born: dict[str, int] = {}
    for tick in range(min(ticks), end):
        window = [
            line
            for at in range(tick - rule.window_seconds * 10 + 1, tick + 1)
            for line in ticks.get(at, ())
        ]
        lines = Counter(group for group, _ in window)
        for group in lines:
            born.setdefault(group, tick)
        for group in born if rule.comparison == "below" else lines:
            value: float = lines[group]
            if rule.measure == "share":
                value = sum(bad for name, bad in window if name == group) / lines[group]
            if lines[group] < rule.minimum_lines:
                continue
            if rule.comparison == "below" and tick < born[group] + rule.window_seconds * 10:
                continue
            key = ((tick - 1) // 600, group)
            below = rule.comparison == "below"
            hot[key] += value < rule.threshold if below else value >= rule.threshold
            known = found.get(key)
            if known is None or (value < known[0] if below else value > known[0]):
                found[key] = (value, lines[group])
    return {key: (*seen, hot[key]) for key, seen in found.items()}


@pytest.mark.parametrize("seed", range(4))
def test_a_rules_minutes_are_what_every_tick_says(seed: int, tmp_path: Path) -> None:
    requests = random_requests(seed + 20, 300, late=False)
    rules = [LINES, ROUTES, SHARE, SILENT]
    reader = Reader(requests, seed, tmp_path / "engine.db", rules)
    reader.run(crashes=0.1)
    end = max(one.time_ms for one in requests) // 100
    told: dict[str, dict[tuple, tuple]] = defaultdict(dict)
    for one in reader.rules_told:
        key = (int(one["minute"][11:13]) * 60 + int(one["minute"][14:16]) - 720, one["scope"])
        assert one["kind"] == "rule"
        assert one["ticks"] == 600
        assert key not in told[one["rule"]]
        told[one["rule"]][key] = (one["value"], one["lines"], one["hot_ticks"])
    for rule in rules:
        expected = seen_by_tick(rule, requests, end)
        whole = {key: row for key, row in expected.items() if key[0] < end // 600}
        assert {key: row for key, row in told[rule.name].items() if key[0] < end // 600} == whole
        assert any(hot for _, _, hot in whole.values()), rule.name


def test_of_many_groups_the_furthest_and_the_open_ones_are_told() -> None:
    rule = Rule("flood", 30, source="access", group_by="Path", window_seconds=10, quiet_seconds=5)
    rng = random.Random(1)
    requests = [
        Request(number % 2, ms + 100, ms, {"RequestId": str(number), "Service": "s", "Status": 200,
                                           "Path": f"p{rng.randrange(60) ** 2 // 60}"})
        for number, ms in enumerate(range(0, 180_000, 20))
    ]  # fmt: skip
    told = Reader(requests, 1, ":memory:", [rule])
    told.run()
    again = Reader(requests, 2, ":memory:", [rule])
    again.run()
    assert told.rules_told == again.rules_told
    for one in requests:
        one.fields["Service"] = one.fields["Path"]
    by_path = msgspec.structs.replace(rule, group_by="Service")
    expected = seen_by_tick(by_path, requests, 1801)
    for minute in range(3):
        rows = {group: row for (at, group), row in expected.items() if at == minute}
        ranked = sorted(rows, key=lambda group: (rows[group][0], group), reverse=True)
        wanted = set(ranked[:5]) | {group for group, row in rows.items() if row[2]}
        found = {
            one["scope"]: (one["value"], one["lines"], one["hot_ticks"])
            for one in told.rules_told
            if one["minute"] == time_of(minute * 60_000)
        }
        assert wanted <= found.keys()
        assert found == {group: rows[group] for group in found}
        # Beside them, those whose incident of the minute before was still open.
        assert all(expected[minute - 1, group][2] for group in found.keys() - wanted)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_spent_of_a_budget_is_what_a_plain_count_says(seed: int, tmp_path: Path) -> None:
    requests = random_requests(seed + 70, 250)
    reader = Reader(requests, seed, tmp_path / "engine.db", [BURN])
    reader.run(crashes=0.1)
    found: dict[tuple, tuple] = {}
    for one in sorted(
        (one for one in reader.rules_told if one["kind"] == "slo"), key=lambda one: one["lines"]
    ):
        assert (one["rule"], one["objective"]) == ("available", 0.9)
        minute = int(one["minute"][11:13]) * 60 + int(one["minute"][14:16]) - 720
        found[minute, one["scope"]] = (one["lines"], one["bad"])
    expected: dict[tuple, tuple] = {}
    for key, row in brute_force(requests).items():
        if key[5] == "user":
            lines, bad = expected.get(key[:2], (0, 0))
            expected[key[:2]] = (lines + row["requests"], bad + row["status_5xx"])
    assert found == expected


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
