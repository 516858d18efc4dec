"""alarm_recorder's handler, against MariaDB, SNS and S3."""

import json

import pytest

from alarm_recorder import handler
from tests.unit.lambdas.conftest import SHARD, handle
from tests.unit.lambdas.test_alarm import ALARM, alarm, close


def test_an_alarm_is_recorded_and_announced(inbox, rows):
    assert handle(alarm(top={"Country": [["EIRE", 30]]}), close()) == []
    opened, closed = rows()
    assert opened["alarm_creation_time"].isoformat() == "2026-01-31T12:00:05.100000"
    assert opened["Number_of_orders"] == 30
    assert json.loads(opened["top"]) == {"Country": [["EIRE", 30]]}
    assert opened["notified_at"] >= opened["recorded_at"]
    assert (closed["kind"], closed["peak"], closed["duration_seconds"]) == ("CLOSE", 61, 95.3)
    first, second = inbox()
    assert json.loads(first["Message"]) == ALARM | {"top": {"Country": [["EIRE", 30]]}}
    assert first["Subject"] == "Order surge: 30 orders in 15 s, threshold 30"
    assert {name: one["Value"] for name, one in second["MessageAttributes"].items()} == {
        "rule": "order_surge",
        "kind": "CLOSE",
        "severity": "warning",
        "test": "false",
    }


def test_the_reason_of_a_close_is_recorded_and_said(inbox, rows):
    handle(alarm(), close(reason="the rule was removed"))
    assert [row["reason"] for row in rows()] == [None, "the rule was removed"]
    _, closed = inbox()
    assert closed["Subject"].endswith(", peak 61 orders: the rule was removed")


def test_a_repeat_is_harmless(inbox, rows):
    handle(alarm(), close())
    stored = rows()
    inbox()
    assert handle(alarm(), close()) == []
    assert rows() == stored
    assert inbox() == []


def test_a_correction_is_recorded_and_not_announced(inbox, rows):
    assert handle(close(kind="CORRECTION", sequence=2)) == []
    assert [(row["kind"], row["notified_at"]) for row in rows()] == [("CORRECTION", None)]
    assert inbox() == []


def test_an_alarm_whose_message_was_not_sent_is_announced_when_it_comes_again(
    inbox, rows, monkeypatch
):
    topic = handler.os.environ["TOPIC"]
    monkeypatch.setenv("TOPIC", f"{topic}-is-not-there")
    assert handle(alarm(), close()) == [1000]
    assert [(row["kind"], row["notified_at"]) for row in rows()] == [("OPEN", None)]
    monkeypatch.setenv("TOPIC", topic)
    assert handle(alarm(), close()) == []
    assert len(inbox()) == 2
    assert all(row["notified_at"] for row in rows())


def test_what_can_never_be_recorded_is_put_aside_and_the_others_go_on(inbox, rows, bucket):
    assert handle(b"\xffbroken", alarm(kind="PANIC"), alarm()) == []
    assert sorted(bucket()) == [
        f"rejected/alarm_recorder/{SHARD}-100{number}.json" for number in (0, 1)
    ]
    assert len(rows()) == 1
    assert len(inbox()) == 1


@pytest.mark.parametrize("top", ["text", 5, [], {"name": "\ud800"}, {"name": "\0\u20ac"}])
def test_whatever_is_in_top_holds_nothing_up(inbox, rows, bucket, top):
    assert handle(alarm(top=top), close()) == []
    assert len(rows()) + len(bucket()) == 2


def test_what_the_database_refuses_is_put_aside(inbox, rows, bucket, admin):
    admin.execute("ALTER TABLE logs.logs_history MODIFY kind varchar(4) NOT NULL")
    admin.execute("ALTER TABLE logs.logs_history ADD CHECK (sequence < 5)")
    assert handle(alarm(kind="REMINDER"), alarm(sequence=5), alarm()) == []
    reasons = [rejected["reason"] for rejected in bucket().values()]
    assert len(reasons) == 2
    assert all("the database refuses it" in reason for reason in reasons)
    assert len(rows()) == 1


def test_a_database_that_is_down_fails_the_first_and_none_overtakes_it(
    inbox, rows, bucket, mariadb
):
    assert handle(alarm(incident_id="before")) == []
    mariadb.kill()
    assert handle(alarm(), close()) == [1000]
    assert bucket() == {}
    mariadb.start()
    assert handle(alarm(), close()) == []
    assert [row["kind"] for row in rows()] == ["OPEN", "OPEN", "CLOSE"]


def test_a_password_rotated_under_an_open_function_is_picked_up(inbox, rows, history, admin):
    assert handle(alarm()) == []
    history.put("alarm_recorder", history.read("alarm_recorder") | {"password": "rotated"})
    admin.execute("ALTER USER alarm_recorder IDENTIFIED BY 'rotated'")
    handler.history()._database.close()
    assert handle(close()) == []
    assert len(rows()) == 2


def test_a_missing_table_is_waited_for(inbox, admin):
    admin.execute("RENAME TABLE logs.logs_history TO logs.away")
    assert handle(alarm()) == [1000]
    admin.execute("RENAME TABLE logs.away TO logs.logs_history")
    assert handle(alarm()) == []
