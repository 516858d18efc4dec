"""What alarms, filters and graphs ask CloudWatch for is what is really put there."""

import json
import re
import subprocess
import sys
import time
from typing import Any

import pytest
import yaml
from analytics_engine.evaluation.snapshot import Counts
from analytics_engine.service.metrics import data
from analytics_engine.service.status import Status

from tests.agent.process import AgentProcess
from tests.agent.recorder import Recorder
from tests.unit.iam.policies import ACCOUNT, ROOT
from tests.unit.lambdas.conftest import kinesis_event

ROLE = ROOT / "roles" / "monitoring"
Metric = tuple[str, str, frozenset[tuple[str, str]]]

# What AWS puts, by its documentation: the names of the dimensions of each metric.
OF_AWS = {
    ("AWS/DynamoDB", "ConsumedWriteCapacityUnits"): {"TableName"},
    ("AWS/Kinesis", "IncomingRecords"): {"StreamName"},
    ("AWS/Kinesis", "WriteProvisionedThroughputExceeded"): {"StreamName"},
    ("AWS/KinesisAnalytics", "runningTime"): {"Application"},
    ("AWS/Lambda", "DestinationDeliveryErrors"): {"FunctionName"},
    ("AWS/Lambda", "Errors"): {"FunctionName"},
    ("AWS/Lambda", "IteratorAge"): {"FunctionName"},
    ("AWS/Lambda", "Throttles"): {"FunctionName"},
    ("AWS/RDS", "ACUUtilization"): {"DBClusterIdentifier"},
    ("AWS/RDS", "ServerlessDatabaseCapacity"): {"DBClusterIdentifier"},
}


def templar(engine: str) -> Any:
    """Ansible's templates, with the role's variables in inventory/aws."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar
    from ansible.utils.collection_loader import AnsibleCollectionConfig
    from ansible.vars.manager import VariableManager

    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([])
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventory/aws/groups.yml")])
    manager = VariableManager(loader=loader, inventory=inventory)
    variables: dict[str, Any] = {}
    for path in (ROLE / "defaults/main.yml", ROLE / "vars/main.yml"):
        variables |= loader.load_from_file(str(path), trusted_as_template=True)
    variables |= manager.get_vars(host=inventory.get_host("localhost"))
    given = {"surgewatch_account": ACCOUNT, "analytics_engine": engine}
    more = {"ansible_search_path": [str(ROLE)], "role_path": str(ROLE)}
    return Templar(loader=loader, variables=variables | given | more)


@pytest.fixture(scope="module", params=["embedded", "managed_flink"])
def rendered(request) -> dict[str, Any]:
    from ansible.template import trust_as_template

    made = templar(request.param)
    names = ("__monitoring_alarms", "__monitoring_dashboard", "monitoring_namespace")
    return {name: made.template(trust_as_template(f"{{{{ {name} }}}}")) for name in names}


def alarms(rendered: dict[str, Any]) -> list[Metric]:
    return [
        (one["namespace"], one["metric"], frozenset(one.get("dimensions", {}).items()))
        for one in rendered["__monitoring_alarms"]
    ]


def graphs(rendered: dict[str, Any]) -> list[Metric]:
    rows = [
        row
        for widget in rendered["__monitoring_dashboard"]["widgets"]
        for row in widget["properties"]["metrics"]
        if not isinstance(row[0], dict)  # a search, which takes whatever there is
    ]
    return [(row[0], row[1], frozenset(zip(row[2::2], row[3::2], strict=True))) for row in rows]


@pytest.fixture(scope="module")
def put_by_agent(tmp_path_factory) -> set[Metric]:
    folder = tmp_path_factory.mktemp("agent")
    flows = []
    for name in ("orders", "access"):
        log = folder / f"{name}.log"
        log.write_text("a line\n")
        flow = {"filePattern": str(log), "kinesisStream": f"website-{name}"}
        flows.append(flow | {"initialPosition": "START_OF_FILE"})
    with Recorder() as recorder:
        url = f"http://127.0.0.1:{recorder.server.server_address[1]}"
        places = {"kinesis.endpoint": url, "cloudwatch.endpoint": url}
        with AgentProcess(folder, flows, **places, **{"cloudwatch.emitMetrics": True}) as agent:
            deadline = time.monotonic() + 30
            while len({one.get("StreamName") for _, _, one in recorder.calls} - {None}) < 2:
                assert time.monotonic() < deadline, agent.log.read_text()
                time.sleep(0.02)
            agent.stop()
    (put,) = [one for service, _, one in recorder.calls if service == "cloudwatch"]
    found = set()
    for key, name in put.items():
        if match := re.fullmatch(r"(MetricData\.member\.\d+)\.MetricName", key):
            dimension = f"{match[1]}.Dimensions.member.1"
            pair = (put[f"{dimension}.Name"], put[f"{dimension}.Value"])
            found.add((put["Namespace"], name, frozenset([pair])))
    return found


def put_by_engine(namespace: str) -> set[Metric]:
    status = Status(0, 5, 0, None, 0.7, [], {}, Counts(lines_counted=5), [], "")
    return {
        (namespace, one["MetricName"], frozenset(one.get("Dimensions", {})))
        for one in data(status, {})
    }


def filters() -> list[dict[str, Any]]:
    """The log groups' metric filters, one a function."""
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    name = "amazon.aws.cloudwatchlogs_log_group_metric_filter"
    (task,) = [task for task in tasks if name in task]
    functions = yaml.safe_load((ROOT / "inventory/stack.yml").read_text())["surgewatch_functions"]
    metric = task[name]["metric_transformation"]["metric_name"]
    return [
        {
            "function": one["name"],
            "pattern": task[name]["filter_pattern"],
            "metric": metric.replace("{{ item.name }}", one["name"]),
        }
        for one in functions
        if "stream" in one
    ]


def test_every_alarm_and_graph_asks_for_something_that_is_put(rendered, put_by_agent):
    namespace = rendered["monitoring_namespace"]
    ours = put_by_agent | put_by_engine(namespace)
    ours |= {(namespace, one["metric"], frozenset()) for one in filters()}
    wrong = [
        one
        for one in alarms(rendered) + graphs(rendered)
        if one not in ours and OF_AWS.get(one[:2]) != {name for name, _ in one[2]}
    ]
    assert wrong == []
    destination = frozenset({("Destination", "KinesisStream:website-orders")})
    assert ("AWSKinesisAgent", "SecondsBehind", destination) in alarms(rendered)


def test_a_managed_engine_is_watched_beside_the_embedded_one(rendered):
    asked = {one[1] for one in alarms(rendered)}
    assert "Lag" in asked
    assert "downtime" not in asked  # deprecated; it would be missing, and alarm for ever


# What a function writes when it puts a record aside, in a process that has no service name.
REJECT = """
import json, os, sys
from importlib import import_module
from aws_lambda_powertools.utilities.data_classes.kinesis_stream_event import KinesisStreamRecord
from common import rejected

rejected.client = lambda service: type("S3", (), {"put_object": lambda self, **_: None})()
os.environ["BUCKET"] = "bucket"
name, record = sys.argv[1], KinesisStreamRecord(json.loads(sys.argv[2]))
import_module(f"{name}.handler")
rejected.reject(name, record, ValueError("never an order"))
"""


@pytest.mark.parametrize("one", filters(), ids=lambda one: one["function"])
def test_a_filter_finds_the_line_of_a_function_that_rejects(one):
    (record,) = kinesis_event(b"never an order")["Records"]
    done = subprocess.run(
        [sys.executable, "-c", REJECT, one["function"], json.dumps(record)],
        cwd=ROOT / "lambdas",
        env={"AWS_DEFAULT_REGION": "us-east-1", "PYTHONPATH": str(ROOT / "lambdas")},
        capture_output=True,
        text=True,
        check=True,
    )
    (pattern,) = re.findall(r'^\{ \$\.(\w+) = "(.*)" \}$', one["pattern"])
    (line,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert line[pattern[0]] == pattern[1]
    assert line["reason"] == "never an order"
    assert line["key"].startswith(f"rejected/{one['function']}/")
    assert line["service"] == one["function"]
