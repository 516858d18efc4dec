"""The IAM policies as the roles render them for inventory/aws."""

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
STACK = yaml.safe_load((ROOT / "inventory/stack.yml").read_text())
# The roles whose variables count, and of each policy what is said to the template lookup.
POLICIES = {
    "functions": (
        ("resources", "functions"),
        {
            one["name"]: f"'policy.json.j2', template_vars={{'function': functions_list[{number}]}}"
            for number, one in enumerate(STACK["surgewatch_functions"])
        },
    ),
    "instances": (
        ("instances",),
        {name: f"'policies/{name}.json.j2'" for name in ("analytics", "generators")},
    ),
    "flink_access": (("flink_access",), {"flink": "'policies/flink.json.j2'"}),
}
NAMES = [f"{role}/{name}" for role, (_, policies) in POLICIES.items() for name in policies]


def render() -> dict[str, dict[str, Any]]:
    """Each policy by its role's name and its own, as `functions/order_writer`."""
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar, trust_as_template
    from ansible.utils.collection_loader import AnsibleCollectionConfig
    from ansible.vars.manager import VariableManager

    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([])
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventory/aws/groups.yml")])
    manager = VariableManager(loader=loader, inventory=inventory)
    found = {}
    for role, (more, policies) in POLICIES.items():
        variables: dict[str, Any] = {}
        for name in more:
            for path in sorted((ROOT / "roles" / name).glob("[dv]*/main.yml")):  # defaults, vars
                variables |= loader.load_from_file(str(path), trusted_as_template=True)
        variables |= manager.get_vars(host=inventory.get_host("localhost"))
        variables |= {
            "surgewatch_account": ACCOUNT,
            "network_subnets": ["subnet-1", "subnet-2"],
            "network_security_groups": {"functions": "sg-1", "hosts": "sg-2"},
            "database_admin_secret": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rds!1-abc",
            "ansible_search_path": [str(ROOT / "roles" / role)],
        }
        templar = Templar(loader=loader, variables=variables)
        for name, told in policies.items():
            text = f"{{{{ lookup('ansible.builtin.template', {told}) }}}}"
            policy = templar.template(trust_as_template(text))
            found[f"{role}/{name}"] = policy if isinstance(policy, dict) else yaml.safe_load(policy)
    return found


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
