"""The policies as a linter sees them: all of it exists, and no `*` where less is possible."""

import json
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
