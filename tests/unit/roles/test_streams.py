"""A further stream is one entry in surgewatch_streams."""

import pytest
from kinesis_agent.config import Flow

from tests.unit.iam.policies import grants, render
from tests.unit.roles.rendering import ACCOUNT, STACK, Role

PROBES = {
    "name": "{{ surgewatch_prefix }}website-probes",
    "record": "access",
    "shards": 1,
    "retention_hours": 24,
    "logs": ["/var/log/nginx/probes.log", "/var/log/surgewatch/probe.log"],
    "lateness_ms": 500,
    "steady": True,
}
STREAMS = STACK["surgewatch_streams"] | {"probes": PROBES}


@pytest.fixture(scope="module")
def policies():
    return render(surgewatch_streams=STREAMS)


def allowed(policy, action):
    """The streams that a policy allows an action on."""
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/"
    return {to.removeprefix(arn) for one, to in grants(policy) if one == action}


def test_agents_ship_each_of_its_logs():
    flows = Role("kinesis_agent", surgewatch_streams=STREAMS).render("__kinesis_agent_config.flows")
    assert {flow["filePattern"]: flow["kinesisStream"] for flow in flows} == {
        "/var/log/surgewatch/orders.log": "website-orders",
        "/var/log/surgewatch/access.log": "website-access",
        "/var/log/nginx/probes.log": "website-probes",
        "/var/log/surgewatch/probe.log": "website-probes",
    }
    # The lines of other kinds are JSON as they are.
    assert [flow["kinesisStream"] for flow in flows if "dataProcessingOptions" in flow] == [
        "website-orders"
    ]


def test_who_fills_and_who_reads_it_may(policies):
    assert allowed(policies["instances/generators"], "kinesis:PutRecords") == {
        "website-orders",
        "website-access",
        "website-probes",
    }
    for engine in ("instances/analytics", "flink_access/flink"):
        assert allowed(policies[engine], "kinesis:GetRecords") == {
            "website-orders",
            "website-access",
            "website-probes",
        }
        assert allowed(policies[engine], "kinesis:PutRecords") == {
            "website-alarms",
            "website-measures",
        }


def test_a_function_may_read_the_stream_that_it_is_fed_from(policies):
    assert allowed(policies["functions/order_writer"], "kinesis:GetRecords") == {"website-orders"}
    assert allowed(policies["functions/alarm_recorder"], "kinesis:GetRecords") == {"website-alarms"}
    assert allowed(policies["functions/alarm_reader"], "kinesis:GetRecords") == set()


def test_it_is_watched():
    role = Role("monitoring", surgewatch_streams=STREAMS)
    alarms = {alarm["name"] for alarm in role.render("__monitoring_alarms")}
    assert {
        "agents are behind with probes",
        "the stream of probes is full",
        "the stream of probes is silent",
    } <= alarms
    assert "the stream of measures is silent" not in alarms
    widgets = role.render("__monitoring_dashboard")["widgets"]
    titles = [widget["properties"]["title"] for widget in widgets]
    assert "Stream of measures: records a minute" in titles
    assert len({(widget["x"], widget["y"]) for widget in widgets}) == len(widgets)


def test_the_alarm_looks_where_the_agent_puts():
    flows = Role("kinesis_agent").render("__kinesis_agent_config.flows")
    alarms = Role("monitoring").render("__monitoring_alarms")
    watched = [one["dimensions"] for one in alarms if one["metric"] == "SecondsBehind"]
    put = [Flow(one["filePattern"], kinesis_stream=one["kinesisStream"]) for one in flows]
    assert watched == [{"Destination": flow.destination} for flow in put]


def test_flink_is_told_where_each_is_and_has_a_subtask_for_each_shard():
    more = STREAMS | {"probes": PROBES | {"shards": 7}}
    properties = Role("analytics", surgewatch_streams=more).render("__analytics_flink_properties")
    arn = f"arn:aws:kinesis:us-east-1:{ACCOUNT}:stream/"
    for name in ("orders", "access", "probes", "alarms"):
        assert properties[f"{name}_arn"] == f"{arn}website-{name}"
    assert properties["shards"] == "7"
    assert all(isinstance(value, str) for value in properties.values())
