#!/usr/bin/python
"""Ansible module: call a Lambda function, and wait for its answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_call
short_description: Call a Lambda function
description:
  - Calls a function and answers with what it returns.
  - A function that was idle for weeks is inactive, and refuses the call that wakes it; it is called
    again until it answers. C(amazon.aws.lambda_execute) waits until it is active, which without a
    call it never becomes.
options:
  name:
    description: Name of the function.
    type: str
    required: true
  payload:
    description: What it is called with.
    type: dict
    default: {}
  wait_timeout:
    description: How many seconds to try for.
    type: int
    default: 300
attributes:
  check_mode:
    support: none
  diff_mode:
    support: none
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Ask what would be changed
  lambda_call:
    name: schema_migrator
    payload: {check: true}
"""

RETURN = r"""
output:
  description: What the function returned.
  returned: always
  type: raw
  sample: {changed: false}
"""

import json  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import WAKING  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

# A function may work for 15 minutes before it answers.
CONFIG = Config(read_timeout=900)
POLL_SECONDS = 3.0


def call(client: Any, name: str, payload: dict[str, Any], timeout: float) -> dict[str, Any]:
    """The function's answer, as Lambda gives it."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return client.invoke(
                aws_retry=True, FunctionName=name, Payload=json.dumps(payload).encode()
            )
        except ClientError as error:
            waking = error.response["Error"]["Code"] in WAKING
            if not waking or time.monotonic() > deadline:
                raise
        time.sleep(POLL_SECONDS)


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "name": {"required": True},
            "payload": {"type": "dict", "default": {}},
            "wait_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=False,
    )
    params = module.params
    client = module.client("lambda", retry_decorator=AWSRetry.jittered_backoff(), config=CONFIG)
    try:
        answer = call(client, params["name"], params["payload"], params["wait_timeout"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"the function {params['name']} could not be called")
    output = json.loads(answer["Payload"].read() or b"null")
    if "FunctionError" in answer:
        module.fail_json(msg=f"the function {params['name']} failed: {output}", output=output)
    module.exit_json(changed=True, output=output)


if __name__ == "__main__":
    main()
