"""What the inventory says of the stack: its hosts, names, endpoint and credentials."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from console.errors import ConsoleError

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


@dataclass(frozen=True)
class Stack:
    """Host names by group, and each host's variables as a play would see them."""

    groups: Mapping[str, Sequence[str]]
    variables: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, name: str) -> Any:
        """A variable of the stack as a whole."""
        try:
            return self.variables["localhost"][name]
        except KeyError as error:
            raise ConsoleError(f"The inventory does not say {name}.") from error

    @property
    def hosts(self) -> list[str]:
        return sorted(name for name in self.variables if name != "localhost")

    @cached_property
    def _session(self) -> Any:
        import botocore.session

        # The standard variables, as every other program of the stack gets them.
        os.environ.update(self["surgewatch_aws_environment"])
        return botocore.session.Session()

    def client(self, service: str, **config: Any) -> Any:
        """A client of the stack's region."""
        from botocore.config import Config

        return self._session.create_client(service, config=Config(**config))


def use_project() -> None:
    """Make the project's commands and Ansible's settings count, whatever the directory."""
    commands = str(Path(sys.executable).parent)
    if commands not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = commands + os.pathsep + os.environ["PATH"]
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")


def load() -> Stack:
    """Read the inventory that Ansible would use."""
    use_project()
    # Ansible reads its settings when it is imported, and takes half a second for it.
    from ansible import constants
    from ansible.errors import AnsibleError
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar
    from ansible.utils.collection_loader import AnsibleCollectionConfig
    from ansible.vars.manager import VariableManager

    if not AnsibleCollectionConfig.collection_finder:
        init_plugin_loader([])
    loader = DataLoader()
    try:
        inventory = InventoryManager(loader=loader, sources=constants.DEFAULT_HOST_LIST)
    except AnsibleError as error:
        raise ConsoleError(str(error)) from error
    manager = VariableManager(loader=loader, inventory=inventory)
    variables = {}
    for name in ("localhost", *(host.name for host in inventory.get_hosts("all"))):
        found = manager.get_vars(host=inventory.get_host(name))
        variables[name] = _Variables(found, Templar(loader=loader, variables=found))
    return Stack(inventory.get_groups_dict(), variables)


class _Variables(Mapping[str, Any]):
    """Renders a variable when it is asked for: some of them make sense on some hosts only."""

    def __init__(self, raw: Mapping[str, Any], templar: Any) -> None:
        self._raw, self._templar = raw, templar

    def __getitem__(self, name: str) -> Any:
        return self._templar.template(self._raw[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)
