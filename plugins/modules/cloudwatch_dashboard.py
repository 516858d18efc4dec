#!/usr/bin/python
"""Ansible module: a CloudWatch dashboard."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_dashboard
short_description: Manage a CloudWatch dashboard
description:
  - Creates, updates and deletes a dashboard. Dashboards are compared as what they say, not as
    text. CloudWatch has no tags for them.
options:
  state:
    description: Whether there is such a dashboard.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Its name.
    type: str
    required: true
  body:
    description: What it shows, as CloudWatch's "Dashboard body structure and syntax" says.
    type: dict
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Show the orders a minute
  cloudwatch_dashboard:
    name: surgewatch
    body:
      widgets:
        - type: metric
          width: 12
          height: 6
          properties:
            title: Orders
            region: us-east-1
            stat: Sum
            period: 60
            metrics: [[AWS/Kinesis, IncomingRecords, StreamName, website-orders]]

- name: Remove it
  cloudwatch_dashboard:
    state: absent
    name: surgewatch
"""

RETURN = r"""
arn:
  description: Its ARN.
  returned: when there is one
  type: str
  sample: arn:aws:cloudwatch::000000000000:dashboard/surgewatch
"""

import json  # noqa: E402
from typing import Any  # noqa: E402

from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "name": {"required": True},
    "body": {"type": "dict"},
}


def find(client: Any, name: str) -> tuple[str, dict[str, Any]] | None:
    """The ARN and the body of the dashboard that there is."""
    try:
        answer = client.get_dashboard(aws_retry=True, DashboardName=name)
    except ClientError as error:
        # The service's model gives this error another name than the service does.
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ResourceNotFoundException"):
            raise
        return None
    return answer["DashboardArn"], json.loads(answer["DashboardBody"])


def keep(module: Any, client: Any) -> dict[str, Any]:
    """Bring the dashboard up to date; answer with the module's result."""
    name = module.params["name"]
    found = find(client, name)
    before = found[1] if found else {}
    after = module.params["body"] if module.params["state"] == "present" else {}
    if before != after and not module.check_mode:
        if after:
            text = json.dumps(after)
            answer = client.put_dashboard(aws_retry=True, DashboardName=name, DashboardBody=text)
            if answer.get("DashboardValidationMessages"):
                module.warn(json.dumps(answer["DashboardValidationMessages"]))
            found = find(client, name)
        else:
            client.delete_dashboards(aws_retry=True, DashboardNames=[name])
    result = {"changed": before != after, "diff": {"before": before, "after": after}}
    return result | ({"arn": found[0]} if found and after else {})


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_if=[("state", "present", ("body",))],
    )
    try:
        client = module.client("cloudwatch", retry_decorator=AWSRetry.jittered_backoff())
        module.exit_json(**keep(module, client))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the dashboard could not be kept")


if __name__ == "__main__":
    main()
