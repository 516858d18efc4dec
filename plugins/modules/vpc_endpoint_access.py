#!/usr/bin/python
"""Ansible module: what may be reached through a VPC endpoint, and by which name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: vpc_endpoint_access
short_description: Manage the policy and the private DNS of a VPC endpoint
description:
  - C(amazon.aws.ec2_vpc_endpoint) makes endpoints, but cannot say whether the service's own name
    leads to them, and does not change their policy.
options:
  vpc_endpoint_id:
    description: The endpoint.
    type: str
    required: true
  policy:
    description: What may be reached through it.
    type: dict
    required: true
  private_dns:
    description:
      - Whether the service's own name leads to it, within the network. Only interface endpoints
        have this.
    type: bool
  wait_timeout:
    description: How many seconds to wait until it is so.
    type: int
    default: 300
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Let it lead to the resources of one account
  vpc_endpoint_access:
    vpc_endpoint_id: vpce-0123456789abcdef0
    private_dns: true
    policy:
      Version: "2012-10-17"
      Statement:
        - Effect: Allow
          Principal: "*"
          Action: "*"
          Resource: "*"
          Condition: {StringEquals: {aws:ResourceAccount: "000000000000"}}
"""

RETURN = r"""
access:
  description: Its policy and its private DNS as they are now, in check mode as they would be.
  returned: always
  type: dict
  sample: {policy: {Version: "2012-10-17", Statement: []}, private_dns: true}
"""

import json  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "vpc_endpoint_id": {"required": True},
    "policy": {"type": "dict", "required": True},
    "private_dns": {"type": "bool"},
    "wait_timeout": {"type": "int", "default": 300},
}


class Endpoint:
    """The endpoint of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module, self._params = module, module.params
        self._client = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())

    def ensure(self) -> tuple[Fields, Fields, Fields]:
        """Make it so; answer with what was otherwise before, what is after, and all of it."""
        current = self._read()
        wanted = {name: self._params[name] for name in ("policy", "private_dns")}
        change = {
            name: value
            for name, value in wanted.items()
            if value is not None and value != current[name]
        }
        if change and not self._module.check_mode:
            self._write(change)
        return {name: current[name] for name in change}, change, current | change

    def _read(self) -> Fields:
        answer = self._client.describe_vpc_endpoints(
            aws_retry=True, VpcEndpointIds=[self._params["vpc_endpoint_id"]]
        )
        (found,) = answer["VpcEndpoints"]
        return {
            "policy": json.loads(found.get("PolicyDocument") or "{}"),
            "private_dns": found.get("PrivateDnsEnabled", False),
        }

    def _write(self, change: Fields) -> None:
        fields: Fields = {}
        if "policy" in change:
            fields["PolicyDocument"] = json.dumps(change["policy"])
        if "private_dns" in change:
            fields["PrivateDnsEnabled"] = change["private_dns"]
        self._client.modify_vpc_endpoint(
            aws_retry=True, VpcEndpointId=self._params["vpc_endpoint_id"], **fields
        )
        deadline = time.monotonic() + self._params["wait_timeout"]
        while not change.items() <= self._read().items():
            if time.monotonic() > deadline:
                self._module.fail_json(msg=f"the endpoint does not become so: {sorted(change)}")
            time.sleep(2)


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        before, after, access = Endpoint(module).ensure()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the endpoint could not be changed")
    module.exit_json(changed=bool(after), diff={"before": before, "after": after}, access=access)


if __name__ == "__main__":
    main()
