"""What AWS refuses and moto takes, and what AWS does late and moto does at once.

Each rule says where it is known from. Where AWS takes seconds to minutes, a rule takes one or two.
"""

import io
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from moto.awslambda.utils import get_backend as lambdas
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.exceptions import ServiceException
from moto.core.request import Request
from moto.ec2.models.instance_types import INSTANCE_TYPES
from record import Call, Record, read
from werkzeug.exceptions import HTTPException

Rule = Callable[[Call, Any], dict[str, Any] | None]

LATE_SECONDS = 1.0
VCPU_QUOTA = "L-1216C47A"
BEFORE: dict[tuple[str, str], list[Rule]] = defaultdict(list)
AFTER: dict[tuple[str, str], list[Rule]] = defaultdict(list)


class RefusedError(Exception):
    """AWS would answer with this error."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def before(service: str, *operations: str) -> Callable[[Rule], Rule]:
    """The rule looks at calls before moto does; it may refuse them, or answer itself."""
    return _register(BEFORE, service, operations)


def after(service: str, *operations: str) -> Callable[[Rule], Rule]:
    """The rule corrects what moto made of a call that it took."""
    return _register(AFTER, service, operations)


def _register(rules: Any, service: str, operations: Iterable[str]) -> Callable[[Rule], Rule]:
    def register(rule: Rule) -> Rule:
        for operation in operations:
            rules[service, operation].append(rule)
        return rule

    return register


def template_of(call: Call, ec2: Any) -> dict[str, Any]:
    named = call.parameters.get("LaunchTemplate")
    return ec2._get_template_from_args(named).data if named else {}


# EC2. `ec2_instance` with a launch template sends no subnet (amazon.aws issues 824 and 2321); EC2's
# user guide says that groups and subnet belong to the interface, where one is given.
@before("ec2", "RunInstances")
def in_one_network(call: Call, ec2: Any) -> None:
    given = call.parameters
    template = template_of(call, ec2)
    groups = given.get("SecurityGroupIds") or template.get("SecurityGroupIds") or []
    interfaces = given.get("NetworkInterfaces") or template.get("NetworkInterfaces")
    subnet = given.get("SubnetId") or template.get("SubnetId")
    if interfaces and (groups or subnet):
        what = "security groups" if groups else "subnet ID"
        raise RefusedError(
            "InvalidParameterCombination",
            f"Network interfaces and an instance-level {what} may not be specified on the same"
            " request",
        )
    vpc = ec2.get_subnet(subnet).vpc_id if subnet else ec2.default_vpc.id
    for group in groups if not interfaces else ():
        if ec2.get_security_group_from_id(group).vpc_id != vpc:
            raise RefusedError(
                "InvalidParameter", f"Security group {group} and the network {vpc} do not match"
            )


# A fresh account has 5 vCPUs of standard on-demand instances (Service Quotas, L-1216C47A).
@before("ec2", "RunInstances")
def within_the_quota(call: Call, ec2: Any) -> None:
    given = call.parameters
    template = template_of(call, ec2)
    kind = given.get("InstanceType") or template.get("InstanceType", "m1.small")
    running = [one for one in ec2.all_instances() if one.state in ("pending", "running")]
    used = sum(vcpus(one.instance_type) for one in running)
    if used + vcpus(kind) * given["MinCount"] > quotas[call.region]:
        raise RefusedError(
            "VcpuLimitExceeded",
            "You have requested more vCPU capacity than your current vCPU limit of"
            f" {quotas[call.region]:g} allows.",
        )


def vcpus(kind: str) -> int:
    return INSTANCE_TYPES[kind]["VCpuInfo"]["DefaultVCpus"]


quotas: dict[str, float] = defaultdict(lambda: 5.0)


@before("service-quotas", "RequestServiceQuotaIncrease")
def raised_by_support(call: Call, _quotas: Any) -> dict[str, Any]:
    """AWS takes hours; here it is done at once. Moto does not know the call."""
    quotas[call.region] = call.parameters["DesiredValue"]
    return {"RequestedQuota": {"Status": "APPROVED"}}


# A profile is known to EC2 seconds after IAM made it (IAM user guide, eventual consistency).
@before("ec2", "RunInstances")
def profile_is_known(call: Call, ec2: Any) -> None:
    profile = template_of(call, ec2).get("IamInstanceProfile", {}).get("Arn")
    if profile and profile not in known_profiles:
        known_profiles.add(profile)
        raise RefusedError(
            "InvalidParameterValue",
            f"Value ({profile}) for parameter iamInstanceProfile is invalid",
        )


known_profiles: set[str] = set()


# Documented in different ways from version to version: what is not said is off here.
@after("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint")
def private_dns(call: Call, ec2: Any) -> None:
    given = call.parameters
    wanted = given.get("PrivateDnsEnabled")
    endpoints = list(ec2.vpc_end_points.values())
    if call.operation == "CreateVpcEndpoint":
        endpoints[-1].private_dns_enabled = bool(wanted)
    elif wanted is not None:
        ec2.vpc_end_points[given["VpcEndpointId"]].private_dns_enabled = wanted


# API reference of ModifyVpcEndpoint: the network must have both attributes for it.
@before("ec2", "CreateVpcEndpoint", "ModifyVpcEndpoint")
def network_has_dns(call: Call, ec2: Any) -> None:
    given = call.parameters
    if not given.get("PrivateDnsEnabled"):
        return
    endpoint = ec2.vpc_end_points.get(given.get("VpcEndpointId"))
    vpc = ec2.get_vpc(endpoint.vpc_id if endpoint else given["VpcId"])
    both = (vpc.enable_dns_support, vpc.enable_dns_hostnames)
    if any(str(one).lower() != "true" for one in both):
        raise RefusedError(
            "InvalidParameter",
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC"
            f" attributes set to true for {vpc.id}",
        )


# SNS lists a subscription that nobody confirmed under this word, which is no ARN (boto3#2547).
@after("sns", "Subscribe")
def not_yet_confirmed(call: Call, sns: Any) -> None:
    for subscription in sns.subscriptions.values():
        if subscription.protocol == "email":
            subscription.arn = "PendingConfirmation"


@before("sns", "GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe")
def confirmed(call: Call, _sns: Any) -> None:
    if not call.parameters["SubscriptionArn"].startswith("arn:"):
        raise RefusedError(
            "InvalidParameter",
            "Invalid parameter: SubscriptionArn Reason: An ARN must have at least 6 elements",
        )


# Point-in-time recovery right after ACTIVE: 3 to 6 s were seen, minutes are told.
@before("dynamodb", "UpdateContinuousBackups")
def backups_are_ready(call: Call, dynamodb: Any) -> None:
    table = dynamodb.get_table(call.parameters["TableName"])
    if time.time() - table.created_at.timestamp() < 2 * LATE_SECONDS:
        raise RefusedError(
            "ContinuousBackupsUnavailableException",
            f"Backups are being enabled for the table: {table.name}. Please retry later",
        )


# Kinesis' API reference: a change takes a while, in which the stream takes no other; too many calls
# a second are refused. What DescribeStreamSummary says lags behind.
CHANGES = (
    "DecreaseStreamRetentionPeriod",
    "IncreaseStreamRetentionPeriod",
    "StartStreamEncryption",
    "StopStreamEncryption",
    "UpdateShardCount",
    "UpdateStreamMode",
)
changing: dict[tuple[str, str], float] = {}
throttled: set[tuple[str, str]] = set()


def stream_name(call: Call) -> str:
    given = call.parameters
    return given.get("StreamName") or given["StreamARN"].rpartition("/")[2]


@before("kinesis", *CHANGES)
def stream_is_idle(call: Call, _kinesis: Any) -> None:
    stream = (call.region, stream_name(call))
    if time.monotonic() < changing.get(stream, 0):
        raise RefusedError(
            "ResourceInUseException", f"Stream {stream[1]} not ACTIVE, instead in state UPDATING"
        )
    if stream not in throttled:
        throttled.add(stream)
        raise RefusedError("LimitExceededException", "Rate exceeded for the account")


@after("kinesis", *CHANGES, "CreateStream")
def stream_changes(call: Call, _kinesis: Any) -> None:
    changing[call.region, stream_name(call)] = time.monotonic() + LATE_SECONDS


# An engine that upgrades itself is ahead of the version that was asked for (Aurora user guide:
# long-term versions), and a version never goes down.
@after("rds", "CreateDBInstance")
def upgrades_itself(call: Call, rds: Any) -> None:
    if call.parameters.get("AutoMinorVersionUpgrade", True):
        cluster = rds.clusters[call.parameters["DBClusterIdentifier"]]
        major, _, minor = cluster.engine_version.rpartition(".")
        cluster.engine_version = f"{major}.{int(minor) + 1}"


@before("rds", "ModifyDBCluster")
def version_goes_up(call: Call, rds: Any) -> None:
    wanted = call.parameters.get("EngineVersion")
    current = rds.clusters[call.parameters["DBClusterIdentifier"]].engine_version
    if wanted and numbers(wanted) < numbers(current):
        raise RefusedError(
            "InvalidParameterCombination", f"Cannot upgrade aurora-mysql from {current} to {wanted}"
        )


def numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


# API reference of DeleteSecurityGroup: none that a rule of another names.
@before("ec2", "DeleteSecurityGroup")
def nobody_names_it(call: Call, ec2: Any) -> None:
    group = call.parameters["GroupId"]
    others = (
        other for groups in ec2.groups.values() for other in groups.values() if other.id != group
    )
    for other in others:
        for rule in (*other.ingress_rules, *other.egress_rules):
            if (rule.source_group or {}).get("GroupId") == group:
                raise RefusedError(
                    "DependencyViolation", f"resource {group} has a dependent object"
                )


# A policy of a bucket may keep everyone from its tags.
@before("s3", "GetBucketTagging")
def may_read_the_tags(call: Call, _s3: Any) -> None:
    if call.parameters["Bucket"].startswith("locked-"):
        raise RefusedError("AccessDenied", "Access Denied", 403)


# Lambda takes the network from a function that was idle for weeks: it is Inactive, and only a call,
# which fails, makes it active again (Lambda developer guide, function states). Here a function is
# idle as soon as it has answered.
def function(call: Call) -> Any:
    backend = lambdas(DEFAULT_ACCOUNT_ID, call.region)
    return backend.get_function(call.parameters["FunctionName"])


@after("lambda", "Invoke")
def idles(call: Call, _lambda: Any) -> None:
    function(call).state = "Inactive"


@before("lambda", "Invoke")
def wakes(call: Call, _lambda: Any) -> None:
    if function(call).state == "Inactive":
        function(call).state = "Active"
        raise RefusedError(
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the"
            " following state: Pending",
            409,
        )


class Strict:
    """A WSGI application before moto's: it records each call, and applies the rules."""

    def __init__(self, moto: Any, record: Path) -> None:
        self._moto, self._record = moto, Record(record)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "HTTP_TRANSFER_ENCODING" in environ:  # an object in chunks: nothing that rules look at
            return self._moto(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        call = read(Request(dict(environ)))
        environ["wsgi.input"] = io.BytesIO(body)
        if call is None:
            return self._moto(environ, start_response)
        self._record.add(call, environ.get("HTTP_USER_AGENT", ""))
        backend = backend_of(call)
        try:
            for rule in BEFORE[call.service, call.operation]:
                if (answer := rule(call, backend)) is not None:
                    return respond("200 OK", json.dumps(answer), [], start_response)
        except RefusedError as error:
            return refuse(call, error, start_response)
        except (HTTPException, ServiceException):
            pass  # moto refuses it as well
        status = []

        def start(line: str, *more: Any) -> Any:
            status.append(line)
            return start_response(line, *more)

        parts = self._moto(environ, start)
        if status and status[0].startswith("2"):
            for rule in AFTER[call.service, call.operation]:
                rule(call, backend)
        return parts


def backend_of(call: Call) -> Any:
    """What moto keeps of the service in the region."""
    backends = get_backend(call.service.replace("-", ""))[DEFAULT_ACCOUNT_ID]
    return backends[call.region if call.region in backends else "aws"]


def refuse(call: Call, error: RefusedError, start_response: Any) -> list[bytes]:
    """The error in the form that the service's clients read."""
    text = escape(str(error))
    inner = f"<Code>{error.code}</Code><Message>{text}</Message>"
    body = {
        "ec2": f"<Response><Errors><Error>{inner}</Error></Errors></Response>",
        "s3": f"<Error>{inner}</Error>",
        "rds": f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>",
        "sns": f"<ErrorResponse><Error>{inner}</Error></ErrorResponse>",
    }.get(call.service, json.dumps({"__type": error.code, "message": str(error)}))
    headers = [("x-amzn-ErrorType", error.code)]
    return respond(f"{error.status} Refused", body, headers, start_response)


def respond(status: str, body: str, headers: Any, start_response: Any) -> list[bytes]:
    start_response(status, [("Content-Length", str(len(body.encode()))), *headers])
    return [body.encode()]
