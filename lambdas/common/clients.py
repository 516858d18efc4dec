"""AWS clients: region, endpoint and credentials come from the standard environment."""

from functools import cache

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import get_session

CONFIG = Config(
    # Short enough that a store that is down is found well within a function's time.
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard"},
    # The functions check their records themselves; doing so twice costs order_writer a third.
    parameter_validation=False,
)


@cache
def client(service: str) -> BaseClient:
    """The client of a service, made once a process."""
    return get_session().create_client(service, config=CONFIG)
