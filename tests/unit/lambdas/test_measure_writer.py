"""measure_writer, against MariaDB and S3, and what alarm_reader says of the minutes."""

import json
import math
import random
from datetime import UTC, datetime, timedelta

import pytest
from analytics_engine.records.buckets import bucket as bucket_of

from alarm_reader import handler as reader
from alarm_reader.queries import QueryError
from common.rejected import RejectedError
from measure_writer import handler
from measure_writer.measure import measure_of
from tests.mutation import mutated
from tests.unit.lambdas.conftest import CONTEXT, SHARD, failures, kinesis_event

DAY = "2026-01-31"
TABLES = ("access_minutes", "order_minutes", "rule_minutes", "slo_minutes")


def access(minute: str = "12:00", **given: object) -> dict:
    own = {
        "kind": "access", "minute": f"{DAY}T{minute}:00.000Z", "service": "shop",
        "direction": "in", "called": "", "route": "order", "visitor": "user", "requests": 3,
        "status_5xx": 1, "status_4xx": 0, "status_499": 0, "bytes": 5000,
        "histogram": [[12, 2], [70, 1]],
    }  # fmt: skip
    return own | given


def orders(minute: str, count: int, day: str = DAY) -> dict:
    return {"kind": "order", "minute": f"{day}T{minute}:00.000Z", "orders": count}


def rule(**given: object) -> dict:
    own = {"kind": "rule", "minute": f"{DAY}T12:00:00.000Z", "rule": "route_fails", "scope": "cart",
           "value": 0.25, "threshold": 0.2, "lines": 40, "hot_ticks": 17, "ticks": 600}  # fmt: skip
    return own | given


def slo(minute: str, lines: int, bad: int, **given: object) -> dict:
    own = {"kind": "slo", "minute": f"{DAY}T{minute}:00.000Z", "rule": "shop_availability",
           "scope": "shop", "objective": 0.99, "lines": lines, "bad": bad}  # fmt: skip
    return own | given


@pytest.fixture
def write(aws, history, bucket, monkeypatch):
    """Hand measures to the function; answers with the sequence numbers that failed."""
    monkeypatch.setenv("DATABASE_SECRET", history.ids["measure_writer"])
    handler.tables.cache_clear()

    def hand_over(*measures: object) -> list[int]:
        data = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in measures]
        return failures(handler.lambda_handler(kinesis_event(*data), CONTEXT))

    yield hand_over
    handler.tables.cache_clear()


@pytest.fixture
def minutes(mariadb):
    def read(table: str) -> list[dict]:
        with mariadb.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM logs.{table} ORDER BY 1, 2")
            return list(cursor.fetchall())

    return read


@pytest.fixture
def ask(write, history, monkeypatch):
    """Ask alarm_reader of what was written."""
    monkeypatch.setenv("DATABASE_SECRET", history.ids["measure_writer"])
    handler.tables()
    monkeypatch.setenv("DATABASE_SECRET", history.ids["alarm_reader"])
    reader.database.cache_clear()
    yield lambda **event: reader.lambda_handler(event, CONTEXT)["rows"]
    reader.database.cache_clear()


def test_each_kind_has_its_table(write, minutes):
    assert write(access(), orders("12:00", 7), rule(), slo("12:00", 40, 2)) == []
    (row,) = minutes("access_minutes")
    assert row["minute"] == datetime(2026, 1, 31, 12)
    assert json.loads(row["histogram"]) == [[12, 2], [70, 1]]
    assert (row["service"], row["requests"], row["bytes"]) == ("shop", 3, 5000)
    assert [row["orders"] for row in minutes("order_minutes")] == [7]
    assert [(row["value"], row["hot_ticks"]) for row in minutes("rule_minutes")] == [(0.25, 17)]
    assert [(row["lines"], row["bad"]) for row in minutes("slo_minutes")] == [(40, 2)]


@pytest.mark.parametrize("together", [True, False])
def test_the_most_requests_are_the_newest_in_whatever_order_they_come(write, minutes, together):
    versions = [
        access(requests=count, status_5xx=count // 2, histogram=[[5, count]])
        for count in (3, 9, 9, 4, 1)
    ]
    for some in [versions] if together else [[one] for one in versions]:
        assert write(*some) == []
    (row,) = minutes("access_minutes")
    assert (row["requests"], row["status_5xx"]) == (9, 4)
    assert json.loads(row["histogram"]) == [[5, 9]]


def test_what_can_never_be_stored_is_put_aside_and_the_others_are_stored(write, minutes, bucket):
    wrong = [
        b"\xff", b"[]", {"kind": "cpu"}, access(requests=-1), access(histogram=[[1]]),
        access(minute="12:00:30"), access(service="x" * 121), access(route=None),
        access(bytes=2**63), rule(value=1e400), {"kind": []},
    ]  # fmt: skip
    assert write(*wrong, access()) == []
    assert len(minutes("access_minutes")) == 1
    kept = bucket()
    assert len(kept) == len(wrong)
    assert f"rejected/measure_writer/{SHARD}-1000.json" in kept


def test_what_the_database_refuses_holds_up_no_other(write, minutes, bucket, admin, history):
    admin.execute("ALTER TABLE logs.order_minutes ADD CHECK (orders < 100)")
    assert write(*(orders(f"12:0{n}", 200 if n in (0, 7) else n) for n in range(10))) == []
    assert [row["orders"] for row in minutes("order_minutes")] == [1, 2, 3, 4, 5, 6, 8, 9]
    assert len(bucket()) == 2


def test_a_database_that_is_down_is_waited_for(write, minutes, bucket, mariadb):
    mariadb.kill()
    assert write(b"never", access(), orders("12:00", 7)) == [1001, 1002]
    mariadb.start()
    assert write(b"never", access(), orders("12:00", 7)) == []
    assert len(minutes("access_minutes")) == len(minutes("order_minutes")) == 1
    assert len(bucket()) == 1


def test_what_is_too_old_goes_as_fast_as_rows_come(write, minutes):
    now = datetime.now(UTC)
    old = [f"{now - timedelta(days=401):%Y-%m-%d}", f"{now - timedelta(days=399):%Y-%m-%d}"]
    assert write(*(orders(f"12:{n:02}", n, day) for day in old for n in range(30))) == []
    kept = {f"{row['minute']:%Y-%m-%d}" for row in minutes("order_minutes")}
    assert kept == {old[1]}


def test_mutated_measures_hold_up_none(write, minutes, full: bool):
    rng = random.Random(4)
    whole = [json.dumps(one).encode() for one in (access(), orders("12:00", 7), rule(),
                                                  slo("12:00", 40, 2))]  # fmt: skip
    refused = 0
    for _ in range(50_000 if full else 3_000):
        try:
            measure_of(mutated(rng, rng.choice(whole)))
        except RejectedError:
            refused += 1
    assert refused > 500
    for start in range(0, 5_000 if full else 300, 100):
        odd = [mutated(rng, rng.choice(whole)) for _ in range(100)]
        last = orders(f"{start // 6000:02}:{start // 100 % 60:02}", 1, "2026-03-01")
        assert write(*odd, last) == []
        assert minutes("order_minutes")[-1]["orders"] == 1


def test_a_day_of_requests(write, ask):
    write(
        access("00:00"), access("23:59", requests=7, status_4xx=2, status_499=1),
        access("12:00", route="home", status_5xx=0), access("12:00", visitor="bot"),
        access("12:00", direction="out", called="stock"),
        access("12:00") | {"minute": "2026-02-01T00:00:00.000Z"},
    )  # fmt: skip
    rows = ask(query="requests", day=DAY)
    assert [(row["route"], row["requests"], row["status_5xx"], row["status_4xx"]) for row in rows] \
        == [("home", 3, 0, 0), ("order", 10, 2, 2)]  # fmt: skip
    assert rows[1]["status_499"] == 1
    assert rows[1]["bytes"] == 10_000
    assert ask(query="requests", day="2026-01-30") == []
    cells = ask(query="latency", day=DAY)
    assert [(row["route"], row["bucket"], row["requests"]) for row in cells] == [
        ("home", 12, 2), ("home", 70, 1), ("order", 12, 4), ("order", 70, 2),
    ]  # fmt: skip


def test_percentiles_of_an_hour_are_within_a_bucket(write, ask, admin):
    rng = random.Random(5)
    times = [min(int(rng.lognormvariate(4, 1.5)), 10**7) for _ in range(3_000)]
    parts = [times[:1_000], times[1_000:]]
    for number, part in enumerate(parts):
        histogram: dict[int, int] = {}
        for ms in part:
            place = bucket_of(ms / 1000)
            histogram[place] = histogram.get(place, 0) + 1
        pairs = sorted(histogram.items())
        write(access(f"12:0{number}", requests=len(part), histogram=pairs))
    admin.execute("SELECT * FROM logs.latency_by_hour")
    (row,) = admin.fetchall()
    assert (row["hour"], row["requests"]) == (datetime(2026, 1, 31, 12), 3_000)
    for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)):
        exact = sorted(times)[math.ceil(share * len(times)) - 1]
        assert row[name] == pytest.approx(exact, rel=1 / 64)


def test_hours_of_availability_and_orders(write, ask, admin):
    write(access(), access("12:59", requests=5, status_5xx=0), access("13:00", visitor="probe"))
    write(orders("12:00", 7), orders("12:01", 9), orders("13:00", 0))
    admin.execute("SELECT * FROM logs.availability_by_hour")
    (row,) = admin.fetchall()  # what nobody asked for at 13:00 is unknown
    assert (row["hour"].hour, row["requests"], row["failed"]) == (12, 8, 1)
    assert float(row["availability"]) == pytest.approx(7 / 8)
    admin.execute("SELECT * FROM logs.orders_by_hour")
    told = [(row["hour"].hour, row["orders"], row["peak_minute"]) for row in admin.fetchall()]
    assert told == [(12, 16, 9), (13, 0, 0)]
    rows = ask(query="orders", day=DAY)
    assert [(row["hour"], row["orders"], row["peak_minute"]) for row in rows] == [
        (f"{DAY}T12:00:00.000Z", 16, 9),
        (f"{DAY}T13:00:00.000Z", 0, 0),
    ]


def test_what_is_left_of_a_budget(write, ask):
    write(slo("12:00", 900, 1), slo("12:01", 100, 1), slo("12:00", 50, 3, scope="stock"))
    shop, stock = ask(query="budget", month="2026-01")
    assert (shop["scope"], shop["lines"], shop["bad"]) == ("shop", 1000, 2)
    assert shop["objective"] == pytest.approx(0.99)
    assert shop["left_share"] == pytest.approx(0.8)
    assert stock["left_share"] == pytest.approx(-5)
    assert ask(query="budget", month="2026-02") == []


@pytest.mark.parametrize(
    "event",
    [
        {"query": "requests", "day": "2026-1-31"},
        {"query": "latency", "day": "2026-02-30"},
        {"query": "orders", "day": 5},
        {"query": "orders"},
        {"query": "budget", "month": "2026-13"},
        {"query": "budget", "month": None},
    ],
)
def test_a_day_that_there_is_not_is_refused(event):
    with pytest.raises(QueryError):
        reader.lambda_handler(event, CONTEXT)
