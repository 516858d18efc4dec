#!/usr/bin/python
"""Ansible module: wake Lambda functions that were idle for weeks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lambda_wake
short_description: Wake Lambda functions that are inactive
description:
  - Lambda takes the network from a function that was idle for weeks, and makes it inactive. Before
    it changes a function, C(amazon.aws.lambda) waits until it is active, which without a call it
    never becomes.
  - Calls those that are inactive, without a payload, and waits until they are active. The call that
    wakes a function fails, and runs nothing of it. Nothing that was set is changed by it, so it is
    never reported as changed.
  - A function that is not there is none that sleeps.
options:
  names:
    description: Names of the functions.
    type: list
    elements: str
    required: true
  wait_timeout:
    description: How many seconds to wait for each.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
    details: Nothing is called.
  diff_mode:
    support: none
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Wake those that sleep
  lambda_wake:
    names: [order_writer, schema_migrator]
"""

RETURN = r"""
woken:
  description: The functions that were inactive.
  returned: always
  type: list
  elements: str
  sample: [schema_migrator]
"""

import time  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import WAKING  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

POLL_SECONDS = 3.0


def state(client: Any, name: str) -> str:
    """What Lambda calls it; empty where there is no such function."""
    try:
        return client.get_function_configuration(aws_retry=True, FunctionName=name)["State"]
    except client.exceptions.ResourceNotFoundException:
        return ""


def wake(client: Any, name: str, timeout: float) -> str:
    """Call a function until it is no longer inactive or on its way; answer with its state."""
    deadline = time.monotonic() + timeout
    while (found := state(client, name)) in ("Inactive", "Pending"):
        if time.monotonic() > deadline:
            break
        if found == "Inactive":
            try:
                client.invoke(aws_retry=True, FunctionName=name)
            except ClientError as error:
                if error.response["Error"]["Code"] not in WAKING:
                    raise
        time.sleep(POLL_SECONDS)
    return found


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "wait_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    client = module.client("lambda", retry_decorator=AWSRetry.jittered_backoff())
    try:
        asleep = [name for name in params["names"] if state(client, name) == "Inactive"]
        for name in asleep if not module.check_mode else ():
            found = wake(client, name, params["wait_timeout"])
            if found != "Active":
                module.fail_json(msg=f"the function {name} was called and stays {found}")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="functions that are inactive could not be woken")
    module.exit_json(changed=False, woken=asleep)


if __name__ == "__main__":
    main()
