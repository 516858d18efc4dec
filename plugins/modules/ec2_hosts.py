#!/usr/bin/python
"""Ansible module: EC2 instances that serve as hosts, all that are wanted at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_hosts
short_description: Start the EC2 instances that serve as hosts
description:
  - Starts those that do not run, each from its launch template, with one call for each template
    and subnet, and waits for all of them together. Hosts that are there are left as they are.
  - C(amazon.aws.ec2_instance) makes one host a call and waits for it, and with a launch template
    it ignores the subnet.
  - Groups and subnet are those of a network interface, so the templates must not name any.
options:
  hosts:
    description: The hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name, kept as the tag C(Name).
        type: str
        required: true
      template:
        description: Name of its launch template, whose default version counts.
        type: str
        required: true
      tags:
        description: More tags of it.
        type: dict
        default: {}
  subnets:
    description: Subnets, over which the hosts are spread in turn.
    type: list
    elements: str
    required: true
  security_groups:
    description: Security groups of the hosts.
    type: list
    elements: str
    required: true
  tags:
    description: Tags of every host, by which it is known to be one.
    type: dict
    required: true
  wait_timeout:
    description: How many seconds to wait until all run.
    type: int
    default: 600
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Start two hosts
  ec2_hosts:
    hosts:
      - {name: generator-01, template: surgewatch-generators}
      - {name: generator-02, template: surgewatch-generators}
    subnets: [subnet-0123456789abcdef0]
    security_groups: [sg-0123456789abcdef0]
    tags: {surgewatch-stack: aws}
"""

RETURN = r"""
instances:
  description: The identifier of each host, in check mode of those that are there.
  returned: always
  type: dict
  sample: {generator-01: i-0123456789abcdef0}
"""

from collections import defaultdict  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (  # noqa: E402
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from botocore.exceptions import BotoCoreError, ClientError, WaiterError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"required": True},
            "template": {"required": True},
            "tags": {"type": "dict", "default": {}},
        },
    },
    "subnets": {"type": "list", "elements": "str", "required": True},
    "security_groups": {"type": "list", "elements": "str", "required": True},
    "tags": {"type": "dict", "required": True},
    "wait_timeout": {"type": "int", "default": 600},
}


def launches(hosts: list[Fields], subnets: list[str]) -> dict[tuple[str, str], list[Fields]]:
    """The hosts that one call can start together, by template and subnet."""
    found: dict[tuple[str, str], list[Fields]] = defaultdict(list)
    for number, host in enumerate(hosts):
        found[host["template"], subnets[number % len(subnets)]].append(host)
    return found


def request(template: str, subnet: str, count: int, groups: list[str], tags: Fields) -> Fields:
    """What RunInstances takes."""
    interface = {
        "DeviceIndex": 0,
        "SubnetId": subnet,
        "Groups": groups,
        "AssociatePublicIpAddress": False,
    }
    return {
        "LaunchTemplate": {"LaunchTemplateName": template, "Version": "$Default"},
        "MinCount": count,
        "MaxCount": count,
        "NetworkInterfaces": [interface],
        "TagSpecifications": [
            {"ResourceType": "instance", "Tags": ansible_dict_to_boto3_tag_list(tags)}
        ],
    }


class Hosts:
    """The hosts of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module, self._params = module, module.params
        # What was just made is not known everywhere at once.
        retry = AWSRetry.jittered_backoff(catch_extra_error_codes=["InvalidInstanceID.NotFound"])
        self._client = module.client("ec2", retry_decorator=retry)
        self.found: dict[str, str] = {}

    def ensure(self) -> tuple[Fields, Fields]:
        """Start those that do not run; answer with their states before and after."""
        instances = self._instances()
        named = {self._name(one): one for one in instances if self._name(one)}
        wanted = self._params["hosts"]
        missing = [host for host in wanted if host["name"] not in named]
        asleep = {
            host["name"]: named[host["name"]]
            for host in wanted
            if host["name"] in named
            and named[host["name"]]["State"]["Name"] in ("stopping", "stopped")
        }
        self.found = {
            host["name"]: named[host["name"]]["InstanceId"]
            for host in wanted
            if host["name"] in named
        }
        before = {name: one["State"]["Name"] for name, one in asleep.items()}
        after = dict.fromkeys([*asleep, *(host["name"] for host in missing)], "running")
        if after and not self._module.check_mode:
            self._name_strays(missing, [one for one in instances if not self._name(one)])
            self._launch([host for host in missing if host["name"] not in self.found])
            self._wake([one["InstanceId"] for one in asleep.values()])
            self._wait("instance_running", [self.found[name] for name in after])
        return before, after

    def _instances(self) -> list[Fields]:
        filters = {f"tag:{key}": [value] for key, value in self._params["tags"].items()}
        filters["instance-state-name"] = ["pending", "running", "stopping", "stopped"]
        pages = self._client.get_paginator("describe_instances").paginate(
            Filters=[{"Name": name, "Values": values} for name, values in filters.items()]
        )
        return list(pages.search("Reservations[].Instances[]"))

    @staticmethod
    def _name(instance: Fields) -> str:
        return boto3_tag_list_to_ansible_dict(instance.get("Tags", [])).get("Name", "")

    def _name_strays(self, missing: list[Fields], strays: list[Fields]) -> None:
        """Take those over that an earlier run started, but could not name any more."""
        for host in missing:
            for one in strays:
                tags = boto3_tag_list_to_ansible_dict(one.get("Tags", []))
                if host["tags"].items() <= tags.items():
                    self._give_name(one["InstanceId"], host["name"])
                    strays.remove(one)
                    break

    def _launch(self, hosts: list[Fields]) -> None:
        params = self._params
        for (template, subnet), some in launches(hosts, params["subnets"]).items():
            tags = params["tags"] | some[0]["tags"]
            answer = self._client.run_instances(
                aws_retry=True,
                **request(template, subnet, len(some), params["security_groups"], tags),
            )
            for host, one in zip(some, answer["Instances"], strict=True):
                self._give_name(one["InstanceId"], host["name"])

    def _give_name(self, instance: str, name: str) -> None:
        tags = ansible_dict_to_boto3_tag_list({"Name": name})
        self._client.create_tags(aws_retry=True, Resources=[instance], Tags=tags)
        self.found[name] = instance

    def _wake(self, instances: list[str]) -> None:
        if instances:
            self._wait("instance_stopped", instances)
            self._client.start_instances(aws_retry=True, InstanceIds=instances)

    def _wait(self, what: str, instances: list[str]) -> None:
        waiter = self._client.get_waiter(what)
        attempts = -(-self._params["wait_timeout"] // 5)
        waiter.wait(InstanceIds=instances, WaiterConfig={"Delay": 5, "MaxAttempts": attempts})


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    hosts = Hosts(module)
    try:
        before, after = hosts.ensure()
    except WaiterError as error:
        module.fail_json_aws(error, msg="not all hosts run")
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the hosts could not be started")
    module.exit_json(
        changed=bool(after), diff={"before": before, "after": after}, instances=hosts.found
    )


if __name__ == "__main__":
    main()
