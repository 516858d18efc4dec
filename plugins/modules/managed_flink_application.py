#!/usr/bin/python
"""Ansible module: an application of Managed Service for Apache Flink."""

from __future__ import annotations

DOCUMENTATION = r"""
module: managed_flink_application
short_description: Keep, start and stop an application of Managed Service for Apache Flink
description:
  - Creates, updates, starts, stops and deletes an application whose code is a zip in S3. What is
    not given is left as it is; a new application gets the service's preset.
  - The service reads a zip only when an application is updated. Give each content a key (or an
    object version) of its own, and this module sees that the code has changed.
  - An update of a running application restarts it.
options:
  name:
    description: Name of the application.
    type: str
    required: true
  state:
    description:
      - C(present) leaves it running or not, as it is. C(stopped) takes a snapshot first, where
        snapshots are enabled and I(force_stop) is not set.
    type: str
    choices: [present, started, stopped, absent]
    default: present
  runtime:
    description: Runtime, such as C(FLINK-2_2). Needed to create it.
    type: str
  role:
    description: ARN of the role that the application works with. Needed to create it.
    type: str
  code:
    description: The zip, C(bucket), C(key) and where wanted C(version). Needed to create it.
    type: dict
    options:
      bucket:
        description: Name of the bucket.
        type: str
        required: true
      key:
        description: Key of the object.
        type: str
        required: true
      version:
        description: Version of the object.
        type: str
  properties:
    description: Groups of properties by name, each a dictionary of strings. All others go.
    type: dict
  parallelism:
    description: Subtasks of each operator.
    type: int
  parallelism_per_kpu:
    description: Subtasks that share one processing unit.
    type: int
  auto_scaling:
    description: Whether the service changes the number of units with the load.
    type: bool
  log_level:
    description: What Flink logs.
    type: str
    choices: [DEBUG, INFO, WARN, ERROR]
  log_stream:
    description: ARN of the CloudWatch log stream that it logs to.
    type: str
  snapshots:
    description: Whether a snapshot is taken when it is stopped or updated.
    type: bool
  restore:
    description:
      - What it starts from after I(state=started), and after an update of a running one. Use
        C(none) where the new code cannot read the state of the old one. A start never takes a
        snapshot of another version of the application.
    type: str
    choices: [latest, none]
    default: latest
  allow_non_restored_state:
    description: Whether state of a snapshot that the code has no place for is dropped.
    type: bool
    default: false
  force_stop:
    description: Whether it is stopped without a snapshot.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for each change to be done; C(0) does not wait.
    type: int
    default: 900
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
  - aws_resource
  - aws_resource.tags
"""

EXAMPLES = r"""
- name: Run the rules on Flink
  managed_flink_application:
    name: surgewatch-analytics
    state: started
    runtime: FLINK-2_2
    role: arn:aws:iam::000000000000:role/surgewatch-analytics
    code:
      bucket: surgewatch-000000000000-us-east-1
      key: analytics/flink-0a1b2c3d4e5f.zip
    properties:
      kinesis.analytics.flink.run.options:
        python: main.py
        jarfile: lib/connector.jar
      surgewatch:
        orders_arn: arn:aws:kinesis:us-east-1:000000000000:stream/website-orders
        alarms_arn: arn:aws:kinesis:us-east-1:000000000000:stream/website-alarms
        region: us-east-1
    parallelism: 2
    tags:
      Project: surgewatch

- name: Stop it, with a snapshot to go on from
  managed_flink_application:
    name: surgewatch-analytics
    state: stopped

- name: Delete it
  managed_flink_application:
    name: surgewatch-analytics
    state: absent
"""

RETURN = r"""
application:
  description: The application as the service describes it, its names in snake case.
  returned: when there is one
  type: dict
  contains:
    application_arn:
      description: Its ARN.
      type: str
      sample: arn:aws:kinesisanalytics:us-east-1:000000000000:application/surgewatch-analytics
    application_status:
      description: Its state.
      type: str
      sample: RUNNING
    application_version_id:
      description: Counts its updates.
      type: int
      sample: 3
"""

from collections.abc import Sequence  # noqa: E402
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

SETTLED = ("READY", "RUNNING", "ROLLED_BACK")
POLL_SECONDS = 5.0
RESTORE = {"latest": "RESTORE_FROM_LATEST_SNAPSHOT", "none": "SKIP_RESTORE_FROM_SNAPSHOT"}
NEEDED = ("runtime", "role", "code")
"""To create an application."""

ARGUMENTS: dict[str, dict[str, Any]] = {
    "name": {"required": True},
    "state": {"choices": ["present", "started", "stopped", "absent"], "default": "present"},
    "runtime": {},
    "role": {},
    "code": {
        "type": "dict",
        "options": {"bucket": {"required": True}, "key": {"required": True}, "version": {}},
    },
    "properties": {"type": "dict"},
    "parallelism": {"type": "int"},
    "parallelism_per_kpu": {"type": "int"},
    "auto_scaling": {"type": "bool"},
    "log_level": {"choices": ["DEBUG", "INFO", "WARN", "ERROR"]},
    "log_stream": {},
    "snapshots": {"type": "bool"},
    "restore": {"choices": ["latest", "none"], "default": "latest"},
    "allow_non_restored_state": {"type": "bool", "default": False},
    "force_stop": {"type": "bool", "default": False},
    "tags": {"type": "dict"},
    "purge_tags": {"type": "bool", "default": True},
    "wait_timeout": {"type": "int", "default": 900},
}

# Our fields, and what they are called within the parallelism's and the logging's configuration.
PARALLELISM = {
    "parallelism": "Parallelism",
    "parallelism_per_kpu": "ParallelismPerKPU",
    "auto_scaling": "AutoScalingEnabled",
}
MONITORING = {"log_level": "LogLevel"}


def wanted_fields(params: Fields, partition: str = "aws") -> Fields:
    """The fields that were given, as `current_fields` gives those that are."""
    plain = ("runtime", "role", "log_stream", "snapshots", *PARALLELISM, *MONITORING)
    fields = {name: params[name] for name in plain}
    if params["code"] is not None:
        code = {key: value for key, value in params["code"].items() if value is not None}
        fields["code"] = code | {"bucket": f"arn:{partition}:s3:::{code['bucket']}"}
    if params["properties"] is not None:
        fields["properties"] = {
            group: {key: str(value) for key, value in some.items()}
            for group, some in params["properties"].items()
        }
    return {name: value for name, value in fields.items() if value is not None}


def current_fields(detail: Fields) -> Fields:
    """The fields of an application that there is."""
    found = detail.get("ApplicationConfigurationDescription", {})
    code = found.get("ApplicationCodeConfigurationDescription", {}).get(
        "CodeContentDescription", {}
    )
    place = code.get("S3ApplicationCodeLocationDescription", {})
    flink = found.get("FlinkApplicationConfigurationDescription", {})
    parallelism = flink.get("ParallelismConfigurationDescription", {})
    monitoring = flink.get("MonitoringConfigurationDescription", {})
    groups = found.get("EnvironmentPropertyDescriptions", {}).get("PropertyGroupDescriptions", [])
    snapshots = found.get("ApplicationSnapshotConfigurationDescription", {})
    logging = detail.get("CloudWatchLoggingOptionDescriptions") or [{}]
    names = {"bucket": "BucketARN", "key": "FileKey", "version": "ObjectVersion"}
    return {
        "runtime": detail["RuntimeEnvironment"],
        "role": detail.get("ServiceExecutionRole"),
        "code": {name: place[key] for name, key in names.items() if key in place},
        "properties": {group["PropertyGroupId"]: group["PropertyMap"] for group in groups},
        "log_stream": logging[0].get("LogStreamARN"),
        "snapshots": snapshots.get("SnapshotsEnabled"),
        **{name: parallelism.get(key) for name, key in PARALLELISM.items()},
        **{name: monitoring.get(key) for name, key in MONITORING.items()},
    }


def configuration(fields: Fields, update: bool = False) -> Fields:
    """Fields as ApplicationConfiguration, or as ApplicationConfigurationUpdate."""
    more = "Update" if update else ""
    made: Fields = {}
    if "code" in fields:
        code = fields["code"]
        place = {f"BucketARN{more}": code["bucket"], f"FileKey{more}": code["key"]}
        if "version" in code:
            place[f"ObjectVersion{more}"] = code["version"]
        content = {f"CodeContent{more}": {f"S3ContentLocation{more}": place}}
        kind = {} if update else {"CodeContentType": "ZIPFILE"}
        made[f"ApplicationCodeConfiguration{more}"] = content | kind
    flink: Fields = {}
    for part, names in (("Parallelism", PARALLELISM), ("Monitoring", MONITORING)):
        given = {f"{names[name]}{more}": fields[name] for name in names if name in fields}
        if given:
            flink[f"{part}Configuration{more}"] = {f"ConfigurationType{more}": "CUSTOM"} | given
    if flink:
        made[f"FlinkApplicationConfiguration{more}"] = flink
    if "properties" in fields:
        groups = [
            {"PropertyGroupId": group, "PropertyMap": some}
            for group, some in fields["properties"].items()
        ]
        made["EnvironmentPropertyUpdates" if update else "EnvironmentProperties"] = {
            "PropertyGroups": groups
        }
    if "snapshots" in fields:
        enabled = {f"SnapshotsEnabled{more}": fields["snapshots"]}
        made[f"ApplicationSnapshotConfiguration{more}"] = enabled
    return made


def creation_request(params: Fields, fields: Fields) -> Fields:
    """What CreateApplication takes."""
    request = {
        "ApplicationName": params["name"],
        "RuntimeEnvironment": fields["runtime"],
        "ServiceExecutionRole": fields["role"],
        "ApplicationConfiguration": configuration(fields),
        "ApplicationMode": "STREAMING",
    }
    if "log_stream" in fields:
        request["CloudWatchLoggingOptions"] = [{"LogStreamARN": fields["log_stream"]}]
    if params["tags"]:
        request["Tags"] = ansible_dict_to_boto3_tag_list(params["tags"], "Key", "Value")
    return request


def run_configuration(params: Fields, restore: str) -> Fields:
    """How a start, or the restart of an update, gets its state."""
    return {
        "FlinkRunConfiguration": {"AllowNonRestoredState": params["allow_non_restored_state"]},
        "ApplicationRestoreConfiguration": {"ApplicationRestoreType": RESTORE[restore]},
    }


def update_request(params: Fields, detail: Fields, change: Fields) -> Fields:
    """What UpdateApplication takes, but for a log stream where there was none."""
    request = {
        "ApplicationName": params["name"],
        "CurrentApplicationVersionId": detail["ApplicationVersionId"],
    }
    if made := configuration(change, update=True):
        request["ApplicationConfigurationUpdate"] = made
    if "runtime" in change:
        request["RuntimeEnvironmentUpdate"] = change["runtime"]
    if "role" in change:
        request["ServiceExecutionRoleUpdate"] = change["role"]
    options = detail.get("CloudWatchLoggingOptionDescriptions")
    if "log_stream" in change and options:
        request["CloudWatchLoggingOptionUpdates"] = [
            {
                "CloudWatchLoggingOptionId": options[0]["CloudWatchLoggingOptionId"],
                "LogStreamARNUpdate": change["log_stream"],
            }
        ]
    if detail["ApplicationStatus"] == "RUNNING":
        request["RunConfigurationUpdate"] = run_configuration(params, params["restore"])
    return request


class Application:
    """The application of a module's parameters."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._params = module.params
        self._name = {"ApplicationName": module.params["name"]}
        self._client = module.client(
            "kinesisanalyticsv2", retry_decorator=AWSRetry.jittered_backoff()
        )
        self.found = self._describe()

    def ensure(self) -> tuple[Fields, Fields]:
        """Make it as asked; answer with what differed, before and after."""
        state = self._params["state"]
        if state == "absent":
            return self._ensure_absent()
        if self.found is None:
            before, after = self._create()
        else:
            self._settle()
            before, after = self._update()
        aim = {"started": "RUNNING", "stopped": "READY"}.get(state)
        status = "READY" if self.found is None else self.found["ApplicationStatus"]
        if aim is not None and status != aim:
            before, after = before | {"status": status}, after | {"status": aim}
            if not self._module.check_mode:
                (self._start if state == "started" else self._stop)()
        return before, after

    def _ensure_absent(self) -> tuple[Fields, Fields]:
        if self.found is None:
            return {}, {}
        before = current_fields(self.found)
        if not self._module.check_mode:
            self._client.delete_application(
                aws_retry=True, **self._name, CreateTimestamp=self.found["CreateTimestamp"]
            )
            self.found = self._describe()
            self._settle([GONE])
        self.found = None
        return before, {}

    def _create(self) -> tuple[Fields, Fields]:
        missing = [name for name in NEEDED if self._params[name] is None]
        if missing:
            self._module.fail_json(msg=f"there is no such application: {', '.join(missing)} needed")
        fields = wanted_fields(self._params, self._partition())
        if not self._module.check_mode:
            answer = self._client.create_application(
                aws_retry=True, **creation_request(self._params, fields)
            )
            self.found = answer["ApplicationDetail"]
            self._settle()
        return {}, fields | {"tags": self._params["tags"] or {}}

    def _update(self) -> tuple[Fields, Fields]:
        wanted, current = wanted_fields(self._params, self._partition()), current_fields(self.found)
        change = {name: value for name, value in wanted.items() if value != current[name]}
        before = {name: current[name] for name in change}
        if change and not self._module.check_mode:
            if "log_stream" in change and current["log_stream"] is None:
                self._client.add_application_cloud_watch_logging_option(
                    aws_retry=True,
                    **self._name,
                    CurrentApplicationVersionId=self.found["ApplicationVersionId"],
                    CloudWatchLoggingOption={"LogStreamARN": change["log_stream"]},
                )
                self.found = self._describe()
                self._settle()
            if change.keys() - {"log_stream"} or current["log_stream"] is not None:
                request = update_request(self._params, self.found, change)
                answer = self._client.update_application(aws_retry=True, **request)
                self.found = answer["ApplicationDetail"]
                self._settle()
        old, new = self._tag()
        return before | old, change | new

    def _tag(self) -> tuple[Fields, Fields]:
        client, arn = self._client, self.found["ApplicationARN"]

        def read() -> Tags:
            answer = client.list_tags_for_resource(aws_retry=True, ResourceARN=arn)
            return boto3_tag_list_to_ansible_dict(answer.get("Tags", []), "Key", "Value")

        def add(tags: Tags) -> None:
            listed = ansible_dict_to_boto3_tag_list(tags, "Key", "Value")
            client.tag_resource(aws_retry=True, ResourceARN=arn, Tags=listed)

        def remove(keys: list[str]) -> None:
            client.untag_resource(aws_retry=True, ResourceARN=arn, TagKeys=keys)

        return keep_tags(self._module, read, add=add, remove=remove)

    def _start(self) -> None:
        run = run_configuration(self._params, self._restore())
        self._client.start_application(aws_retry=True, **self._name, RunConfiguration=run)
        self.found = self._describe()
        self._settle()
        if self._params["wait_timeout"] and self.found["ApplicationStatus"] != "RUNNING":
            self._module.fail_json(msg="the application did not stay up: look at its log stream")

    def _restore(self) -> str:
        """What a start gets its state from: a snapshot of other code would not fit."""
        if self._params["restore"] == "none":
            return "none"
        pages = self._client.get_paginator("list_application_snapshots").paginate(**self._name)
        ready = [
            one
            for page in pages
            for one in page["SnapshotSummaries"]
            if one["SnapshotStatus"] == "READY"
        ]
        newest = max(ready, key=lambda one: one["SnapshotCreationTimestamp"], default={})
        version = self.found["ApplicationVersionId"]
        return "latest" if newest.get("ApplicationVersionId") == version else "none"

    def _stop(self) -> None:
        force = self._params["force_stop"]
        self._client.stop_application(aws_retry=True, **self._name, Force=force)
        self.found = self._describe()
        self._settle()

    def _describe(self) -> Fields | None:
        try:
            answer = self._client.describe_application(aws_retry=True, **self._name)
        except self._client.exceptions.ResourceNotFoundException:
            return None
        return answer["ApplicationDetail"]

    def _settle(self, settled: Sequence[str] = SETTLED) -> None:
        """Wait until nothing goes on any more."""
        self.found = wait(
            self._module,
            "the application",
            self.found,
            self._describe,
            status="ApplicationStatus",
            settled=settled,
            poll_seconds=POLL_SECONDS,
        )

    def _partition(self) -> str:
        return self._client.meta.partition


def main() -> None:
    module = AnsibleAWSModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        application = Application(module)
        before, after = application.ensure()
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg="the application could not be managed")
    result = {"changed": before != after, "diff": {"before": before, "after": after}}
    if application.found:
        result["application"] = camel_dict_to_snake_dict(
            application.found, ignore_list=["PropertyMap"]
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
