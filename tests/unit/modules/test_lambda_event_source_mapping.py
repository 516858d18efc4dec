"""lambda_event_source_mapping: its fields against botocore's service model, and runs of it."""

import io
import uuid
import zipfile

import botocore.session
import pytest
from botocore.validate import validate_parameters

from plugins.modules import lambda_event_source_mapping as module

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/website-orders"
FIELDS = {
    "enabled": False,
    "batch_size": 500,
    "maximum_batching_window_in_seconds": 1,
    "parallelization_factor": 2,
    "bisect_batch_on_function_error": True,
    "maximum_retry_attempts": 3,
    "maximum_record_age_in_seconds": 3600,
    "tumbling_window_in_seconds": 30,
    "on_failure": "arn:aws:s3:::bucket",
    "function_response_types": ["ReportBatchItemFailures"],
    "filter_patterns": ['{"data": {"Country": ["EIRE"]}}'],
}
CREATION = {
    "function_name": "order_writer",
    "event_source_arn": STREAM,
    "starting_position": "AT_TIMESTAMP",
    "starting_position_timestamp": "2026-01-31T12:00:00Z",
    "tags": {"Stack": "local"},
}
CONTROLS = {"state", "purge_tags", "wait_timeout"}
NOT_FOR_STREAMS = {
    "KMSKeyArn",
    "MetricsConfig",
    "LoggingConfig",
    "ScalingConfig",
    "SourceAccessConfigurations",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "ProvisionedPollerConfig",
}


def operation(name: str):
    model = botocore.session.Session().get_service_model("lambda")
    return model.operation_model(name).input_shape


def test_every_option_has_its_field():
    assert set(module.ARGUMENTS) == set(FIELDS) | set(CREATION) | CONTROLS
    assert len(module.wanted_fields(FIELDS)) == len(FIELDS)
    assert len(module.creation_fields(CREATION)) == len(CREATION)


def test_the_requests_are_as_the_service_takes_them():
    wanted = module.wanted_fields(FIELDS)
    validate_parameters(
        wanted | module.creation_fields(CREATION), operation("CreateEventSourceMapping")
    )
    validate_parameters(wanted | {"UUID": "0" * 36}, operation("UpdateEventSourceMapping"))


def test_every_field_of_streams_that_can_be_updated_is_compared():
    can = set(operation("UpdateEventSourceMapping").members) - {"UUID", "FunctionName"}
    compared = set(module.current_fields({"State": "Enabled"}))
    assert compared == can - NOT_FOR_STREAMS
    assert compared == set(module.wanted_fields(FIELDS))


def test_an_answer_with_all_fields_is_read_back_as_it_was_wanted():
    wanted = module.wanted_fields(FIELDS)
    assert module.current_fields(wanted | {"State": "Disabled"}) == wanted


@pytest.fixture
def function(region):
    """The name of a function of the test's own."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context):\n    return {}\n")
    name = f"function-{uuid.uuid4().hex[:8]}"
    region.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/any",
        Handler="index.handler",
        Code={"ZipFile": code.getvalue()},
    )
    return name


@pytest.fixture
def keep(run, function):
    """Run the module for the function."""

    def keep_mapping(**arguments):
        arguments = {"function_name": function, "event_source_arn": STREAM} | arguments
        return run(module, **arguments)

    return keep_mapping


# ministack forgets the tumbling window.
KEPT = {name: value for name, value in FIELDS.items() if name != "tumbling_window_in_seconds"}


def test_it_is_created_once(keep, region, function):
    assert keep(check=True, **KEPT)["changed"]
    assert not region.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]
    first = keep(**KEPT)
    assert first["changed"]
    assert first["mapping"]["batch_size"] == 500
    assert first["mapping"]["state"] == "Disabled"
    second = keep(**KEPT)
    assert not second["changed"]
    assert second["diff"] == {"before": {}, "after": {}}
    assert second["mapping"]["uuid"] == first["mapping"]["uuid"]


def test_each_field_is_changed_alone(keep):
    keep(enabled=True)
    for name, value in KEPT.items():
        said = keep(check=True, **{name: value})
        done = keep(**{name: value})
        assert done["changed"], name
        assert len(done["diff"]["after"]) == 1, name
        assert done["diff"] == said["diff"], name
    assert not keep(**KEPT)["changed"]


def test_a_field_that_is_not_given_is_left_as_it_is(keep):
    keep(**KEPT)
    assert not keep()["changed"]
    assert keep(batch_size=7)["mapping"]["maximum_retry_attempts"] == 3


def test_a_destination_can_be_taken_away(keep):
    keep(on_failure="arn:aws:s3:::bucket")
    assert keep(on_failure="")["changed"]
    assert not keep(on_failure="")["changed"]


def test_tags_are_kept(keep):
    keep(tags={"Stack": "local", "Old": "1"})
    assert not keep(tags={"Stack": "local", "Old": "1"})["changed"]
    assert keep(tags={"Stack": "aws"})["diff"]["after"] == {"Tags": {"Stack": "aws"}}
    assert not keep(tags={"Stack": "aws"})["changed"]


def test_it_is_removed(keep, region, function):
    assert not keep(state="absent")["changed"]
    keep(batch_size=7)
    assert keep(state="absent", check=True)["changed"]
    assert keep(state="absent")["changed"]
    assert not region.client("lambda").list_event_source_mappings(FunctionName=function)[
        "EventSourceMappings"
    ]


def test_what_the_service_refuses_is_told(keep):
    failed = keep(function_name="no-such-function", batch_size=7)
    assert failed["failed"]
    assert "Function not found" in failed["msg"]
