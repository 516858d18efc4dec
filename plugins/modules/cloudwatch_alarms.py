#!/usr/bin/python
"""Ansible module: the CloudWatch alarms of a stack, all of them at once, with tags."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_alarms
short_description: Keep the CloudWatch alarms of a stack
description:
  - Creates and updates metric alarms, and deletes those whose names begin with I(prefix), that
    carry all of I(tags) and are not listed. Alarms that somebody else made stay, whatever their
    names; without I(tags) none is deleted.
  - C(amazon.aws.cloudwatch_metric_alarm) knows no tags, and makes one alarm a call.
options:
  prefix:
    description: What the names of the alarms begin with.
    type: str
    required: true
  alarms:
    description: The alarms; an empty list removes all.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the alarm, after the prefix.
        type: str
        required: true
      description:
        description: What it means and what to do.
        type: str
        required: true
      namespace:
        description: Namespace of the metric.
        type: str
        required: true
      metric:
        description: Name of the metric.
        type: str
        required: true
      dimensions:
        description: Dimensions of the metric.
        type: dict
        default: {}
      statistic:
        description: Statistic of the metric.
        type: str
        choices: [Average, Maximum, Minimum, SampleCount, Sum]
        default: Maximum
      period:
        description: Length of a period in seconds.
        type: int
        default: 60
      periods:
        description: Periods that are looked at.
        type: int
        default: 1
      comparison:
        description: How the metric is compared with the threshold.
        type: str
        choices:
          - GreaterThanOrEqualToThreshold
          - GreaterThanThreshold
          - LessThanOrEqualToThreshold
          - LessThanThreshold
        default: GreaterThanThreshold
      threshold:
        description: The threshold.
        type: float
        default: 0
      missing:
        description: What a period without data counts as.
        type: str
        choices: [breaching, ignore, missing, notBreaching]
        default: notBreaching
  actions:
    description: ARNs that hear when an alarm goes off and when it is over.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Keep one alarm
  cloudwatch_alarms:
    prefix: surgewatch-
    alarms:
      - name: no orders
        description: No order line came for five minutes.
        namespace: AWS/Kinesis
        metric: IncomingRecords
        dimensions: {StreamName: website-orders}
        statistic: Sum
        period: 300
        comparison: LessThanThreshold
        threshold: 1
        missing: breaching
    actions: ["arn:aws:sns:us-east-1:000000000000:operations"]
    tags: {surgewatch-stack: aws}

- name: Remove all
  cloudwatch_alarms:
    prefix: ""
    alarms: []
    tags: {surgewatch-stack: aws}
"""

RETURN = r"""
names:
  description: The alarms that there are, in check mode that there would be.
  returned: always
  type: list
  elements: str
  sample: [surgewatch-no orders]
"""

from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields, Tags, keep_tags  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (  # noqa: E402
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

COMPARISONS = [
    f"{which}Threshold"
    for which in ("GreaterThanOrEqualTo", "GreaterThan", "LessThanOrEqualTo", "LessThan")
]
AT_ONCE = 100
"""Alarms that one call deletes at most."""

ALARM: dict[str, dict[str, Any]] = {
    "name": {"required": True},
    "description": {"required": True},
    "namespace": {"required": True},
    "metric": {"required": True},
    "dimensions": {"type": "dict", "default": {}},
    "statistic": {
        "choices": ["Average", "Maximum", "Minimum", "SampleCount", "Sum"],
        "default": "Maximum",
    },
    "period": {"type": "int", "default": 60},
    "periods": {"type": "int", "default": 1},
    "comparison": {"choices": COMPARISONS, "default": "GreaterThanThreshold"},
    "threshold": {"type": "float", "default": 0},
    "missing": {
        "choices": ["breaching", "ignore", "missing", "notBreaching"],
        "default": "notBreaching",
    },
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "prefix": {"required": True},
    "alarms": {"type": "list", "elements": "dict", "required": True, "options": ALARM},
    "actions": {"type": "list", "elements": "str", "default": []},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": True},
}


def wanted_fields(prefix: str, alarm: Fields, actions: list[str]) -> Fields:
    """What PutMetricAlarm takes, but for the tags."""
    dimensions = [{"Name": name, "Value": value} for name, value in alarm["dimensions"].items()]
    return {
        "AlarmName": prefix + alarm["name"],
        "AlarmDescription": alarm["description"],
        "Namespace": alarm["namespace"],
        "MetricName": alarm["metric"],
        "Dimensions": sorted(dimensions, key=lambda one: one["Name"]),
        "Statistic": alarm["statistic"],
        "Period": alarm["period"],
        "EvaluationPeriods": alarm["periods"],
        "ComparisonOperator": alarm["comparison"],
        "Threshold": float(alarm["threshold"]),
        "TreatMissingData": alarm["missing"],
        "AlarmActions": actions,
        "OKActions": actions,
    }


def current_fields(alarm: Fields, names: Fields) -> Fields:
    """The same fields of an alarm that there is."""
    fields = {name: alarm.get(name) for name in names}
    fields["Dimensions"] = sorted(alarm.get("Dimensions", []), key=lambda one: one["Name"])
    return fields


class Alarms:
    """The alarms whose names begin with the prefix of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params = module.params
        self._client = module.client("cloudwatch", retry_decorator=AWSRetry.jittered_backoff())

    def _find(self) -> dict[str, Fields]:
        prefix = self._params["prefix"]
        pages = self._client.get_paginator("describe_alarms").paginate(
            AlarmTypes=["MetricAlarm"], **({"AlarmNamePrefix": prefix} if prefix else {})
        )
        return {alarm["AlarmName"]: alarm for page in pages for alarm in page["MetricAlarms"]}

    def keep(self) -> tuple[Fields, Fields]:
        """Bring them up to date; answer with what was otherwise before, and what is after."""
        params = self._params
        found = self._find()
        before: Fields = {}
        after: Fields = {}
        for alarm in params["alarms"]:
            wanted = wanted_fields(params["prefix"], alarm, params["actions"])
            name = wanted["AlarmName"]
            current = current_fields(found[name], wanted) if name in found else {}
            change = {key: value for key, value in wanted.items() if value != current.get(key)}
            if change:
                before[name] = {key: current[key] for key in change if key in current}
                after[name] = change
                if not self._module.check_mode:
                    self._client.put_metric_alarm(
                        aws_retry=True,
                        **wanted,
                        **({} if current else self._tags()),
                    )
            if current:
                tags_before, tags_after = self._tag(name, found[name]["AlarmArn"])
                before |= tags_before
                after |= tags_after
        wanted_names = {params["prefix"] + alarm["name"] for alarm in params["alarms"]}
        strays = sorted(name for name in set(found) - wanted_names if self._is_ours(found[name]))
        before |= {name: {"AlarmName": name} for name in strays}
        if strays and not self._module.check_mode:
            for start in range(0, len(strays), AT_ONCE):
                some = strays[start : start + AT_ONCE]
                self._client.delete_alarms(aws_retry=True, AlarmNames=some)
        return before, after

    def _is_ours(self, alarm: Fields) -> bool:
        ours = self._params["tags"]
        return bool(ours) and ours.items() <= self._tags_of(alarm["AlarmArn"]).items()

    def _tags_of(self, arn: str) -> Tags:
        answer = self._client.list_tags_for_resource(aws_retry=True, ResourceARN=arn)
        return boto3_tag_list_to_ansible_dict(answer["Tags"])

    def _tags(self) -> Fields:
        tags = self._params["tags"]
        return {"Tags": ansible_dict_to_boto3_tag_list(tags)} if tags else {}

    def _tag(self, name: str, arn: str) -> tuple[Fields, Fields]:
        """Bring the tags of an alarm that there is up to date: PutMetricAlarm leaves them."""
        client = self._client

        def add(tags: Tags) -> None:
            listed = ansible_dict_to_boto3_tag_list(tags)
            client.tag_resource(aws_retry=True, ResourceARN=arn, Tags=listed)

        def remove(keys: list[str]) -> None:
            client.untag_resource(aws_retry=True, ResourceARN=arn, TagKeys=keys)

        def read() -> Tags:
            return self._tags_of(arn)

        return keep_tags(self._module, read, add=add, remove=remove, label=f"{name} tags")


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        before, after = Alarms(module).keep()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the alarms could not be kept")
    module.exit_json(
        changed=before != after,
        diff={"before": before, "after": after},
        names=[module.params["prefix"] + alarm["name"] for alarm in module.params["alarms"]],
    )


if __name__ == "__main__":
    main()
