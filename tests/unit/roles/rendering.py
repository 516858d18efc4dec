"""What roles make of inventory/aws, without a play."""

from pathlib import Path
from typing import Any

import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.vars.manager import VariableManager

ROOT = Path(__file__).parents[3]
ACCOUNT = "123456789012"
STACK = yaml.safe_load((ROOT / "inventory/stack.yml").read_text())


class Role:
    """A role's variables, after those of the roles that it builds on; `settings` win over all."""

    def __init__(self, name: str, *, after: tuple[str, ...] = (), **settings: Any) -> None:
        if not AnsibleCollectionConfig.collection_finder:
            init_plugin_loader([])
        loader = DataLoader()
        groups = str(ROOT / "inventory/aws/groups.yml")
        inventory = InventoryManager(loader=loader, sources=[groups])
        manager = VariableManager(loader=loader, inventory=inventory)
        variables: dict[str, Any] = {}
        for role in (*after, name):
            for path in sorted((ROOT / "roles" / role).glob("[dv]*/main.yml")):  # defaults, vars
                variables |= loader.load_from_file(str(path), trusted_as_template=True)
        variables |= manager.get_vars(host=inventory.get_host("localhost"))
        variables |= {
            "surgewatch_account": ACCOUNT,
            "network_subnets": ["subnet-1", "subnet-2"],
            "network_security_groups": {"functions": "sg-1", "hosts": "sg-2"},
            "database_admin_secret": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:rds!1-abc",
            "role_path": str(ROOT / "roles" / name),
            "ansible_search_path": [str(ROOT / "roles" / name)],
        }
        self._templar = Templar(loader=loader, variables=variables | _trusted(settings))

    def render(self, expression: str) -> Any:
        """The value of a Jinja expression."""
        return self._templar.template(trust_as_template(f"{{{{ {expression} }}}}"))


def _trusted(value: Any) -> Any:
    """Let Ansible take what a test says as it takes an inventory."""
    if isinstance(value, dict):
        return {key: _trusted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value
