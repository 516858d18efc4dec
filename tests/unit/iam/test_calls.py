"""What functions, agent and engine really call, compared with their policies both ways."""

import json
import os
import time
import uuid
from fnmatch import fnmatchcase
from types import SimpleNamespace

import pytest

from common import secrets
from tests.agent.process import AgentProcess
from tests.agent.recorder import Recorder
from tests.unit.iam.policies import ACCOUNT, grants
from tests.unit.lambdas.conftest import CONTEXT, kinesis_event
from tests.unit.lambdas.test_alarm import alarm

SCOPE = f"us-east-1:{ACCOUNT}"
ORDERS = f"arn:aws:kinesis:{SCOPE}:stream/website-orders"
ALARMS = f"arn:aws:kinesis:{SCOPE}:stream/website-alarms"
MEASURES = f"arn:aws:kinesis:{SCOPE}:stream/website-measures"
BUCKET = f"surgewatch-{ACCOUNT}-us-east-1"
ORDER = {
    "InvoiceNo": "536365", "StockCode": "85123A", "Description": "HEART", "Quantity": "6",
    "InvoiceDate": "2010-12-01 08:26:00", "UnitPrice": "2.55", "Customer": "17850",
    "Country": "France", "LineNo": "1", "EventTime": "2026-01-31T12:00:00.123Z",
    "ClientIP": "192.0.2.1",
}  # fmt: skip
ANY = ""  # a call that does not name its resource

# What AWS itself does in the role's name, as its documentation lists it: it cannot be seen here.
MAPPING = [
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
]
INTERFACE = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:UnassignPrivateIpAddresses",
]


def logs(name):
    stream = f"arn:aws:logs:{SCOPE}:log-group:/aws/lambda/{name}:log-stream:x"
    return {("logs:CreateLogStream", stream), ("logs:PutLogEvents", stream)}


def mapping(stream):
    aside = {
        ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/aws/lambda/x"),
        ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
    }
    return {(call, stream) for call in MAPPING} | aside


def network():
    scope = f"arn:aws:ec2:{SCOPE}"
    seen = {("ec2:DescribeNetworkInterfaces", ANY), ("ec2:DescribeSubnets", ANY)}
    place = {
        ("ec2:CreateNetworkInterface", f"{scope}:security-group/x"),
        ("ec2:CreateNetworkInterface", f"{scope}:subnet/x"),
    }
    return seen | place | {(call, f"{scope}:network-interface/x") for call in INTERFACE}


def sessions():
    channels = {
        f"{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data")
    }
    return {(f"ssmmessages:{call}", ANY) for call in channels} | {
        ("ssm:UpdateInstanceInformation", f"arn:aws:ec2:{SCOPE}:instance/i-1")
    }


def used(calls, names):
    """The actions and resources of recorded calls; `names` says what the test calls otherwise."""
    found = set()
    for service, operation, parameters in calls:
        text = json.dumps(parameters, default=str)
        for own, name in names.items():
            text = text.replace(own, name)
        parameters = json.loads(text)
        action = f"{ {'secretsmanager': 'secretsmanager'}.get(service, service) }:{operation}"
        found |= {(action, resource) for resource in resources(service, parameters)}
    return found


def resources(service, parameters):
    if service == "s3":
        return [f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}"]
    if service == "dynamodb":
        return [f"arn:aws:dynamodb:{SCOPE}:table/{name}" for name in parameters["RequestItems"]]
    if service == "secretsmanager":
        secret = parameters["SecretId"]
        return [
            secret
            if secret.startswith("arn:")
            else f"arn:aws:secretsmanager:{SCOPE}:secret:{secret}-AbCdEf"
        ]
    if service == "sns":
        return [parameters["TopicArn"]]
    if "StreamName" in parameters:
        return [f"arn:aws:kinesis:{SCOPE}:stream/{parameters['StreamName']}"]
    return [ANY]


def matches(pattern, resource):
    """A call that names no resource is allowed on all of them or not at all."""
    return pattern == "*" if resource == ANY else fnmatchcase(resource, pattern)


def too_narrow(policy, calls):
    """Calls that the policy does not allow."""
    allowed = grants(policy)
    return {
        (action, resource)
        for action, resource in calls
        if not any(one == action and matches(pattern, resource) for one, pattern in allowed)
    }


def too_wide(policy, calls):
    """Grants that no call needs."""
    return {
        (action, pattern)
        for action, pattern in grants(policy)
        if not any(one == action and matches(pattern, resource) for one, resource in calls)
    }


def compare(policy, calls):
    assert too_narrow(policy, calls) == set()
    assert too_wide(policy, calls) == set()


def secret_names(ids):
    return {secret_id: f"surgewatch/database/{name}" for name, secret_id in ids.items()}


def test_order_writer(calls, policies, orders_table, bucket):
    from order_writer import handler

    handler.table.cache_clear()
    calls.clear()
    event = kinesis_event(json.dumps(ORDER).encode(), b"never an order")
    assert handler.lambda_handler(event, CONTEXT) == {"batchItemFailures": []}
    handler.table.cache_clear()
    made = used(calls, {orders_table.name: "WebsiteOrders", os.environ["BUCKET"]: BUCKET})
    compare(policies["functions/order_writer"], made | logs("order_writer") | mapping(ORDERS))


def test_alarm_recorder(calls, policies, aws, history, bucket, monkeypatch):
    from alarm_recorder import handler

    topic = aws.client("sns").create_topic(Name=f"alarms-{uuid.uuid4().hex[:8]}")["TopicArn"]
    monkeypatch.setenv("TOPIC", topic)
    monkeypatch.setenv("DATABASE_SECRET", history.ids["alarm_recorder"])
    handler.history.cache_clear()
    secrets._cache.clear()
    calls.clear()
    event = kinesis_event(alarm(), b"never an alarm")
    assert handler.lambda_handler(event, CONTEXT) == {"batchItemFailures": []}
    handler.history.cache_clear()
    names = {topic: f"arn:aws:sns:{SCOPE}:website-alarms", os.environ["BUCKET"]: BUCKET}
    made = used(calls, names | secret_names(history.ids))
    service = logs("alarm_recorder") | mapping(ALARMS) | network()
    compare(policies["functions/alarm_recorder"], made | service)


def test_measure_writer(calls, policies, aws, history, bucket, monkeypatch):
    from measure_writer import handler

    monkeypatch.setenv("DATABASE_SECRET", history.ids["measure_writer"])
    handler.tables.cache_clear()
    secrets._cache.clear()
    calls.clear()
    measure = {"kind": "order", "minute": "2026-01-31T12:00:00.000Z", "orders": 7}
    event = kinesis_event(json.dumps(measure).encode(), b"never a measure")
    assert handler.lambda_handler(event, CONTEXT) == {"batchItemFailures": []}
    handler.tables.cache_clear()
    made = used(calls, {os.environ["BUCKET"]: BUCKET} | secret_names(history.ids))
    service = logs("measure_writer") | mapping(MEASURES) | network()
    compare(policies["functions/measure_writer"], made | service)


def test_alarm_reader(calls, policies, history, monkeypatch):
    from alarm_reader import handler

    monkeypatch.setenv("DATABASE_SECRET", history.ids["alarm_reader"])
    handler.database.cache_clear()
    secrets._cache.clear()
    calls.clear()
    assert handler.lambda_handler({"query": "list"}, CONTEXT) == {"rows": []}
    handler.database.cache_clear()
    made = used(calls, secret_names(history.ids))
    compare(policies["functions/alarm_reader"], made | logs("alarm_reader") | network())


def test_schema_migrator(calls, policies, database_secrets):
    from schema_migrator.handler import lambda_handler

    calls.clear()
    assert lambda_handler({"check": True}, CONTEXT)["changed"]
    administrator = f"arn:aws:secretsmanager:{SCOPE}:secret:rds!1-abc"
    names = {os.environ["ADMIN_SECRET"]: administrator} | secret_names(database_secrets.ids)
    made = used(calls, names)
    compare(policies["functions/schema_migrator"], made | logs("schema_migrator") | network())


def namespace(policy):
    (found,) = [
        one["Condition"]["StringEquals"]["cloudwatch:namespace"]
        for one in policy["Statement"]
        if one["Sid"] == "PutMetrics"
    ]
    return found


def test_agent(policies, tmp_path):
    policy = policies["instances/generators"]
    flows = []
    for name in ("orders", "access"):
        log = tmp_path / f"{name}.log"
        log.write_text("a line\n")
        flow = {"filePattern": str(log), "kinesisStream": f"website-{name}"}
        flows.append(flow | {"initialPosition": "START_OF_FILE"})
    with Recorder() as recorder:
        url = f"http://127.0.0.1:{recorder.server.server_address[1]}"
        places = {"kinesis.endpoint": url, "cloudwatch.endpoint": url}
        with AgentProcess(tmp_path, flows, **places, **{"cloudwatch.emitMetrics": True}) as agent:
            deadline = time.monotonic() + 30
            while len({one.get("StreamName") for _, _, one in recorder.calls} - {None}) < 2:
                assert time.monotonic() < deadline, agent.log.read_text()
                time.sleep(0.02)
            agent.stop()
    compare(policy, used(recorder.calls, {}) | sessions())
    put = [one for service, _, one in recorder.calls if service == "cloudwatch"]
    assert {one["Namespace"] for one in put} == {namespace(policy)}


def test_engine(calls, policies, region, monkeypatch, tmp_path):
    from analytics_engine.rules.files import HOME
    from analytics_engine.service import streams
    from analytics_engine.service.config import Config, InputStream
    from analytics_engine.service.inputs import Inputs
    from analytics_engine.service.loop import Service
    from analytics_engine.service.metrics import Metrics

    for name, value in region.environment.items():
        monkeypatch.setenv(name, value)
    policy = policies["instances/analytics"]
    own = SimpleNamespace(
        **{
            name: f"{name}-{uuid.uuid4().hex[:8]}"
            for name in ("orders", "access", "alarms", "measures")
        }
    )
    kinesis = region.client("kinesis")
    for name in vars(own).values():
        kinesis.create_stream(StreamName=name, ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName=name, WaiterConfig={"Delay": 0.1})
    moment = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    lines = [ORDER | {"LineNo": str(number), "EventTime": moment} for number in range(1, 6)]
    kinesis.put_records(
        StreamName=own.orders,
        Records=[{"Data": json.dumps(one).encode(), "PartitionKey": "k"} for one in lines],
    )
    rules = tmp_path / "rules.yml"
    rule = "  - {{name: {0}_surge, source: {0}, threshold: 5, window_seconds: 1}}\n"
    rules.write_text("rules:\n" + rule.format("orders") + rule.format("access"))
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    s3 = region.client("s3")
    s3.create_bucket(Bucket=bucket)
    key = "analytics/reference/markets.csv"
    s3.put_object(Bucket=bucket, Key=key, Body=b"Country,market\nunknown,unknown\n")
    references = {"markets": f"s3://{bucket}/{key}"}
    read = {
        "orders": InputStream(name=own.orders, record="order", lateness_ms=500),
        "access": InputStream(name=own.access, record="access", lateness_ms=500),
    }
    records = HOME / "records"
    config = Config(read, own.alarms, rules, records, tmp_path / "state", references)
    calls.clear()
    client = streams.client()
    sources = {name: streams.Source(client, one.name, 20) for name, one in read.items()}
    sinks = [streams.Sink(client, name) for name in (own.alarms, own.measures)]
    service = Service(config, sources, sinks[0], Inputs(config), sinks[1])
    # As if a minute were over.
    service._store._sql.execute("INSERT INTO measure (minute, measure) VALUES ('m', x'7b7d')")
    deadline = time.monotonic() + 30
    wanted = {("PutRecords", own.alarms), ("PutRecords", own.measures), ("GetRecords", own.access)}
    while wanted - {(operation, one.get("StreamName")) for _, operation, one in calls}:
        assert time.monotonic() < deadline, service._wrong()
        service.step()
    metrics = Metrics(namespace(policy))
    metrics._put([{"MetricName": "Lag", "Value": 0.0}])
    metrics.close()
    names = {one: f"website-{name}" for name, one in vars(own).items()} | {bucket: BUCKET}
    compare(policy, used(calls, names) | sessions())


def test_a_call_without_a_resource_needs_them_all():
    metrics = {("cloudwatch:PutMetricData", ANY)}
    one = {"Effect": "Allow", "Action": "cloudwatch:PutMetricData"}
    compare({"Statement": [one | {"Resource": "*"}]}, metrics)
    narrow = {"Statement": [one | {"Resource": f"arn:aws:cloudwatch:{SCOPE}:alarm:a"}]}
    assert too_narrow(narrow, metrics) == metrics


@pytest.mark.parametrize("name", ["functions/order_writer", "instances/generators"])
def test_a_policy_that_is_not_right_is_found(policies, name):
    policy = policies[name]
    calls = {(action, pattern.replace("*", "x")) for action, pattern in grants(policy)}
    compare(policy, calls)
    assert too_narrow(policy, calls | {("kinesis:DeleteStream", ORDERS)})
    assert too_wide(policy, calls - {next(iter(calls))})
