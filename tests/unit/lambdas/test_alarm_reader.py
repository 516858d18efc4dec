"""alarm_reader: what operators can ask of the history."""

import pytest

from alarm_reader import handler
from alarm_reader.queries import QueryError
from alarm_recorder.alarm import alarm_of
from alarm_recorder.history import History
from common.database import Database
from tests.unit.lambdas.conftest import CONTEXT
from tests.unit.lambdas.test_alarm import alarm, close


@pytest.fixture
def reader(history, monkeypatch):
    """Ask alarm_reader; the history can be added to with `reader.add`."""
    monkeypatch.setenv("DATABASE_SECRET", history.ids["alarm_reader"])
    handler.database.cache_clear()
    recorder = History(Database(lambda fresh=False: history.read("alarm_recorder")))

    def ask(**event: object) -> list[dict]:
        return handler.lambda_handler(event, CONTEXT)["rows"]

    ask.add = lambda *data: [recorder.add(alarm_of(one)) for one in data]
    yield ask
    handler.database.cache_clear()


def incident(number: int, *times: str, peak: int = 0, test: bool = False) -> list[bytes]:
    """The alarms of an incident: OPEN, REMINDERs and CLOSE at these times."""
    own = {"incident_id": f"incident-{number}", "opened_at": times[0], "test": test}
    return [
        alarm(**own, event_time=times[0]),
        *(
            alarm(**own, kind="REMINDER", sequence=sequence, event_time=time)
            for sequence, time in enumerate(times[1:-1], 1)
        ),
        close(**own, sequence=len(times) - 1, event_time=times[-1], peak=peak),
    ]


def test_list_has_the_last_alarms_oldest_first(reader):
    reader.add(alarm(top={"Country": [["EIRE", 3]]}), close(), alarm(incident_id="next"))
    rows = reader(query="list", limit=2)
    assert [(row["incident_id"], row["kind"]) for row in rows] == [
        (alarm_of(close())["incident_id"], "CLOSE"),
        ("next", "OPEN"),
    ]
    assert rows[0]["alarm_creation_time"] == "2026-01-31T12:01:40.400Z"
    assert rows[0]["test"] is False
    assert reader(query="list")[0]["top"] == {"Country": [["EIRE", 3]]}


def test_list_follows_from_an_id(reader):
    reader.add(alarm())
    last = reader(query="list")[-1]["id"]
    assert reader(query="list", after=last) == []
    reader.add(close())
    assert [row["kind"] for row in reader(query="list", after=last)] == ["CLOSE"]


def test_list_leaves_tests_out_unless_asked(reader):
    reader.add(alarm(), alarm(incident_id="run", rule="verify", scope="V1", test=True))
    assert [row["rule"] for row in reader(query="list")] == ["order_surge"]
    assert [row["scope"] for row in reader(query="list", test=True, scope="V1")] == ["V1"]
    assert len(reader(query="list", test=None)) == 2
    assert reader(query="list", test=True, scope="V2") == []


def test_list_has_those_of_a_stream(reader):
    reader.add(alarm(), alarm(incident_id="slow", rule="checkout_slow", source="access"))
    assert [row["rule"] for row in reader(query="list", source="access")] == ["checkout_slow"]
    assert [row["rule"] for row in reader(query="list", source="orders")] == ["order_surge"]


def test_count(reader):
    reader.add(alarm(), close(), alarm(incident_id="next"))
    (row,) = reader(query="count")
    assert (row["alarms"], row["incidents"], row["notified"]) == (3, 2, 0)
    assert row["last_id"] == reader(query="list")[-1]["id"]


def test_incident_has_its_alarms_in_order(reader):
    reader.add(close(), alarm(), alarm(incident_id="next"))
    name = alarm_of(alarm())["incident_id"]
    assert [row["sequence"] for row in reader(query="incident", incident_id=name)] == [0, 1]


def test_summary_counts_incidents_where_they_opened_and_minutes_where_they_passed(reader):
    day, next_day = "2026-01-31T", "2026-02-01T"
    reader.add(
        *incident(1, f"{day}12:00:00Z", f"{day}12:02:00Z", peak=40),
        *incident(2, f"{day}12:58:30Z", f"{day}12:59:30Z", f"{day}13:01:30Z", peak=70),
        *incident(3, f"{next_day}00:00:00Z", f"{next_day}00:00:30Z", peak=35),
        *incident(4, f"{day}12:10:00Z", f"{day}12:20:00Z", test=True),
    )
    hours = reader(query="summary", month="2026-01")
    assert [
        (row["hour"], row["incidents"], row["minutes_in_alarm"], row["peak"]) for row in hours
    ] == [
        ("2026-01-31T12:00:00.000Z", 2, 3.0, 40),
        ("2026-01-31T13:00:00.000Z", 0, 2.0, 70),
    ]
    assert [
        (row["month"], row["incidents"], row["minutes_in_alarm"], row["peak"])
        for row in reader(query="summary")
    ] == [("2026-01-01", 2, 5.0, 70), ("2026-02-01", 1, 0.5, 35)]


def test_a_correction_raises_the_peak_and_adds_no_minutes(reader):
    end = "2026-01-31T12:02:00Z"
    later = {"incident_id": "incident-1", "kind": "CORRECTION", "sequence": 2}
    reader.add(*incident(1, "2026-01-31T12:00:00Z", end, peak=40))
    reader.add(close(**later, event_time=end, peak=50))
    (row,) = reader(query="summary", month="2026-01")
    assert (row["incidents"], row["minutes_in_alarm"], row["peak"]) == (1, 2.0, 50)


def test_the_peak_of_a_rule_that_fires_below_is_its_lowest(reader):
    own = {"rule": "orders_silent", "threshold": 5, "value": 4, "order_count": 4}
    for number, (hour, peak) in enumerate(((12, 1), (12, 3), (13, 2))):
        own |= {"incident_id": f"silent-{number}", "opened_at": f"2026-01-31T{hour}:00:00Z"}
        reader.add(
            alarm(**own, event_time=f"2026-01-31T{hour}:00:00Z"),
            close(**own | {"value": 7}, event_time=f"2026-01-31T{hour}:01:00Z", peak=peak),
        )
    hours = reader(query="summary", month="2026-01")
    assert [(row["peak"], row["below"]) for row in hours] == [(1, 1), (2, 1)]
    (month,) = reader(query="summary")
    assert (month["peak"], month["below"]) == (1, 1)


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"query": "drop"},
        {"query": "list", "colour": "red"},
        {"query": "incident"},
        {"query": "summary", "month": "2026-13"},
        {"query": "summary", "month": "' OR 1"},
    ],
)
def test_a_question_that_there_is_not_is_refused(event):
    with pytest.raises(QueryError):
        handler.lambda_handler(event, CONTEXT)
