"""What agent.json may say, in the official agent's format: meaning, defaults and ranges."""

import re
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
Names = Annotated[list[Name], Meta(min_length=1)]
Word = Annotated[str, Meta(pattern=r"^[!-~]+$")]
JsonFormat = Literal["COMPACT", "PRETTYPRINT"]

# Keys of the official agent that do nothing here, and what is so instead; * stands for any ending.
IDLE = {
    "aggregatedRecordSizeBytes": "each record is put as one of its own",
    "cloudwatch.tagInstance": "the metrics have the dimension Destination alone",
    "fileFooterPattern": "a footer is shipped as any other line",
    "log.emitMetrics": "the log says every log.statusReportingPeriodSeconds what was sent",
    "maxConnections": "each of maxSendingThreads has a connection of its own",
    "userAgent": "requests name no user agent",
    "userDefinedCredentialsProvider.*": "there is no Java to load the class: credentials come from "
    "agent.json, the environment or the AWS SDK's usual chain",
    "waitOnFull*": "a flow whose buffers are full reads on as soon as there is room",
}


class SingleLine(Struct, tag_field="optionName", tag="SINGLELINE", rename="camel"):
    """Joins the lines of a record into one."""


class CsvToJson(Struct, tag_field="optionName", tag="CSVTOJSON", rename="camel"):
    """Makes a JSON object of a line of separated values."""

    custom_field_names: Names
    delimiter: Name = ","
    json_format: JsonFormat = "COMPACT"
    csv_quoting: Literal["none", "rfc4180"] = "none"

    @property
    def plain_delimiter(self) -> str | None:
        """The delimiter as text; None where it is a regular expression, as Java's split has it."""
        if len(self.delimiter) == 1:
            return self.delimiter
        if re.fullmatch(r"\\[^A-Za-z0-9]", self.delimiter):
            return self.delimiter[1]
        return self.delimiter if re.escape(self.delimiter) == self.delimiter else None


class LogToJson(Struct, tag_field="optionName", tag="LOGTOJSON", rename="camel"):
    """Makes a JSON object of a line that matches a log format."""

    log_format: Literal[
        "COMMONAPACHELOG", "COMBINEDAPACHELOG", "APACHEERRORLOG", "SYSLOG", "RFC3339SYSLOG"
    ]
    match_pattern: Name | None = None
    custom_field_names: Names | None = None
    json_format: JsonFormat = "COMPACT"


class AddMetadata(Struct, tag_field="optionName", tag="ADDMETADATA", rename="camel"):
    """Wraps a record together with data of the user's."""

    metadata: dict[str, Any]
    timestamp: bool = False
    json_format: JsonFormat = "COMPACT"


class AddEc2Metadata(Struct, tag_field="optionName", tag="ADDEC2METADATA", rename="camel"):
    """Wraps a record together with what the EC2 instance knows of itself."""

    json_format: JsonFormat = "COMPACT"


class AddBrackets(Struct, tag_field="optionName", tag="ADDBRACKETS", rename="camel"):
    """Puts curly brackets around a record."""


Option = SingleLine | CsvToJson | LogToJson | AddMetadata | AddEc2Metadata | AddBrackets
OPTIONS = {option.__struct_config__.tag: option for option in get_args(Option)}


class Flow(Struct, rename="camel", frozen=True):
    """From a pattern of files to a stream."""

    file_pattern: Name
    kinesis_stream: Name | None = None
    delivery_stream: Name | None = None
    partition_key_option: Literal["RANDOM", "DETERMINISTIC"] = "RANDOM"
    initial_position: Literal["END_OF_FILE", "START_OF_FILE"] = "END_OF_FILE"
    max_buffer_age_millis: Annotated[int, Meta(ge=1, le=900_000)] = 60_000
    max_buffer_size_records: Annotated[int, Meta(ge=1, le=500)] = 500
    max_buffer_size_bytes: Annotated[int, Meta(ge=1, le=5_242_880)] | UnsetType = UNSET
    min_time_between_file_polls_millis: Positive = 100
    max_time_between_file_tracker_refresh_millis: Positive = 10_000
    retry_initial_backoff_millis: Positive = 100
    retry_max_backoff_millis: Positive = 10_000
    publish_queue_capacity: Positive = 100
    skip_header_lines: Natural = 0
    multi_line_start_pattern: Name | None = None
    truncated_record_terminator: str | None = None
    data_processing_options: list[Option] = []
    encoding: Name = "utf-8"

    @property
    def destination(self) -> str:
        """How people and CloudWatch name it."""
        if self.kinesis_stream:
            return f"KinesisStream:{self.kinesis_stream}"
        return f"DeliveryStream:{self.delivery_stream}"

    @property
    def key(self) -> str:
        """What its positions are kept under: a flow that reads or sends elsewhere starts anew."""
        return f"{self.destination} {self.file_pattern}"


class Config(Struct, rename="camel", frozen=True):
    """All of agent.json."""

    flows: list[Flow]
    checkpoint_file: Name | None = None
    cloudwatch_emit_metrics: bool = field(name="cloudwatch.emitMetrics", default=True)
    cloudwatch_namespace: Name = field(name="cloudwatch.namespace", default="AWSKinesisAgent")
    kinesis_endpoint: Name | None = field(name="kinesis.endpoint", default=None)
    kinesis_region: Word | None = field(name="kinesis.region", default=None)
    kinesis_wire_format: Literal["CBOR", "JSON"] | None = field(
        name="kinesis.wireFormat", default=None
    )
    firehose_endpoint: Name | None = field(name="firehose.endpoint", default=None)
    cloudwatch_endpoint: Name | None = field(name="cloudwatch.endpoint", default=None)
    sts_endpoint: Name | None = field(name="sts.endpoint", default=None)
    aws_access_key_id: Word | None = None
    aws_secret_access_key: Word | None = None
    assume_role_arn: Word | None = field(name="assumeRoleARN", default=None)
    assume_role_external_id: Name | None = None
    max_sending_threads: Positive | None = None
    shutdown_timeout_millis: Positive = 10_000
    status_reporting_period_seconds: Positive = field(
        name="log.statusReportingPeriodSeconds", default=30
    )
    use_http_gzip: bool = False
    connection_timeout_millis: Positive = 5_000
    socket_timeout_millis: Positive = 20_000
    prometheus_port: Annotated[int, Meta(ge=1, le=65_535)] | None = field(
        name="prometheus.port", default=None
    )


def show(config: Config) -> str:
    """Return the configuration with all its defaults, as JSON, its secret hidden."""
    value = msgspec.to_builtins(config)
    if config.aws_secret_access_key:
        value["awsSecretAccessKey"] = "***"
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
