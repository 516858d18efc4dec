#!/usr/bin/python
"""Ansible module: a stream of a CloudWatch log group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_log_stream
short_description: Make a stream of a CloudWatch log group
description:
  - C(amazon.aws.cloudwatchlogs_log_group) makes log groups, and removes them with their streams.
    Services that do not make a stream of their own, such as Managed Service for Apache Flink, must
    be given one.
options:
  log_group_name:
    description: Name of the log group.
    type: str
    required: true
  name:
    description: Name of the stream.
    type: str
    required: true
attributes:
  check_mode:
    support: full
    description: In a log group that is not there yet, says that the stream would be made.
  diff_mode:
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Make a stream for the Flink application
  cloudwatch_log_stream:
    log_group_name: /aws/kinesis-analytics/surgewatch-analytics
    name: application
"""

RETURN = r"""
log_stream_name:
  description: Name of the stream.
  returned: always
  type: str
"""

from typing import Any  # noqa: E402

from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "log_group_name": {"required": True},
    "name": {"required": True},
}


def exists(client: Any, group: str, name: str) -> bool:
    """Whether there is such a stream; streams come sorted by name."""
    try:
        found = client.describe_log_streams(
            aws_retry=True, logGroupName=group, logStreamNamePrefix=name, limit=1
        )
    except client.exceptions.ResourceNotFoundException:
        return False
    return any(stream["logStreamName"] == name for stream in found["logStreams"])


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    group, name = module.params["log_group_name"], module.params["name"]
    client = module.client("logs", retry_decorator=AWSRetry.jittered_backoff())
    try:
        there = exists(client, group, name)
        if not there and not module.check_mode:
            client.create_log_stream(aws_retry=True, logGroupName=group, logStreamName=name)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"the stream {name} of {group} could not be made")
    module.exit_json(
        changed=not there,
        diff={"before": {"stream": name if there else None}, "after": {"stream": name}},
        log_stream_name=name,
    )


if __name__ == "__main__":
    main()
