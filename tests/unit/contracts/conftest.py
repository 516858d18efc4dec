"""The database as the functions' tests have it."""

from tests.unit.lambdas.conftest import admin, aws, database_secrets, history  # noqa: F401
