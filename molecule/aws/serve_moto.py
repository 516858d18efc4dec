"""An AWS on loopback: moto, corrected where it differs from AWS in what the project uses.

Run as `python serve_moto.py PORT RECORD`; each call is a line of the file RECORD.
"""

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.core.responses import ActionResult
from moto.dynamodb.models.table import Table
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.rds.models import DBClusterParameterGroup
from moto.servicequotas.models import ServiceQuotasBackend
from strict import VCPU_QUOTA, Strict, quotas
from werkzeug.serving import run_simple

_create_version = LaunchTemplate.create_version
_new_parameter_group = DBClusterParameterGroup.__init__
_describe_table = Table.describe
_get_service_quota = ServiceQuotasBackend.get_service_quota
_migrated: set[str] = set()


def create_version(self: Any, data: dict[str, Any], description: str) -> Any:
    """The tags of a template are no part of what it launches."""
    specifications = data.get("TagSpecifications", [])
    data["TagSpecifications"] = [
        one for one in specifications if one["ResourceType"] != "launch-template"
    ]
    return _create_version(self, data, description)


def delete_versions(self: Any) -> ActionResult:
    """Moto has no such action; they go with their template, which the module removes next."""
    template = self.ec2_backend.get_launch_template(self._get_param("LaunchTemplateId"))
    deleted = [
        {"LaunchTemplateId": template.id, "VersionNumber": int(number)}
        for number in self._get_param("Versions", [])
    ]
    return ActionResult({"SuccessfullyDeletedLaunchTemplateVersions": deleted})


def new_parameter_group(self: Any, *args: Any, **kwargs: Any) -> None:
    """Every parameter of the family is in a group from the beginning."""
    _new_parameter_group(self, *args, **kwargs)
    parameter = {"ParameterValue": "OFF", "IsModifiable": True, "ApplyType": "dynamic"}
    self.update_cluster_parameters([parameter | {"ParameterName": "require_secure_transport"}])


def describe_table(self: Any, base_key: str = "TableDescription") -> dict[str, Any]:
    """A table has an identifier."""
    described = _describe_table(self, base_key)
    described[base_key].setdefault("TableId", str(uuid.uuid5(uuid.NAMESPACE_URL, self.table_arn)))
    return described


def invoke(_self: Any, function_name: str, _qualifier: Any, body: Any, *_: Any) -> bytes:
    """No function runs; schema_migrator answers as it would: the first time there is work to do."""
    changed = function_name not in _migrated
    if not json.loads(body or "{}").get("check"):
        _migrated.add(function_name)
    return json.dumps({"changed": changed, "migrations": [], "users": []}).encode()


def get_service_quota(self: Any, service_code: str, quota_code: str) -> dict[str, Any]:
    """Moto knows those of networks alone."""
    if (service_code, quota_code) != ("ec2", VCPU_QUOTA):
        return _get_service_quota(self, service_code, quota_code)
    return {"ServiceCode": "ec2", "QuotaCode": VCPU_QUOTA, "Value": quotas[self.region_name]}


LaunchTemplate.create_version = create_version
LaunchTemplates.delete_launch_template_versions = delete_versions
Table.describe = describe_table
DBClusterParameterGroup.__init__ = new_parameter_group
LambdaSimpleBackend.invoke = invoke
ServiceQuotasBackend.get_service_quota = get_service_quota
default_user_config["lambda"]["use_docker"] = False

if __name__ == "__main__":
    port, record = sys.argv[1:]
    application = Strict(DomainDispatcherApplication(create_backend_app), Path(record))
    run_simple(
        "127.0.0.1", int(port), application, threaded=True, request_handler=MotoRequestHandler
    )
