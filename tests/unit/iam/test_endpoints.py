"""What the network's endpoints let through: what policies allow, of this account alone."""

from fnmatch import fnmatchcase

import pytest
import yaml

from tests.unit.iam.policies import ACCOUNT, NAMES, ROOT, STACK, endpoints, grants, many
from tests.unit.iam.test_lint import condition_keys

STRANGER = "999999999999"
PACKAGES = "arn:aws:s3:::al2023-repos-us-east-1-de612dc2/core/x.rpm"
ENDPOINTS = {"cloudwatch": "monitoring", "kinesis": "kinesis-streams"}
BY_AWS = {"ec2", "logs"}  # calls that AWS itself makes, outside the network
WITHIN = [f"functions/{one['name']}" for one in STACK["surgewatch_functions"] if "network" in one]
WITHIN += [name for name in NAMES if name.startswith("instances/")]
KNOWN_CONDITION = "aws:ResourceAccount"


@pytest.fixture(scope="module")
def found():
    return endpoints()


def lets(policy, action, resource, account):
    """Whether an endpoint lets a call on a resource of an account through."""

    def applies(statement):
        wanted = statement.get("Condition", {"StringEquals": {}})
        assert wanted.keys() == {"StringEquals"}
        assert wanted["StringEquals"].keys() <= {KNOWN_CONDITION}
        accounts = many(wanted["StringEquals"].get(KNOWN_CONDITION, account))
        return (
            any(fnmatchcase(action, one) for one in many(statement["Action"]))
            and any(fnmatchcase(resource, one) for one in many(statement["Resource"]))
            and account in accounts
        )

    assert all(one["Effect"] == "Allow" for one in policy["Statement"])
    return any(applies(one) for one in policy["Statement"])


def through(found, action):
    return found["s3" if action.startswith("s3:") else "own"]


@pytest.mark.parametrize("name", NAMES)
def test_an_endpoint_lets_through_what_a_policy_allows_of_this_account_alone(policies, found, name):
    for action, resource in grants(policies[name]):
        assert lets(through(found, action), action, resource, ACCOUNT), action
        assert not lets(through(found, action), action, resource, STRANGER), action


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:ListBucket"])
def test_a_strangers_bucket_is_closed_but_for_packages_to_read(found, action):
    assert not lets(found["s3"], action, "arn:aws:s3:::stranger/x", STRANGER)
    assert lets(found["s3"], action, PACKAGES, STRANGER) is (action == "s3:GetObject")


def test_a_stranger_gets_no_record_message_or_secret(found):
    for action in ("kinesis:PutRecords", "sns:Publish", "secretsmanager:GetSecretValue"):
        assert not lets(found["own"], action, f"arn:aws:any:us-east-1:{STRANGER}:x", STRANGER)


def test_each_service_that_is_called_has_an_endpoint(policies):
    defaults = yaml.safe_load((ROOT / "roles/network/defaults/main.yml").read_text())
    there = {*defaults["network_endpoints"], "s3"}
    services = {a.split(":")[0] for name in WITHIN for a, _ in grants(policies[name])} - BY_AWS
    assert {ENDPOINTS.get(one, one) for one in services} - there == set()


def test_every_action_that_an_endpoint_names_is_one(found):
    named = {
        action
        for policy in found.values()
        for one in policy["Statement"]
        for action in many(one["Action"])
    }
    assert named - {"*"} <= condition_keys().keys()
