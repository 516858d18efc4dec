"""The database as the functions' tests have it."""

from tests.unit.lambdas.conftest import admin, aws, database_secrets, history  # noqa: F401
from tests.unit.lambdas.test_alarm_reader import reader  # noqa: F401
