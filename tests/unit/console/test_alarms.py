"""The alarm history as the function tells it, on lines for people and for programs."""

import io
import json
from itertools import islice

import pytest
from botocore.exceptions import ClientError

from console import alarms
from console.commands import alarms as command
from console.errors import ConsoleError

OPEN = {
    "id": 7,
    "alarm_creation_time": "2026-11-24T06:43:01.200Z",
    "kind": "OPEN",
    "rule": "order_surge",
    "scope": "",
    "value": 1230.0,
    "unit": "orders",
    "threshold": 1200.0,
    "window_seconds": 15.0,
    "late": False,
    "duration_seconds": None,
    "reason": None,
    "peak": None,
}
CLOSE = OPEN | {"id": 9, "kind": "CLOSE", "duration_seconds": 83.2, "peak": 1600.0, "late": True}


class Reader:
    """The function, by the answers it has left."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def invoke(self, FunctionName, Payload):
        assert FunctionName == "shop-alarm_reader"
        self.asked.append(json.loads(Payload))
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            raise ClientError({"Error": {"Code": answer}}, "Invoke")
        body = io.BytesIO(json.dumps(answer).encode())
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": body, **failed}

    def client(self, service):
        assert service == "lambda"
        return self

    def __getitem__(self, name):
        return {"surgewatch_alarm_reader": "shop-alarm_reader"}[name]


def test_an_alarm_is_a_sentence():
    assert alarms.sentence(OPEN) == (
        "2026-11-24 06:43:01  OPEN       order_surge: 1,230 orders in 15 s, threshold 1,200"
    )
    assert alarms.sentence(CLOSE | {"scope": "Portugal"}) == (
        "2026-11-24 06:43:01  CLOSE      order_surge Portugal: over after 83 s, "
        "peak 1,600 orders, found late"
    )


def test_the_function_gets_the_query_and_its_error_is_told():
    reader = Reader({"rows": [OPEN]}, {"errorMessage": "database is away"})
    assert alarms.ask_function(reader, "shop-alarm_reader", "list", limit=1) == [OPEN]
    assert reader.asked == [{"query": "list", "limit": 1}]
    with pytest.raises(ConsoleError, match="database is away"):
        alarms.ask_function(reader, "shop-alarm_reader", "list")


def test_a_function_that_was_idle_is_asked_until_it_is_awake(monkeypatch, capsys):
    monkeypatch.setattr(alarms, "POLL_SECONDS", 0)
    reader = Reader(*["ResourceConflictException"] * 2, {"rows": [OPEN]})
    assert alarms.ask_function(reader, "shop-alarm_reader", "list") == [OPEN]
    assert capsys.readouterr().err.count("was idle for long") == 1


@pytest.mark.parametrize(
    ("code", "error"),
    [("ResourceConflictException", ConsoleError), ("ResourceNotFoundException", ClientError)],
)
def test_it_is_not_asked_for_ever(monkeypatch, code, error):
    monkeypatch.setattr(alarms, "POLL_SECONDS", 0)
    monkeypatch.setattr(alarms, "WAKING_SECONDS", -1)
    with pytest.raises(error, match=code):
        alarms.ask_function(Reader(code), "shop-alarm_reader", "list")


def test_follow_asks_for_what_came_after_the_last(monkeypatch):
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    reader = Reader({"rows": []}, {"rows": [OPEN]}, {"rows": []}, {"rows": [CLOSE]})
    assert list(islice(command.follow(reader), 2)) == [OPEN, CLOSE]
    assert [asked.get("after") for asked in reader.asked] == [None, 0, 7, 7]


def test_only_those_of_a_stream_are_asked_for(monkeypatch):
    monkeypatch.setattr(command, "POLL_SECONDS", 0)
    reader = Reader({"rows": [OPEN]}, {"rows": [CLOSE]})
    assert len(list(islice(command.follow(reader, source="access"), 2))) == 2
    assert [asked["source"] for asked in reader.asked] == ["access", "access"]


def test_a_month_is_summed_by_rule(monkeypatch, capsys):
    hour = {"rule": "order_surge", "incidents": 2, "minutes_in_alarm": 1.5, "peak": 53.0}
    hour |= {"below": 0}
    silent = hour | {"rule": "orders_silent", "below": 1}
    rows = [
        hour | {"hour": "2026-11-24T06:00:00.000Z"},
        hour | {"hour": "2026-11-24T05:00:00.000Z", "peak": 60.0},
        silent | {"hour": "2026-11-24T05:00:00.000Z", "peak": 2.0},
        silent | {"hour": "2026-11-24T06:00:00.000Z", "peak": 1.0},
    ]
    monkeypatch.setattr(command.alarms, "ask", lambda *_, **__: rows)
    monkeypatch.setattr(command.stacks, "load", lambda: None)
    command.run(OPTIONS)
    assert capsys.readouterr().out.splitlines() == [
        "order_surge",
        "  2026-11-24 05:00       2 incidents      1.5 minutes in alarm   peak 60",
        "  2026-11-24 06:00       2 incidents      1.5 minutes in alarm   peak 53",
        "  whole month            4 incidents      3.0 minutes in alarm   peak 60",
        "",
        "orders_silent",
        "  2026-11-24 05:00       2 incidents      1.5 minutes in alarm   peak 2",
        "  2026-11-24 06:00       2 incidents      1.5 minutes in alarm   peak 1",
        "  whole month            4 incidents      3.0 minutes in alarm   peak 1",
        "",
    ]


class OPTIONS:
    summary = "2026-11"
    follow = json = False
