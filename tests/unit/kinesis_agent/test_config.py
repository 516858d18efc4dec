"""agent.json: what it may say, and what is said of what it may not."""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from kinesis_agent.config import show
from kinesis_agent.config_file import ConfigError, load, parse
from kinesis_agent.endpoints import endpoint

FLOW = {"filePattern": "/var/log/app.log", "kinesisStream": "s"}
LOG = {"optionName": "LOGTOJSON", "logFormat": "SYSLOG"}
CSV = {"optionName": "CSVTOJSON"}
FULL = """{
  // a comment
  "cloudwatch.emitMetrics": true, /* another
  of two lines */
  "kinesis.endpoint": "https://kinesis.eu-west-1.amazonaws.com",
  "maxSendingThreads": 24,
  "flows": [
    {"filePattern": "/tmp/*.log", "kinesisStream": "s", "partitionKeyOption": "DETERMINISTIC"},
    {"filePattern": "/tmp/a.log", "deliveryStream": "d", "initialPosition": "START_OF_FILE",
     "maxBufferAgeMillis": 50, "multiLineStartPattern": "\\\\[\\\\d", "skipHeaderLines": 1,
     "dataProcessingOptions": [
       {"optionName": "SINGLELINE"},
       {"optionName": "LOGTOJSON", "logFormat": "SYSLOG"},
       {"optionName": "ADDMETADATA", "metadata": {"a": {"b": "c"}}}
     ]}
  ]
}"""


def errors(value: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        parse({"agent.json": value if isinstance(value, str) else json.dumps(value, indent=1)})
    return str(caught.value)


def test_all_of_it() -> None:
    config = parse({"agent.json": FULL, "agent.d/more.json": json.dumps({"flows": [FLOW]})})
    assert [flow.destination for flow in config.flows] == [
        "KinesisStream:s",
        "DeliveryStream:d",
        "KinesisStream:s",
    ]
    assert config.flows[1].max_buffer_age_millis == 50
    assert config.flows[0].max_buffer_age_millis == 60_000
    assert json.loads(show(config))["cloudwatch.namespace"] == "AWSKinesisAgent"


def test_flows_may_all_be_in_agent_d_and_nothing_else() -> None:
    more = {"flows": [FLOW]}
    assert (
        len(parse({"agent.json": '{"flows": []}', "agent.d/a.json": json.dumps(more)}).flows) == 1
    )
    assert errors({"flows": []}) == "agent.json: flows is empty"
    with pytest.raises(
        ConfigError, match=r"a\.json:1: kinesis\.endpoint: belongs into agent\.json"
    ):
        parse({"agent.json": FULL, "agent.d/a.json": json.dumps(more | {"kinesis.endpoint": "x"})})


def test_numbers_may_be_strings() -> None:
    config = parse({"x": json.dumps({"flows": [FLOW | {"maxBufferSizeRecords": "100"}]})})
    assert config.flows[0].max_buffer_size_records == 100


def test_a_typo_names_the_nearest_key_and_its_line() -> None:
    text = '{\n "flows": [\n  {"filePattern": "/x",\n   "kinesisStraem": "s"}]}'
    assert "agent.json:4: flows[0].kinesisStraem: unknown key; did you mean 'kinesisStream'?" in (
        errors(text)
    )


def test_all_errors_are_told_at_once() -> None:
    option = {"optionName": "CSVTOJSON", "delimeter": ";"}
    bad = FLOW | {"maxBufferSizeRecords": 501, "dataProcessingOptions": [option]}
    found = errors({"flows": [bad, {"filePattern": "/x"}], "kinesis.endpiont": "x"}).splitlines()
    assert len(found) == 5
    assert all(re.match(r"agent\.json:\d+: ", line) for line in found)


@pytest.mark.parametrize(
    ("flow", "reason"),
    [
        ({"deliveryStream": "d"}, "one of them"),
        ({"encoding": "klingon"}, "no encoding"),
        ({"encoding": "utf-16"}, "utf-16-le"),
        ({"multiLineStartPattern": "("}, "regular expression"),
        ({"dataProcessingOptions": [{"optionName": "USINGPLUGGIN"}]}, "Java"),
        ({"partitionKeyOption": "HASH"}, "one of RANDOM, DETERMINISTIC"),
        ({"maxBufferAgeMillis": 900_001}, "900000"),
        ({"filePattern": None}, "filePattern"),
        ({"filePattern": "~/app.log"}, "~ is no directory"),
        ({"filePattern": "app.log"}, "does not start with /"),
        ({"filePattern": "/var/log/"}, "is a directory"),
        ({"filePattern": "/var/log/app.log "}, "ends in a blank"),
        ({"filePattern": "/var/\0log"}, "characters"),
        ({"filePattern": "/var/{a,b"}, "no }"),
        ({"filePattern": "/var/{a,{b,c}}"}, "no }"),
        ({"kinesisStream": "arn:aws:kinesis:eu-west-1:1:stream/orders"}, "name is 'orders'"),
        ({"kinesisStream": " s"}, "no stream's name"),
        ({"kinesisStream": "s" * 129}, "no stream's name"),
        ({"kinesisStream": "", "deliveryStream": "s" * 65}, "no stream's name"),
        ({"dataProcessingOptions": {"optionName": "SINGLELINE"}}, "must be a list"),
        ({"multiLineStartPattern": r"(a)\1"}, "backreferences"),
        ({"multiLineStartPattern": "[a-z&&[^b]]"}, "intersection"),
        ({"dataProcessingOptions": [LOG | {"matchPattern": "(a)(b)"}]}, "2 groups for 5 names"),
        ({"dataProcessingOptions": [LOG | {"customFieldNames": ["a"]}]}, "1 names for timestamp"),
        ({"dataProcessingOptions": [CSV | {"customFieldNames": ["a", "a"]}]}, "'a' twice"),
    ],
)
def test_reasons(flow: dict[str, Any], reason: str) -> None:
    assert reason in errors({"flows": [FLOW | flow]})


def test_what_the_official_package_installs_is_taken() -> None:
    flow = {"filePattern": "/tmp/app.log*", "kinesisStream": "s", "partitionKeyOption": "RANDOM"}
    empty = {"kinesis.endpoint": "", "firehose.endpoint": "", "awsAccessKeyId": ""}
    config = parse({"x": json.dumps({"cloudwatch.emitMetrics": True, "flows": [flow]} | empty)})
    assert endpoint(config, "kinesis").hostname == "kinesis.us-east-1.amazonaws.com"
    assert config.aws_access_key_id is None


def test_official_keys_without_a_meaning_here_are_taken_and_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    idle = {
        "userAgent": "x",
        "maxConnections": 9,
        "userDefinedCredentialsProvider.classname": "com.example.Provider",
        "log.emitMetrics": True,
        "cloudwatch.tagInstance": True,
    }
    of_flow = {"aggregatedRecordSizeBytes": 1, "fileFooterPattern": "x", "waitOnFullQueue": 1}
    parse({"x": json.dumps(idle | {"flows": [FLOW | of_flow]}, indent=1)})
    for line, key in enumerate(idle, 2):
        assert f"x:{line}: {key}: does nothing here: " in caplog.text
    for key in of_flow:
        assert f"flows[0].{key}: does nothing here: " in caplog.text
    assert "did you mean 'maxSendingThreads'" in errors({"maxSendingThread": 1, "flows": [FLOW]})


def test_a_key_given_twice_is_an_error() -> None:
    twice = '{"flows": [{"filePattern": "/x", "kinesisStream": "s"}],\n "fl\\u006fws": [%s]}'
    assert errors(twice % json.dumps(FLOW)) == "agent.json:2: flows: given twice, before on line 1"
    assert parse({"x": json.dumps({"flows": [FLOW, FLOW | {"kinesisStream": "t"}]})})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"flows": [\n  {"filePattern": "/x" "kinesisStream": "s"}]}', ":2: JSON is malformed"),
        ('// é\n{"flows":\n [}'.encode(), ":3: JSON is malformed"),
        (b'{\n// caf\xe9\n"flows": []}', ":2: not UTF-8"),
        (json.dumps({"flows": [FLOW]}).encode("utf-16"), ": is UTF-16: save it as UTF-8"),
    ],
)
def test_what_is_no_json_is_told_by_its_line(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "agent.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert f"{path}{reason}" in str(caught.value)


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"flows": [FLOW]}), "utf-8-sig")
    assert load(path).flows


@pytest.mark.parametrize(
    "address",
    [
        "htps://localhost",
        "http://localhost:99999",
        "http://localhost:http",
        "localhost:0",
        "http://",
        "http:/localhost",
        "http://local host",
        "https://localhost?x",
    ],
)
def test_what_is_no_address(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "agent.json:2: kinesis.endpoint: " in errors(
        {"kinesis.endpoint": address, "flows": [FLOW]}
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_FIREHOSE", address)
    assert "AWS_ENDPOINT_URL_FIREHOSE: " in errors({"flows": [FLOW]})


@pytest.mark.parametrize(
    "address", ["http://localhost:4566", "localhost", "https://[::1]:443/path", "http://u@h:1"]
)
def test_addresses(address: str) -> None:
    parse({"x": json.dumps({"kinesis.endpoint": address, "flows": [FLOW]})})


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"checkpointFile": "~/positions"}, "checkpointFile: '~/positions': ~ is no directory"),
        ({"checkpointFile": "/var/lib/"}, "is a directory"),
        ({"kinesis.region": "eu west"}, "kinesis.region: "),
        ({"awsAccessKeyId": "AKIA\r\nX: y", "awsSecretAccessKey": "x"}, "awsAccessKeyId: "),
    ],
)
def test_reasons_outside_flows(settings: dict[str, Any], reason: str) -> None:
    assert reason in errors(settings | {"flows": [FLOW]})


def test_a_secret_is_not_shown() -> None:
    keys = {"awsAccessKeyId": "AKIA", "awsSecretAccessKey": "hush"}
    assert "hush" not in show(parse({"x": json.dumps(keys | {"flows": [FLOW]})}))


def mutate(rng: random.Random, text: str) -> str:
    """Change a text a little, as a person, a template or a bad disk might."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        end = min(len(text), at + rng.randint(0, 12))
        token = rng.choice(
            [
                "",
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                '"',
                "null",
                "-1",
                "1e999",
                "true",
                "\\u0000",
                "/*",
                "//",
                '"flows"',
                '{"optionName":"CSVTOJSON"}',
                "\x00",
                "é",
                "99999999999999999999",
            ]
        )
        text = text[:at] + token + text[end:]
    return text


def test_mutations_give_a_configuration_or_a_clear_error(full: bool) -> None:
    rng = random.Random(1)
    refused = []
    count = 10_000 if full else 1_000
    for _ in range(count):
        try:
            parse({"agent.json": mutate(rng, FULL)})
        except ConfigError as error:
            refused.append(str(error))
    assert count / 2 < len(refused) < count
    assert all(text.startswith("agent.json") or "two flows" in text for text in refused)
