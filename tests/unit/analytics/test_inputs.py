"""Rules and reference data are taken over when they change, from files and from the bucket."""

import os
from pathlib import Path

import pytest
from analytics_engine.errors import InputError
from analytics_engine.evaluation.snapshot import Counts
from analytics_engine.rules.files import HOME
from analytics_engine.service.config import Config, InputStream
from analytics_engine.service.inputs import Inputs
from analytics_engine.service.metrics import data
from analytics_engine.service.status import Status

RULE = "rules:\n- {name: a, threshold: m.least, group_by: m.market}\n"
TABLE = "Country,market,least\nFrance,west,3\nunknown,unknown,2\n"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    (tmp_path / "rules.yml").write_text(RULE)
    (tmp_path / "m.csv").write_text(TABLE)
    return tmp_path / "rules.yml"


def inputs(rules: Path, table: str, **more: str) -> Inputs:
    streams = {"orders": InputStream(name="o", record="order", lateness_ms=500)}
    references = {"m": table} | more
    return Inputs(Config(streams, "a", rules, HOME / "records", rules.parent, references))


def test_a_changed_file_is_seen_and_a_wrong_one_is_not_taken(rules: Path) -> None:
    made = inputs(rules, str(rules.parent / "m.csv"))
    assert made.changed() is not None
    assert made.changed() is None
    made.look_again()
    rules.write_text(RULE.replace("threshold", "thresold"))
    for _ in range(2):  # it stays wrong until it is mended
        with pytest.raises(InputError, match=r"rules.yml:2: thresold: unknown key"):
            made.changed()
    made.look_again()
    rules.write_text(RULE + "  # better")
    assert made.changed() is not None


def test_files_that_are_not_there_yet_are_waited_for(rules: Path) -> None:
    """Whichever comes first."""
    first, second = rules.parent / "first.csv", rules.parent / "second.csv"
    made = inputs(rules, str(rules.parent / "m.csv"), first=str(first), second=str(second))
    for table in (second, first):
        for _ in range(2):
            with pytest.raises(InputError, match=r"first.csv: \[Errno 2\]"):
                made.changed()
        made.look_again()
        table.write_text(TABLE)
    assert made.changed() is not None
    assert made.unread == []


def test_a_file_that_can_no_longer_be_read_is_in_force_as_it_was_and_named(rules: Path) -> None:
    table = rules.parent / "m.csv"
    made = inputs(rules, str(table))
    made.changed()
    table.write_bytes(TABLE.encode("utf-16"))
    rules.write_text(RULE + "- {name: b, threshold: 1}\n")
    made.look_again()
    definitions = made.changed()
    assert [rule.name for rule in definitions.rules] == ["a", "b"]
    assert definitions.references["m"].groups("market")["France"] == "west"
    (unread,) = made.unread
    assert unread.startswith(f"{table}: 'utf-8' codec can't decode")
    table.unlink()
    made.look_again()
    assert made.changed() is None
    assert made.unread == [f"{table}: [Errno 2] No such file or directory: '{table}'"]
    table.write_text(TABLE)
    made.look_again()
    assert made.changed() is None
    assert made.unread == []


def test_a_file_without_end_is_not_read(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = rules.parent / "m.csv"
    made = inputs(rules, str(table))
    assert made.changed() is not None
    made.look_again()
    with table.open("r+") as file:
        file.truncate(1 << 40)  # a hole: no byte of it is on the disk
    assert made.changed() is None
    assert "more than 4 MiB" in made.unread[0]


def test_a_bucket_that_is_away_does_not_hold_the_engine_up(rules, monkeypatch) -> None:
    """It is asked once, and not again at each step."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "test")
    made = inputs(rules, "s3://away/m.csv")
    asked = []
    fetch = made._fetch
    monkeypatch.setattr(made, "_fetch", lambda source: asked.append(source) or fetch(source))
    for _ in range(3):
        with pytest.raises(InputError, match=r"s3://away/m.csv: Could not connect"):
            made.changed()
    assert asked.count("s3://away/m.csv") == 1
    retries = made._s3.meta.config.retries
    assert retries["total_max_attempts"] == 1


def test_reference_data_from_the_bucket_is_seen_again(region, rules, monkeypatch) -> None:
    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)
    for name in [name for name in os.environ if name.startswith("AWS_CA")]:
        monkeypatch.delenv(name)
    s3 = region.client("s3")
    s3.create_bucket(Bucket="reference-test")
    s3.put_object(Bucket="reference-test", Key="m.csv", Body=TABLE)
    made = inputs(rules, "s3://reference-test/m.csv")
    references = made.changed().references
    assert references["m"].groups("market") == {"France": "west", "unknown": "unknown"}
    s3.put_object(Bucket="reference-test", Key="m.csv", Body=TABLE.replace("west", "north"))
    made.look_again()
    references = made.changed().references
    assert references["m"].groups("market")["France"] == "north"


def test_metrics_are_what_happened_since_the_last_time() -> None:
    reported: dict[str, int] = {}
    status = Status(0, 5, 0, None, 0.7, [], {}, Counts(lines_counted=5), [], "")
    data(status, reported)
    status.counts.lines_counted = 8
    values = {metric["MetricName"]: metric["Value"] for metric in data(status, reported)}
    assert values["LinesCounted"] == 3
    assert values["Lag"] == 0.7
