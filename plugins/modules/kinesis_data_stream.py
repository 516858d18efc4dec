#!/usr/bin/python
"""Ansible module: a Kinesis data stream, provisioned or on demand, with every setting compared."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kinesis_data_stream
short_description: Manage a Kinesis data stream, provisioned or on demand
description:
  - Creates, updates and deletes a stream. A change of shards is taken in as many steps as Kinesis
    asks for, as each may at most double or halve their number.
  - C(community.aws.kinesis_stream) does not know streams on demand.
options:
  state:
    description: Whether there is such a stream.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Its name.
    type: str
    required: true
  mode:
    description: Whether its capacity is in shards or on demand.
    type: str
    choices: [provisioned, on_demand]
    default: provisioned
  shards:
    description: Shards of a provisioned stream.
    type: int
    default: 1
  retention_hours:
    description: How long records are kept, 24 to 8,760.
    type: int
    default: 24
  encrypted:
    description: Whether records are encrypted at rest, with the account's key for Kinesis.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait until the stream is active or gone; C(0) does not wait.
    type: int
    default: 300
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Make a stream of two shards that keeps a week
  kinesis_data_stream:
    name: website-orders
    shards: 2
    retention_hours: 168
    encrypted: true

- name: Let it grow by itself
  kinesis_data_stream:
    name: website-orders
    mode: on_demand
    retention_hours: 168
    encrypted: true

- name: Remove it
  kinesis_data_stream:
    state: absent
    name: website-orders
"""

RETURN = r"""
stream:
  description: The stream as Kinesis describes it, its names in snake case; in check mode as it is.
  returned: when there is one
  type: dict
  contains:
    stream_arn:
      description: Its ARN.
      type: str
      sample: arn:aws:kinesis:us-east-1:000000000000:stream/website-orders
    open_shard_count:
      description: Its open shards.
      type: int
      sample: 2
"""

from collections.abc import Iterator  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import (  # noqa: E402
    GONE,
    Fields,
    Tags,
    keep_tags,
    wait,
)
from ansible.module_utils.common.dict_transformations import (  # noqa: E402
    camel_dict_to_snake_dict,
)
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (  # noqa: E402
    boto3_tag_list_to_ansible_dict,
)
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

KEY = "alias/aws/kinesis"

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "name": {"required": True},
    "mode": {"choices": ["provisioned", "on_demand"], "default": "provisioned"},
    "shards": {"type": "int", "default": 1},
    "retention_hours": {"type": "int", "default": 24},
    "encrypted": {"type": "bool", "default": False},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 300},
}


def wanted_fields(params: Fields) -> Fields:
    """The settings of a stream, as this module compares them."""
    fields = {name: params[name] for name in ("mode", "shards", "retention_hours", "encrypted")}
    if params["mode"] == "on_demand":
        del fields["shards"]
    return fields


def current_fields(stream: Fields) -> Fields:
    """The same settings of a stream that there is."""
    details = stream.get("StreamModeDetails") or {}
    return {
        "mode": details.get("StreamMode", "PROVISIONED").lower(),
        "shards": stream["OpenShardCount"],
        "retention_hours": stream["RetentionPeriodHours"],
        "encrypted": stream.get("EncryptionType", "NONE") == "KMS",
    }


def steps(current: int, wanted: int) -> Iterator[int]:
    """The numbers of shards on the way, each at most double and at least half of the one before."""
    while current != wanted:
        current = min(current * 2, wanted) if wanted > current else max(-(-current // 2), wanted)
        yield current


class Stream:
    """The stream of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params = module.params
        # A change that was just made may still be under way when the stream is said to be active,
        # and few changes a second are taken.
        retry = AWSRetry.jittered_backoff(
            retries=15,
            max_delay=20,
            catch_extra_error_codes=["ResourceInUseException", "LimitExceededException"],
        )
        self._client = module.client("kinesis", retry_decorator=retry)
        self._name = {"StreamName": self._params["name"]}
        self.found = self._find()

    def _find(self) -> Fields | None:
        try:
            answer = self._client.describe_stream_summary(aws_retry=True, **self._name)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return answer["StreamDescriptionSummary"]

    def ensure_present(self) -> tuple[Fields, Fields]:
        """Create or update it; answer with the settings before and after."""
        wanted = wanted_fields(self._params)
        if self.found is None:
            if not self._module.check_mode:
                self._create()
                self._update(wanted, current_fields(self.found))
                self._tag()
            return {}, wanted | {"tags": self._params["tags"] or {}}
        current = current_fields(self.found)
        change = {name: value for name, value in wanted.items() if value != current[name]}
        if change and not self._module.check_mode:
            self._update(wanted, current)
        tags_before, tags_after = self._tag()
        return {name: current[name] for name in change} | tags_before, change | tags_after

    def ensure_absent(self) -> tuple[Fields, Fields]:
        """Delete it; answer with the settings before and after."""
        if self.found is None:
            return {}, {}
        before = current_fields(self.found)
        if not self._module.check_mode:
            if self.found["StreamStatus"] != "DELETING":
                self._client.delete_stream(
                    aws_retry=True, EnforceConsumerDeletion=True, **self._name
                )
            self._wait(until=GONE)
        self.found = None
        return before, {}

    def _create(self) -> None:
        on_demand = self._params["mode"] == "on_demand"
        capacity: Fields = (
            {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}}
            if on_demand
            else {"ShardCount": self._params["shards"]}
        )
        self._client.create_stream(aws_retry=True, **self._name, **capacity)
        self._wait()

    def _update(self, wanted: Fields, current: Fields) -> None:
        """Take the stream from its current settings to the wanted ones, one after the other."""
        if wanted["mode"] != current["mode"]:
            mode = {"StreamMode": wanted["mode"].upper()}
            self._client.update_stream_mode(
                aws_retry=True, StreamARN=self.found["StreamARN"], StreamModeDetails=mode
            )
            self._wait()
        shards_now = self.found["OpenShardCount"]
        for shards in steps(shards_now, wanted.get("shards", shards_now)):
            self._client.update_shard_count(
                aws_retry=True,
                **self._name,
                TargetShardCount=shards,
                ScalingType="UNIFORM_SCALING",
            )
            self._wait()
        hours = wanted["retention_hours"]
        if hours != current["retention_hours"]:
            longer = hours > current["retention_hours"]
            method = f"{'increase' if longer else 'decrease'}_stream_retention_period"
            getattr(self._client, method)(aws_retry=True, **self._name, RetentionPeriodHours=hours)
            self._wait()
        if wanted["encrypted"] != current["encrypted"]:
            method = f"{'start' if wanted['encrypted'] else 'stop'}_stream_encryption"
            getattr(self._client, method)(
                aws_retry=True, **self._name, EncryptionType="KMS", KeyId=KEY
            )
            self._wait()

    def _tag(self) -> tuple[Fields, Fields]:
        client, name = self._client, self._name

        def read() -> Tags:
            answer = client.list_tags_for_stream(aws_retry=True, **name)
            return boto3_tag_list_to_ansible_dict(answer["Tags"])

        return keep_tags(
            self._module,
            read,
            add=lambda tags: client.add_tags_to_stream(aws_retry=True, **name, Tags=tags),
            remove=lambda keys: client.remove_tags_from_stream(
                aws_retry=True, **name, TagKeys=keys
            ),
        )

    def _wait(self, until: str = "ACTIVE") -> None:
        self.found = wait(
            self._module,
            "the stream",
            self._find(),
            self._find,
            status="StreamStatus",
            settled=[until],
            poll_seconds=1,
        )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        stream = Stream(module)
        absent = module.params["state"] == "absent"
        before, after = stream.ensure_absent() if absent else stream.ensure_present()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the stream could not be managed")
    result = {"changed": before != after, "diff": {"before": before, "after": after}}
    if stream.found:
        result["stream"] = camel_dict_to_snake_dict(stream.found)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
