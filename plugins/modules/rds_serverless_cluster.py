#!/usr/bin/python
"""Ansible module: an Aurora MySQL Serverless v2 cluster whose password RDS itself manages."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rds_serverless_cluster
short_description: Manage an Aurora MySQL Serverless v2 cluster
description:
  - Creates, updates and deletes an encrypted Aurora MySQL cluster whose instances are of the class
    C(db.serverless). RDS makes the administrator's password, keeps it in a secret and rotates it,
    so that it is in no argument, result, diff or log.
  - C(amazon.aws.rds_cluster) knows neither passwords that RDS manages nor the automatic pause.
  - Its instances are those of C(amazon.aws.rds_instance).
options:
  state:
    description: Whether there is such a cluster.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Its identifier.
    type: str
    required: true
  engine_version:
    description: Version of Aurora MySQL. Needed to create it.
    type: str
  username:
    description: Name of the administrator. It counts only when the cluster is created.
    type: str
    default: admin
  subnet_group:
    description: Subnet group. It counts only when the cluster is created.
    type: str
  security_groups:
    description: IDs of security groups.
    type: list
    elements: str
  parameter_group:
    description: Cluster parameter group.
    type: str
  min_capacity:
    description: The least capacity in ACUs, in halves; C(0) lets the cluster pause.
    type: float
  max_capacity:
    description: The most capacity in ACUs, in halves.
    type: float
  pause_seconds:
    description: Idle seconds, 300 to 86,400, after which a cluster with I(min_capacity=0) pauses.
    type: int
  backup_days:
    description: How long automatic backups are kept, 1 to 35 days.
    type: int
  deletion_protection:
    description: Whether RDS refuses to delete the cluster.
    type: bool
  logs:
    description: Logs that go to CloudWatch, as C(error).
    type: list
    elements: str
  final_snapshot:
    description: Name of the snapshot that is taken before a deletion; without it none is.
    type: str
  wait_timeout:
    description: Seconds to wait until the cluster is available or gone; C(0) does not wait.
    type: int
    default: 1800
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Make a cluster that pauses after an hour without a connection
  rds_serverless_cluster:
    name: surgewatch
    engine_version: 8.0.mysql_aurora.3.10.0
    subnet_group: surgewatch
    security_groups: [sg-0123456789abcdef0]
    min_capacity: 0
    max_capacity: 2
    pause_seconds: 3600
    backup_days: 7
    deletion_protection: true

- name: Delete it, keeping a snapshot
  rds_serverless_cluster:
    state: absent
    name: surgewatch
    deletion_protection: false
    final_snapshot: surgewatch-final
"""

RETURN = r"""
cluster:
  description: The cluster as RDS describes it, its names in snake case; in check mode as it is.
  returned: when there is one
  type: dict
  contains:
    endpoint:
      description: Where the writer is reached.
      type: str
      sample: surgewatch.cluster-abcdefghijkl.us-east-1.rds.amazonaws.com
    master_user_secret:
      description: The administrator's secret.
      type: dict
      sample: {secret_arn: "arn:aws:secretsmanager:us-east-1:000000000000:secret:rds!cluster-1"}
"""

import re  # noqa: E402
from typing import Any  # noqa: E402

from ansible.module_utils.aws_resource import GONE, Fields, Tags, keep_tags, wait  # noqa: E402
from ansible.module_utils.common.dict_transformations import (  # noqa: E402
    camel_dict_to_snake_dict,
)
from ansible_collections.amazon.aws.plugins.module_utils.modules import (  # noqa: E402
    AnsibleAWSModule,
)
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.tagging import (  # noqa: E402
    ansible_dict_to_boto3_tag_list,
    boto3_tag_list_to_ansible_dict,
)
from botocore.exceptions import BotoCoreError, ClientError  # noqa: E402

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"choices": ["present", "absent"], "default": "present"},
    "name": {"required": True},
    "engine_version": {},
    "username": {"default": "admin"},
    "subnet_group": {},
    "security_groups": {"type": "list", "elements": "str"},
    "parameter_group": {},
    "min_capacity": {"type": "float"},
    "max_capacity": {"type": "float"},
    "pause_seconds": {"type": "int"},
    "backup_days": {"type": "int"},
    "deletion_protection": {"type": "bool"},
    "logs": {"type": "list", "elements": "str"},
    "final_snapshot": {},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 1800},
}


def wanted_fields(params: Fields) -> Fields:
    """What can be changed of a cluster, under CreateDBCluster's names."""
    scaling = {
        "MinCapacity": params["min_capacity"],
        "MaxCapacity": params["max_capacity"],
        # RDS refuses it on a cluster that never pauses.
        "SecondsUntilAutoPause": None if params["min_capacity"] else params["pause_seconds"],
    }
    fields = {
        "EngineVersion": params["engine_version"],
        "VpcSecurityGroupIds": params["security_groups"] and sorted(params["security_groups"]),
        "DBClusterParameterGroupName": params["parameter_group"],
        "ServerlessV2ScalingConfiguration": _given(scaling) or None,
        "BackupRetentionPeriod": params["backup_days"],
        "DeletionProtection": params["deletion_protection"],
        "EnableCloudwatchLogsExports": params["logs"] and sorted(params["logs"]),
    }
    return _given(fields)


def creation_fields(params: Fields) -> Fields:
    """What CreateDBCluster takes beside those."""
    fields = {
        "DBClusterIdentifier": params["name"],
        "Engine": "aurora-mysql",
        "MasterUsername": params["username"],
        "ManageMasterUserPassword": True,
        "StorageEncrypted": True,
        "CopyTagsToSnapshot": True,
        "DBSubnetGroupName": params["subnet_group"],
        "Tags": ansible_dict_to_boto3_tag_list(params["tags"] or {}),
    }
    return _given(fields)


def current_fields(cluster: Fields) -> Fields:
    """The fields that can be changed, of a cluster that there is."""
    groups = [group["VpcSecurityGroupId"] for group in cluster.get("VpcSecurityGroups", [])]
    return {
        "EngineVersion": cluster.get("EngineVersion"),
        "VpcSecurityGroupIds": sorted(groups),
        "DBClusterParameterGroupName": cluster.get("DBClusterParameterGroup"),
        "ServerlessV2ScalingConfiguration": cluster.get("ServerlessV2ScalingConfiguration", {}),
        "BackupRetentionPeriod": cluster.get("BackupRetentionPeriod"),
        "DeletionProtection": cluster.get("DeletionProtection", False),
        "EnableCloudwatchLogsExports": sorted(cluster.get("EnabledCloudwatchLogsExports", [])),
    }


def changes(wanted: Fields, current: Fields) -> Fields:
    """The wanted fields that are otherwise now; a version that is newer already stays."""
    found = {name: value for name, value in wanted.items() if value != current[name]}
    if _numbers(wanted.get("EngineVersion")) <= _numbers(current["EngineVersion"]):
        found.pop("EngineVersion", None)
    scaling = current["ServerlessV2ScalingConfiguration"]
    if _given(found.get("ServerlessV2ScalingConfiguration", {})).items() <= scaling.items():
        found.pop("ServerlessV2ScalingConfiguration", None)
    return found


def modification_fields(change: Fields, current: Fields) -> Fields:
    """A change as ModifyDBCluster takes it."""
    fields = dict(change)
    logs = fields.pop("EnableCloudwatchLogsExports", None)
    if logs is not None:
        before = set(current["EnableCloudwatchLogsExports"])
        fields["CloudwatchLogsExportConfiguration"] = {
            "EnableLogTypes": sorted(set(logs) - before),
            "DisableLogTypes": sorted(before - set(logs)),
        }
    return fields | {"ApplyImmediately": True}


def _numbers(version: str | None) -> list[int]:
    """A version, as it can be compared."""
    return [int(number) for number in re.findall(r"\d+", version or "")]


def _given(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


class Cluster:
    """The cluster of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params = module.params
        self._client = module.client("rds", retry_decorator=AWSRetry.jittered_backoff())
        self.found = self._find()

    def _find(self) -> Fields | None:
        try:
            answer = self._client.describe_db_clusters(
                aws_retry=True, DBClusterIdentifier=self._params["name"]
            )
        except self._client.exceptions.DBClusterNotFoundFault:
            return None
        return answer["DBClusters"][0]

    def ensure_present(self) -> tuple[Fields, Fields]:
        """Create or update it; answer with the fields before and after."""
        wanted = wanted_fields(self._params)
        if self.found is None:
            if not self._module.check_mode:
                self._client.create_db_cluster(
                    aws_retry=True, **creation_fields(self._params), **wanted
                )
                self._wait()
            return {}, creation_fields(self._params) | wanted
        current = current_fields(self.found)
        change = changes(wanted, current)
        if change and not self._module.check_mode:
            self._modify(modification_fields(change, current))
        before, after = self._tag()
        return {name: current[name] for name in change} | before, change | after

    def ensure_absent(self) -> tuple[Fields, Fields]:
        """Delete it; answer with the fields before and after."""
        if self.found is None:
            return {}, {}
        before = current_fields(self.found)
        if not self._module.check_mode and self.found["Status"] != "deleting":
            if before["DeletionProtection"] and self._params["deletion_protection"] is False:
                self._modify({"DeletionProtection": False, "ApplyImmediately": True})
            snapshot = self._params["final_snapshot"]
            how: Fields = {"FinalDBSnapshotIdentifier": snapshot} if snapshot else {}
            self._client.delete_db_cluster(
                aws_retry=True,
                DBClusterIdentifier=self._params["name"],
                SkipFinalSnapshot=not snapshot,
                **how,
            )
        if not self._module.check_mode:
            self._wait(until=GONE)
        self.found = None
        return before, {}

    def _modify(self, fields: Fields) -> None:
        self._client.modify_db_cluster(
            aws_retry=True, DBClusterIdentifier=self._params["name"], **fields
        )
        self._wait()

    def _tag(self) -> tuple[Fields, Fields]:
        client, cluster = self._client, self.found

        def add(tags: Tags) -> None:
            listed = ansible_dict_to_boto3_tag_list(tags)
            client.add_tags_to_resource(
                aws_retry=True, ResourceName=cluster["DBClusterArn"], Tags=listed
            )

        def remove(keys: list[str]) -> None:
            client.remove_tags_from_resource(
                aws_retry=True, ResourceName=cluster["DBClusterArn"], TagKeys=keys
            )

        return keep_tags(
            self._module,
            lambda: boto3_tag_list_to_ansible_dict(cluster.get("TagList", [])),
            add=add,
            remove=remove,
            label="Tags",
        )

    def _wait(self, until: str = "available") -> None:
        self.found = wait(
            self._module,
            "the cluster",
            self._find(),
            self._find,
            status="Status",
            settled=[until],
            poll_seconds=5,
        )


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        cluster = Cluster(module)
        absent = module.params["state"] == "absent"
        before, after = cluster.ensure_absent() if absent else cluster.ensure_present()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the cluster could not be managed")
    result = {"changed": before != after, "diff": {"before": before, "after": after}}
    if cluster.found:
        result["cluster"] = camel_dict_to_snake_dict(cluster.found, ignore_list=["TagList"])
    module.exit_json(**result)


if __name__ == "__main__":
    main()
