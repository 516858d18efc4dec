"""What a day or a month amounts to, as the function's rows tell it."""

import json
from datetime import date

import pytest
from analytics_engine.records.buckets import bucket

from console import cli, minutes
from console.errors import ConsoleError
from tests.unit.console.test_alarms import Reader

TODAY = date(2026, 11, 29)
ORDER = {"service": "shop", "route": "order", "status_4xx": 2, "status_499": 1, "bytes": 10}
BUDGET = {"rule": "shop_availability", "scope": "shop", "objective": 0.999}


class Stack(Reader):
    """Answers by the query and the day; what there is not is empty."""

    def __init__(self, **rows):
        super().__init__()
        self.rows = rows

    def invoke(self, FunctionName, Payload):
        asked = json.loads(Payload)
        self.asked.append(asked)
        found = self.rows.get(asked["query"], {}).get(asked.get("day", asked.get("month")), [])
        self.answers = [{"rows": json.loads(json.dumps(found))}]
        self.asked, kept = [], self.asked
        answer = super().invoke(FunctionName, Payload)
        self.asked = kept
        return answer

    def __getitem__(self, name):
        return 2 if name == "surgewatch_host_orders_per_second" else super().__getitem__(name)


@pytest.fixture
def stack():
    def requests(count, failed):
        return [ORDER | {"requests": count, "status_5xx": failed}]

    def latency(*pairs):
        own = {"service": "shop", "route": "order"}
        return [own | {"bucket": bucket(ms / 1000), "requests": count} for ms, count in pairs]

    hour = {"hour": "2026-11-02T13:00:00.000Z", "orders": 900, "peak_minute": 241}
    return Stack(
        requests={"2026-11-01": requests(900, 0), "2026-11-02": requests(100, 1)},
        latency={
            "2026-11-01": latency((10, 500), (2000, 5)),
            "2026-11-02": latency((10, 400), (40, 90), (2000, 5)),
        },
        orders={
            "2026-11-01": [hour | {"hour": "2026-11-01T09:00:00.000Z", "peak_minute": 30}],
            "2026-11-02": [hour],
        },
        budget={"2026-11": [BUDGET | {"availability": 0.9995, "left_share": 0.5}]},
    )


def test_a_month_is_the_sum_of_its_days_up_to_today(stack):
    found = minutes.report(stack, "2026-11", TODAY)
    (route,) = found.routes
    assert (found.requests, found.failed, found.availability) == (1000, 1, 0.999)
    assert (route.refused, route.aborted, route.bytes) == (4, 2, 20)
    assert (route.p50_ms, route.p95_ms) == (10, 40)
    assert route.p99_ms == pytest.approx(40)
    assert (found.orders, found.peak_minute) == (1800, 241)
    assert found.peak_hour == "2026-11-02T13:00:00.000Z"
    assert found.hosts == 3  # 241 a minute are more than 4 a second
    days = [asked["day"] for asked in stack.asked if asked["query"] == "orders"]
    assert days == [f"2026-11-{day:02}" for day in range(1, 30)]


def test_it_is_told_on_lines(stack):
    assert minutes.sentences(minutes.report(stack, "2026-11-02", TODAY)) == [
        "2026-11-02 (UTC)",
        "Requests of users  100, availability 99 %",
        "  service  route  requests  available    p50    p95     p99",
        "  shop     order       100       99 %  10 ms  40 ms  2.00 s",
        "Error budget       shop_availability shop: 50 % of the month's left"
        " (objective 99.9 %, so far 99.95 %)",
        "Orders             900, at most 241 in a minute (in the hour from 2026-11-02 13:00)",
        "Hosts              3 hosts would have done, each trusted with 2 orders a second",
    ]


def test_where_nothing_came_all_is_unknown(capsys, monkeypatch):
    monkeypatch.setattr("console.stack.load", lambda: Stack())
    assert cli.main(["report", "--month", "2026-10"]) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[1:] == [
        "Requests of users  0, availability unknown",
        "Error budgets      unknown: no request counted for an objective",
        "Orders             unknown",
    ]
    assert "100" not in told


def test_it_is_told_to_programs(stack, capsys, monkeypatch):
    monkeypatch.setattr("console.stack.load", lambda: stack)
    assert cli.main(["report", "--day", "2026-11-01", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["period"], told["requests"], told["availability"]) == ("2026-11-01", 900, 1.0)
    assert told["routes"][0]["p50_ms"] == 10
    assert told["budgets"][0]["left"] == 0.5


def test_a_share_is_never_rounded_up_to_all(stack):
    for share, told in (
        *((1, "100 %"), (0.9999999, "99.999 %"), (0.29, "29 %"), (0, "0 %")),
        *((-0.5, "-50 %"), (-9999, "-999900 %")),
    ):
        assert minutes._percent(share) == told


@pytest.mark.parametrize(
    "period", ["2026-13", "2026-02-30", "today", "2026", "", "2026-11-2", "20261102", "2026-W1-1"]
)
def test_a_period_that_there_is_not_is_refused(stack, period):
    with pytest.raises(ConsoleError, match="neither a day"):
        minutes.report(stack, period, TODAY)
