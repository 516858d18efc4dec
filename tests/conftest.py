"""What every test has: the option --full, a local region, and what modules share."""

from pathlib import Path

import ansible.module_utils
import pytest
from hypothesis import settings

# How long an example takes is the machine's affair.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

# As Ansible packs it with the modules.
ansible.module_utils.__path__.append(str(Path(__file__).parents[1] / "plugins/module_utils"))

pytest_plugins = ["tests.region", "tests.mariadb"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms of the proofs")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the long form was asked for."""
    return bool(pytestconfig.getoption("--full"))
