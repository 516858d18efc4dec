import json
from pathlib import Path

import pytest
from log_generator import config
from log_generator.errors import ConfigError


def written(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({"dataset": "/data.csv"} | settings))
    return path


def test_a_configuration_has_defaults_for_all_but_the_data_set(tmp_path):
    found = config.load(written(tmp_path, surges=[{"start": 60, "duration": 20, "factor": 6}]))
    assert found.dataset == Path("/data.csv")
    assert found.lines_per_second == 1
    assert found.surges == (config.Surge(start=60, duration=20, factor=6),)


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    path = written(
        tmp_path,
        log="orders.log",
        lines_per_second=0,
        min_free_mb=-1,
        surges=[{"start": -1, "duration": 0, "factor": -1, "every": 0}],
    )
    with pytest.raises(ConfigError) as raised:
        config.load(path)
    for name in ("log:", "lines_per_second:", "min_free_mb:", "surges[0].start:",
                 "surges[0].duration:", "surges[0].factor:", "surges[0].every:"):  # fmt: skip
        assert f"{path}: {name}" in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"slice": "1"}, "unknown field `slice`"),
        ({"format": "json"}, r"Invalid enum value 'json' - at `\$.format`"),
        ({"surges": [{"start": 1}]}, r"missing required field `duration` - at `\$.surges\[0\]`"),
        ({"dataset": 1}, r"`\$.dataset`"),
    ],
)
def test_an_error_names_the_field(tmp_path, settings, text):
    with pytest.raises(ConfigError, match=text):
        config.load(written(tmp_path, **settings))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        config.load(tmp_path / "config.json")
