"""The policies as a linter sees them: all of it exists, and no `*` where less is possible."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import parliament
import pytest

from tests.unit.iam.policies import NAMES, many

# Lambda sets this key on the calls of a function's code, to any service; the linter does not know.
KNOWN = "Unknown condition lambda:SourceFunctionArn"


def findings(policy: dict[str, Any]) -> list[str]:
    found = parliament.analyze_policy_string(json.dumps(policy)).findings
    return [f"{one.issue}: {one.detail}" for one in found if not str(one.detail).startswith(KNOWN)]


@pytest.mark.parametrize("name", NAMES)
def test_the_linter_finds_nothing(policies, name):
    assert findings(policies[name]) == []


@cache
def condition_keys() -> dict[str, set[str]]:
    """The keys that the service authorization reference lists for each action itself."""
    path = Path(parliament.__file__).with_name("iam_definition.json")
    return {
        f"{service['prefix']}:{action['privilege']}": {
            key for kind in action["resource_types"] for key in kind["condition_keys"]
        }
        for service in json.loads(path.read_text())
        for action in service["privileges"]
    }


def unlisted(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """Conditions that need not be supplied with the action, so that it may never be allowed."""
    return [
        (action, key)
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for keys in statement.get("Condition", {}).values()
        for key in keys
        for action in many(statement["Action"])
        if key not in condition_keys()[action]
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_action_is_bound_only_to_what_is_supplied_with_it(policies, name):
    assert unlisted(policies[name]) == []


@pytest.mark.parametrize("name", NAMES)
def test_no_action_has_a_wildcard(policies, name):
    actions = [a for one in policies[name]["Statement"] for a in many(one["Action"])]
    assert [action for action in actions if "*" in action] == []


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("kinesis:PutRecordz", "arn:aws:kinesis:us-east-1:123456789012:stream/x"),
        ("kinesis:PutRecords", "*"),
        ("s3:PutObject", "arn:aws:s3:::bucket"),
    ],
)
def test_the_linter_finds_what_is_wrong(policies, action, resource):
    wrong = {"Effect": "Allow", "Action": action, "Resource": resource}
    policy = policies["instances/generators"]
    assert findings(policy | {"Statement": [*policy["Statement"], wrong]})
