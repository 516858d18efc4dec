#!/usr/bin/python
"""Ansible module: who hears of a topic, and of which of its messages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sns_subscriptions
short_description: Subscribe to an SNS topic, with a filter
description:
  - Makes subscriptions with their filter, and brings the filters of those that there are up to
    date. Others are left alone.
  - C(community.aws.sns_topic) knows no filters, and fails where an address is not confirmed yet.
  - A subscription that is not confirmed yet cannot be changed; it keeps the filter that it was
    made with. A changed filter takes up to 15 minutes to count.
options:
  topic:
    description: The topic's ARN.
    type: str
    required: true
  subscriptions:
    description: Who is to hear of it.
    type: list
    elements: dict
    required: true
    suboptions:
      protocol:
        description: How, as C(email) or C(sqs).
        type: str
        required: true
      endpoint:
        description: Where, as an address or an ARN.
        type: str
        required: true
  filter_policy:
    description: Which messages they hear of, by the messages' attributes; without it, all.
    type: dict
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Tell someone of all but tests
  sns_subscriptions:
    topic: arn:aws:sns:us-east-1:000000000000:website-alarms
    subscriptions:
      - {protocol: email, endpoint: someone@example.com}
    filter_policy: {test: ["false"]}
"""

RETURN = r"""
unconfirmed:
  description: The endpoints that have not confirmed yet.
  returned: always
  type: list
  elements: str
  sample: [someone@example.com]
"""

import json  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import Fields  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "topic": {"required": True},
    "subscriptions": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {"protocol": {"required": True}, "endpoint": {"required": True}},
    },
    "filter_policy": {"type": "dict"},
}


class Subscriptions:
    """The subscriptions of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._topic = module.params["topic"]
        self._filter = module.params["filter_policy"] or {}
        self._client = module.client("sns", retry_decorator=AWSRetry.jittered_backoff())
        self.unconfirmed: list[str] = []

    def ensure(self) -> tuple[Fields, Fields]:
        """Make or change them; answer with the filters before and after."""
        found = self._find()
        before: Fields = {}
        after: Fields = {}
        for one in self._module.params["subscriptions"]:
            name = one["endpoint"]
            arn = found.get((one["protocol"], name))
            if arn is None:
                after[name] = self._filter
                arn = self._subscribe(one)
            elif arn.startswith("arn:") and (current := self._filter_of(arn)) != self._filter:
                before[name], after[name] = current, self._filter
                self._change(arn)
            if not arn.startswith("arn:"):
                self.unconfirmed.append(name)
        return before, after

    def _find(self) -> dict[tuple[str, str], str]:
        """What there is: an ARN, or a word where the subscription is not confirmed."""
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(
            TopicArn=self._topic
        )
        try:
            return {
                (one["Protocol"], one["Endpoint"]): one["SubscriptionArn"]
                for page in pages
                for one in page["Subscriptions"]
            }
        except self._client.exceptions.NotFoundException:
            if not self._module.check_mode:
                raise
            return {}

    def _filter_of(self, arn: str) -> Fields:
        answer = self._client.get_subscription_attributes(aws_retry=True, SubscriptionArn=arn)
        return json.loads(answer["Attributes"].get("FilterPolicy") or "{}")

    def _subscribe(self, subscription: Fields) -> str:
        if self._module.check_mode:
            return "pending confirmation"
        attributes = {"FilterPolicy": json.dumps(self._filter)} if self._filter else {}
        answer = self._client.subscribe(
            aws_retry=True,
            TopicArn=self._topic,
            Protocol=subscription["protocol"],
            Endpoint=subscription["endpoint"],
            Attributes=attributes,
        )
        return answer["SubscriptionArn"]

    def _change(self, arn: str) -> None:
        if not self._module.check_mode:
            self._client.set_subscription_attributes(
                aws_retry=True,
                SubscriptionArn=arn,
                AttributeName="FilterPolicy",
                AttributeValue=json.dumps(self._filter),
            )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    subscriptions = Subscriptions(module)
    try:
        before, after = subscriptions.ensure()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the subscriptions could not be kept")
    module.exit_json(
        changed=bool(after),
        diff={"before": before, "after": after},
        unconfirmed=subscriptions.unconfirmed,
    )


if __name__ == "__main__":
    main()
