"""agent.json: what it may say, and what is said of what it may not."""

import json
import random
import re
from typing import Any

import pytest
from kinesis_agent.config import show
from kinesis_agent.config_file import ConfigError, parse

FLOW = {"filePattern": "/var/log/app.log", "kinesisStream": "s"}
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
    ],
)
def test_reasons(flow: dict[str, Any], reason: str) -> None:
    assert reason in errors({"flows": [FLOW | flow]})


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
