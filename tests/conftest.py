"""What every test has: the option --full, and a local region."""

import pytest

pytest_plugins = ["tests.region", "tests.mariadb"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long forms of the proofs")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether the long form was asked for."""
    return bool(pytestconfig.getoption("--full"))
