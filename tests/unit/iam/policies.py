"""The IAM policies as the roles render them for inventory/aws."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
STACK = yaml.safe_load((ROOT / "inventory/stack.yml").read_text())
# The roles that a role builds on, and of each policy what is said to the template lookup.
POLICIES = {
    "functions": (
        ("resources",),
        {
            one["name"]: f"'policy.json.j2', template_vars={{'function': functions_list[{number}]}}"
            for number, one in enumerate(STACK["surgewatch_functions"])
        },
    ),
    "instances": (
        (),
        {name: f"'policies/{name}.json.j2'" for name in ("analytics", "generators")},
    ),
    "flink_access": ((), {"flink": "'policies/flink.json.j2'"}),
}
NAMES = [f"{role}/{name}" for role, (_, policies) in POLICIES.items() for name in policies]


def render(**settings: Any) -> dict[str, dict[str, Any]]:
    """Each policy by its role's name and its own, as `functions/order_writer`."""
    from tests.unit.roles.rendering import Role

    found = {}
    for name, (after, policies) in POLICIES.items():
        role = Role(name, after=after, **settings)
        for policy, told in policies.items():
            text = role.render(f"lookup('ansible.builtin.template', {told})")
            found[f"{name}/{policy}"] = text if isinstance(text, dict) else yaml.safe_load(text)
    return found


def endpoints(**settings: Any) -> dict[str, dict[str, Any]]:
    """The policies of the network's endpoints, of the gateway to S3 and of all others."""
    from tests.unit.roles.rendering import Role

    role = Role("network", network_account=ACCOUNT, **settings)
    return {name: role.render(f"__network_{name}_policy") for name in ("own", "s3")}


def many(value: Any) -> list[Any]:
    """What stands in a policy as one or as a list of them."""
    return value if isinstance(value, list) else [value]


def grants(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """The actions that a policy allows, each with a pattern of resources."""
    return [
        (action, resource)
        for statement in policy["Statement"]
        if statement["Effect"] == "Allow"
        for action in many(statement["Action"])
        for resource in many(statement["Resource"])
    ]
