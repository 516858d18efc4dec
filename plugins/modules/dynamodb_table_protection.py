#!/usr/bin/python
"""Ansible module: what protects a DynamoDB table, and the expiry of its items."""

from __future__ import annotations

DOCUMENTATION = r"""
module: dynamodb_table_protection
short_description: Manage point-in-time recovery, deletion protection and expiry of a DynamoDB table
description:
  - C(community.aws.dynamodb_table) makes a table, but knows none of these.
options:
  name:
    description: Name of the table.
    type: str
    required: true
  point_in_time_recovery:
    description: Whether the table can be restored to any second of the last 35 days.
    type: bool
  deletion_protection:
    description: Whether DynamoDB refuses to delete the table.
    type: bool
  ttl_attribute:
    description: Attribute that says when an item expires, in epoch seconds; empty for none.
    type: str
attributes:
  check_mode:
    support: full
    description: On a table that is not there yet, says what would be set.
  diff_mode:
    support: full
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
"""

EXAMPLES = r"""
- name: Protect the order table
  dynamodb_table_protection:
    name: WebsiteOrders
    point_in_time_recovery: true
    deletion_protection: true

- name: Let it be deleted
  dynamodb_table_protection:
    name: WebsiteOrders
    deletion_protection: false
"""

RETURN = r"""
protection:
  description: The settings as they are now, in check mode as they would be.
  returned: always
  type: dict
  sample: {point_in_time_recovery: true, deletion_protection: true, ttl_attribute: ""}
"""

from typing import Any  # noqa: E402

from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

Settings = dict[str, Any]

NAMES = ("point_in_time_recovery", "deletion_protection", "ttl_attribute")
ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"required": True},
    "point_in_time_recovery": {"type": "bool"},
    "deletion_protection": {"type": "bool"},
    "ttl_attribute": {},
}


class Table:
    """The table of a module's parameters."""

    def __init__(self, module: Any) -> None:
        # A table that was just made is not ready for backups for seconds, sometimes minutes.
        retry = AWSRetry.jittered_backoff(
            retries=20,
            max_delay=20,
            catch_extra_error_codes=["ContinuousBackupsUnavailableException"],
        )
        self._client = module.client("dynamodb", retry_decorator=retry)
        self._name = {"TableName": module.params["name"]}

    def read(self) -> Settings | None:
        """The settings as they are; None where there is no table."""
        try:
            table = self._client.describe_table(aws_retry=True, **self._name)["Table"]
        except self._client.exceptions.ResourceNotFoundException:
            return None
        backups = self._client.describe_continuous_backups(aws_retry=True, **self._name)
        recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        expiry = self._client.describe_time_to_live(aws_retry=True, **self._name)
        expiry = expiry["TimeToLiveDescription"]
        expires = expiry["TimeToLiveStatus"] in ("ENABLED", "ENABLING")
        return {
            "point_in_time_recovery": recovery.get("PointInTimeRecoveryStatus") == "ENABLED",
            "deletion_protection": table.get("DeletionProtectionEnabled", False),
            "ttl_attribute": expiry["AttributeName"] if expires else "",
        }

    def write(self, change: Settings, current: Settings) -> None:
        """Make the settings so."""
        if "deletion_protection" in change:
            self._client.update_table(
                aws_retry=True,
                **self._name,
                DeletionProtectionEnabled=change["deletion_protection"],
            )
            self._client.get_waiter("table_exists").wait(**self._name)
        if "point_in_time_recovery" in change:
            wanted = {"PointInTimeRecoveryEnabled": change["point_in_time_recovery"]}
            self._client.update_continuous_backups(
                aws_retry=True, **self._name, PointInTimeRecoverySpecification=wanted
            )
        if "ttl_attribute" in change:
            attribute = change["ttl_attribute"]
            wanted = {
                "Enabled": bool(attribute),
                "AttributeName": attribute or current["ttl_attribute"],
            }
            self._client.update_time_to_live(
                aws_retry=True, **self._name, TimeToLiveSpecification=wanted
            )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wanted = {name: module.params[name] for name in NAMES if module.params[name] is not None}
    try:
        table = Table(module)
        current = table.read()
        if current is None and not module.check_mode:
            module.fail_json(msg=f"there is no table {module.params['name']}")
        before = current or {}
        change = {name: value for name, value in wanted.items() if value != before.get(name)}
        if change and not module.check_mode:
            table.write(change, before)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the table could not be protected")
    module.exit_json(
        changed=bool(change),
        diff={"before": {name: before.get(name) for name in change}, "after": change},
        protection=before | change,
    )


if __name__ == "__main__":
    main()
