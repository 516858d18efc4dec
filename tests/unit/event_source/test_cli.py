"""The commands check and status."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from event_source import cli, status
from event_source.status import MappingStatus, Status


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "event_source.json"
    path.write_text(json.dumps({"state_directory": str(tmp_path)}))
    return path


def command(name, config, *more):
    return cli.main([name, "--config", str(config), *more])


def test_check_accepts_a_valid_file(config):
    assert command("check", config) == 0


def test_check_names_every_fault(config, capsys):
    config.write_text('{"polls_per_second": "often", "refresh_seconds": 0, "colour": 1}')
    assert command("check", config) == 1
    told = capsys.readouterr().err
    assert all(name in told for name in ("polls_per_second", "refresh_seconds", "colour"))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_check_refuses_what_is_no_object(config, text):
    config.write_text(text)
    assert command("check", config) == 1


def test_status_of_a_service_that_never_ran_is_an_error(config):
    assert command("status", config) == 1


def test_status_is_told_to_programs_and_to_people(config, tmp_path, capsys):
    status.write(tmp_path, Status([MappingStatus("order_writer", "website-orders", 7, 0.1, None)]))
    assert (tmp_path / "status.json").stat().st_mode & 0o777 == 0o644
    assert command("status", config, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mappings"] == [
        {
            "function": "order_writer",
            "stream": "website-orders",
            "records": 7,
            "lag_seconds": 0.1,
            "last_error": None,
        }
    ]
    assert datetime.fromisoformat(told["updated_at"]).tzinfo
    assert command("status", config) == 0
    assert "website-orders -> order_writer: 7 records" in capsys.readouterr().out


@pytest.mark.parametrize(
    "state",
    [
        Status([MappingStatus("f", "s", 0, 0, "function is down")]),
        Status([], last_error="mappings cannot be read"),
        Status([], updated_at=datetime.now(UTC) - timedelta(minutes=1)),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_status_fails_where_something_is_wrong(config, tmp_path, state, form, capsys):
    status.write(tmp_path, state)
    assert command("status", config, *form) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["faults"] if form else said.err
