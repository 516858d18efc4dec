#!/usr/bin/python
"""Ansible module: a Lambda event source mapping of a stream, with every field."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_event_source_mapping
short_description: Manage the mapping of a stream to a Lambda function
description:
  - Creates, updates and deletes the event source mapping between one Kinesis or DynamoDB stream
    and one function. There is at most one mapping between the two.
  - C(amazon.aws.lambda_event) knows neither retries, bisecting, age, parallelization nor
    destinations, and compares few of the fields that it knows; this module compares every one.
  - A field that is not given is left as it is; on creation, as AWS presets it.
options:
  state:
    description: Whether the mapping is there.
    type: str
    choices: [present, absent]
    default: present
  function_name:
    description: Name or ARN of the function, with or without a version or alias.
    type: str
    required: true
  event_source_arn:
    description: ARN of the stream.
    type: str
    required: true
  enabled:
    description: Whether the stream is read.
    type: bool
  batch_size:
    description: The most records of one invocation, 1 to 10,000.
    type: int
  maximum_batching_window_in_seconds:
    description: How long records are gathered before an invocation, 0 to 300.
    type: int
  parallelization_factor:
    description: Concurrent batches a shard, 1 to 10.
    type: int
  starting_position:
    description: Where reading starts. It counts only when the mapping is created.
    type: str
    choices: [TRIM_HORIZON, LATEST, AT_TIMESTAMP]
    default: TRIM_HORIZON
  starting_position_timestamp:
    description: The time of C(AT_TIMESTAMP), as ISO 8601.
    type: str
  bisect_batch_on_function_error:
    description: Whether a batch on which the function failed is halved before it is tried again.
    type: bool
  maximum_retry_attempts:
    description: How often a batch is tried again, up to 10,000; C(-1) without a limit.
    type: int
  maximum_record_age_in_seconds:
    description: The age at which a record is given up, 60 to 604,800; C(-1) without a limit.
    type: int
  tumbling_window_in_seconds:
    description: Length of a processing window, 0 to 900; C(0) for none.
    type: int
  on_failure:
    description: ARN of the bucket, queue or topic for records that were given up; empty for none.
    type: str
  function_response_types:
    description: C(ReportBatchItemFailures) lets the function name the records that failed.
    type: list
    elements: str
    choices: [ReportBatchItemFailures]
  filter_patterns:
    description: Filters, as JSON. A record that matches any is passed on; an empty list passes all.
    type: list
    elements: json
  wait_timeout:
    description: Seconds to wait until the mapping is settled; C(0) does not wait.
    type: int
    default: 120
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Give the orders to their function, without a limit of retries
  lambda_event_source_mapping:
    function_name: order_writer
    event_source_arn: arn:aws:kinesis:us-east-1:000000000000:stream/website-orders
    batch_size: 500
    maximum_retry_attempts: -1
    bisect_batch_on_function_error: true
    function_response_types: [ReportBatchItemFailures]
    on_failure: arn:aws:s3:::surgewatch-000000000000-us-east-1

- name: Stop reading for a while
  lambda_event_source_mapping:
    function_name: order_writer
    event_source_arn: arn:aws:kinesis:us-east-1:000000000000:stream/website-orders
    enabled: false

- name: Remove the mapping
  lambda_event_source_mapping:
    state: absent
    function_name: order_writer
    event_source_arn: arn:aws:kinesis:us-east-1:000000000000:stream/website-orders
"""

RETURN = r"""
mapping:
  description:
    - The mapping as Lambda describes it, its names in snake case; in check mode as it would be.
  returned: when there is one
  type: dict
  contains:
    uuid:
      description: Its identifier.
      type: str
      sample: 91b2f3a0-1c52-4bd5-9f3b-2d6d1d1b9f27
    state:
      description: Its state.
      type: str
      sample: Enabled
    batch_size:
      description: The most records of one invocation.
      type: int
      sample: 500
"""

from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields, keep_tags, wait  # noqa: E402
from ansible.module_utils.common.dict_transformations import (  # noqa: E402
    camel_dict_to_snake_dict,
    snake_dict_to_camel_dict,
)
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

# What Lambda presets, and leaves out of its answers.
PRESETS: Fields = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "ParallelizationFactor": 1,
    "BisectBatchOnFunctionError": False,
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": -1,
    "TumblingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
}
SETTLED = ("Enabled", "Disabled")

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "function_name": {"required": True},
    "event_source_arn": {"required": True},
    "enabled": {"type": "bool"},
    "batch_size": {"type": "int"},
    "maximum_batching_window_in_seconds": {"type": "int"},
    "parallelization_factor": {"type": "int"},
    "starting_position": {
        "choices": ["TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"],
        "default": "TRIM_HORIZON",
    },
    "starting_position_timestamp": {},
    "bisect_batch_on_function_error": {"type": "bool"},
    "maximum_retry_attempts": {"type": "int"},
    "maximum_record_age_in_seconds": {"type": "int"},
    "tumbling_window_in_seconds": {"type": "int"},
    "on_failure": {},
    "function_response_types": {
        "type": "list",
        "elements": "str",
        "choices": ["ReportBatchItemFailures"],
    },
    "filter_patterns": {"type": "list", "elements": "json"},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 120},
}


def wanted_fields(params: Fields) -> Fields:
    """What UpdateEventSourceMapping takes, of the fields that were given."""
    plain = ("enabled", *(name for name in ARGUMENTS if _camel(name) in PRESETS))
    fields = {_camel(name): params[name] for name in plain}
    if params["on_failure"] is not None:
        fields["DestinationConfig"] = {"OnFailure": {"Destination": params["on_failure"]}}
    if params["filter_patterns"] is not None:
        filters = [{"Pattern": pattern} for pattern in params["filter_patterns"]]
        fields["FilterCriteria"] = {"Filters": filters}
    return {name: value for name, value in fields.items() if value is not None}


def creation_fields(params: Fields) -> Fields:
    """What CreateEventSourceMapping takes beside the fields."""
    fields = {
        "FunctionName": params["function_name"],
        "EventSourceArn": params["event_source_arn"],
        "StartingPosition": params["starting_position"],
        "StartingPositionTimestamp": params["starting_position_timestamp"],
        "Tags": params["tags"],
    }
    return {name: value for name, value in fields.items() if value}


def current_fields(mapping: Fields) -> Fields:
    """The same fields of a mapping that there is."""
    destination = (mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
    filters = (mapping.get("FilterCriteria") or {}).get("Filters") or []
    fields = {name: mapping.get(name, preset) for name, preset in PRESETS.items()}
    return fields | {
        "Enabled": mapping["State"] not in ("Disabled", "Disabling"),
        "DestinationConfig": {"OnFailure": {"Destination": destination.get("Destination") or ""}},
        "FilterCriteria": {"Filters": [{"Pattern": one["Pattern"]} for one in filters]},
    }


def _camel(name: str) -> str:
    return next(iter(snake_dict_to_camel_dict({name: None}, capitalize_first=True)))


class Mapping:
    """The mapping between the function and the stream of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params = module.params
        self._client = module.client("lambda", retry_decorator=AWSRetry.jittered_backoff())
        self.found = self._find()

    def _find(self) -> Fields | None:
        try:
            answer = self._client.list_event_source_mappings(
                aws_retry=True,
                FunctionName=self._params["function_name"],
                EventSourceArn=self._params["event_source_arn"],
            )
        except self._client.exceptions.ResourceNotFoundException:
            return None  # no function, so no mapping
        found = [one for one in answer["EventSourceMappings"] if one["State"] != "Deleting"]
        return found[0] if found else None

    def ensure_present(self) -> tuple[Fields, Fields]:
        """Create or update it; answer with the fields before and after."""
        wanted = wanted_fields(self._params)
        if self.found is None:
            if not self._module.check_mode:
                self._create(wanted)
            return {}, creation_fields(self._params) | wanted
        current = current_fields(self.found)
        change = {name: value for name, value in wanted.items() if value != current[name]}
        if change and not self._module.check_mode:
            self._update(change)
        before, after = self._tag()
        return (
            {name: current[name] for name in change} | before,
            change | after,
        )

    def ensure_absent(self) -> tuple[Fields, Fields]:
        """Delete it; answer with the fields before and after."""
        if self.found is None:
            return {}, {}
        before = current_fields(self.found)
        if not self._module.check_mode:
            self._client.delete_event_source_mapping(aws_retry=True, UUID=self.found["UUID"])
        self.found = None
        return before, {}

    def _create(self, fields: Fields) -> None:
        self.found = self._client.create_event_source_mapping(
            aws_retry=True, **creation_fields(self._params), **fields
        )
        self._wait()

    def _update(self, fields: Fields) -> None:
        self._wait()  # one that is not settled refuses
        self.found = self._client.update_event_source_mapping(
            aws_retry=True, UUID=self.found["UUID"], **fields
        )
        self._wait()

    def _tag(self) -> tuple[Fields, Fields]:
        client, arn = self._client, self.found["EventSourceMappingArn"]
        return keep_tags(
            self._module,
            lambda: client.list_tags(aws_retry=True, Resource=arn).get("Tags", {}),
            add=lambda tags: client.tag_resource(aws_retry=True, Resource=arn, Tags=tags),
            remove=lambda keys: client.untag_resource(aws_retry=True, Resource=arn, TagKeys=keys),
            label="Tags",
        )

    def _wait(self) -> None:
        uuid = self.found["UUID"]
        self.found = wait(
            self._module,
            "the mapping",
            self.found,
            lambda: self._client.get_event_source_mapping(aws_retry=True, UUID=uuid),
            status="State",
            settled=SETTLED,
            poll_seconds=1,
        )


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("starting_position", "AT_TIMESTAMP", ("starting_position_timestamp",))],
    )
    try:
        mapping = Mapping(module)
        absent = module.params["state"] == "absent"
        before, after = mapping.ensure_absent() if absent else mapping.ensure_present()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the mapping could not be managed")
    result = {"changed": before != after, "diff": {"before": before, "after": after}}
    described = {} if absent else (mapping.found or {}) | (after if module.check_mode else {})
    if described:
        described.pop("ResponseMetadata", None)
        result["mapping"] = camel_dict_to_snake_dict(described, ignore_list=["Tags"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
