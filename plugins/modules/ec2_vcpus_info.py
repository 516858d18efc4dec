#!/usr/bin/python
"""Ansible module: how many virtual processors an account may have, and has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_vcpus_info
short_description: Compare the vCPUs of wanted instances with the account's quota
description:
  - Says how many vCPUs of running on-demand standard instances (families A, C, D, H, I, M, R, T
    and Z) the account may have in the region, how many it has, and how many more are wanted.
options:
  instance_types:
    description: The type of each instance that is to be started.
    type: list
    elements: str
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: See whether three hosts are allowed
  ec2_vcpus_info:
    instance_types: [t4g.small, t4g.small, t4g.small]
  register: vcpus
  failed_when: vcpus.used + vcpus.wanted > vcpus.quota
"""

RETURN = r"""
quota:
  description: What the account may have.
  returned: always
  type: int
  sample: 5
used:
  description: What runs now, whosever it is.
  returned: always
  type: int
  sample: 0
wanted:
  description: What I(instance_types) needs.
  returned: always
  type: int
  sample: 6
"""

from collections import Counter  # noqa: E402
from typing import Any  # noqa: E402

from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

QUOTA = {"ServiceCode": "ec2", "QuotaCode": "L-1216C47A"}
FAMILIES = "acdhimrtz"


def running(ec2: Any) -> list[str]:
    """The type of each running instance that counts."""
    states = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    pages = ec2.get_paginator("describe_instances").paginate(Filters=states)
    return [
        one["InstanceType"]
        for one in pages.search("Reservations[].Instances[]")
        if one["InstanceType"][0] in FAMILIES and one.get("InstanceLifecycle") != "spot"
    ]


def vcpus(ec2: Any, types: list[str]) -> int:
    """The vCPUs of instances of these types."""
    if not types:
        return 0
    number = Counter(types)
    answer = ec2.describe_instance_types(aws_retry=True, InstanceTypes=sorted(number))
    return sum(
        one["VCpuInfo"]["DefaultVCpus"] * number[one["InstanceType"]]
        for one in answer["InstanceTypes"]
    )


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec={"instance_types": {"type": "list", "elements": "str", "required": True}},
        supports_check_mode=True,
    )
    ec2 = module.client("ec2", retry_decorator=AWSRetry.jittered_backoff())
    quotas = module.client("service-quotas", retry_decorator=AWSRetry.jittered_backoff())
    try:
        quota = quotas.get_service_quota(aws_retry=True, **QUOTA)["Quota"]["Value"]
        used, wanted = vcpus(ec2, running(ec2)), vcpus(ec2, module.params["instance_types"])
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the quota of vCPUs could not be read")
    module.exit_json(changed=False, quota=int(quota), used=used, wanted=wanted)


if __name__ == "__main__":
    main()
