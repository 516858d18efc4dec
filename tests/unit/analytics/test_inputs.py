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


def inputs(rules: Path, table: str) -> Inputs:
    streams = {"orders": InputStream(name="o", record="order", lateness_ms=500)}
    records = HOME / "records"
    return Inputs(Config(streams, "a", rules, records, rules.parent, references={"m": table}))


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
