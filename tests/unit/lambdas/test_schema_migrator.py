"""schema_migrator, against MariaDB."""

import pymysql
import pytest

from common.database import connect
from schema_migrator import migrations
from schema_migrator.handler import lambda_handler
from schema_migrator.migrations import EditedError, Migration
from tests.unit.lambdas.conftest import CONTEXT

VERSIONS = [
    "0001_logs_history",
    "0002_alarms_by_hour_and_month",
    "0003_peak_of_rules_that_fire_below",
    "0004_reason",
    "0005_source",
    "0006_minutes",
]


def migrate(**event: object) -> dict:
    return lambda_handler(event, CONTEXT)


def test_the_first_run_makes_all_and_the_second_changes_nothing(database_secrets):
    first = migrate()
    assert first["changed"]
    assert first["migrations"] == VERSIONS
    assert {"alarm_recorder: create", "alarm_reader: create"} <= set(first["users"])
    assert migrate() == {"changed": False, "migrations": [], "users": []}


def test_a_check_says_what_would_change_and_changes_nothing(database_secrets, admin):
    said = migrate(check=True)
    admin.execute("SHOW DATABASES LIKE 'logs'")
    assert not admin.fetchall()
    assert migrate() == said
    assert not migrate(check=True)["changed"]


def test_the_tutorials_two_columns_come_first(history, admin):
    admin.execute("SELECT * FROM logs.logs_history")
    assert [column[0] for column in admin.description][:2] == [
        "alarm_creation_time",
        "Number_of_orders",
    ]


def test_no_password_is_told(database_secrets):
    said = str(migrate())
    for name in database_secrets.ids:
        assert database_secrets.read(name)["password"] not in said


MAY = {
    "alarm_recorder": [
        "SELECT notified_at FROM logs.logs_history",
        "UPDATE logs.logs_history SET notified_at = NULL",
    ],
    "alarm_reader": [
        "SELECT * FROM logs.logs_history",
        "SELECT * FROM logs.alarms_by_hour",
        "SELECT * FROM logs.alarms_by_month",
        "SELECT * FROM logs.availability_by_hour",
        "SELECT * FROM logs.latency_by_hour",
        "SELECT * FROM logs.orders_by_hour",
        "SELECT * FROM logs.slo_budget",
    ],
    "measure_writer": [
        "DELETE FROM logs.rule_minutes WHERE minute < '2000-01-01'",
    ],
}
MAY_NOT = {
    "alarm_recorder": [
        "UPDATE logs.logs_history SET kind = 'OPEN'",
        "SELECT value FROM logs.logs_history",
        "DELETE FROM logs.logs_history",
        "SELECT * FROM logs.schema_migrations",
    ],
    "alarm_reader": [
        "UPDATE logs.logs_history SET notified_at = NULL",
        "DROP TABLE logs.logs_history",
        "SELECT user FROM mysql.user",
        "DELETE FROM logs.access_minutes",
    ],
    "measure_writer": [
        "SELECT * FROM logs.logs_history",
        "DROP TABLE logs.access_minutes",
        "SELECT * FROM logs.slo_budget",
    ],
}


def test_a_user_may_do_what_its_function_needs_and_no_more(history):
    for name in history.ids:
        with connect(history.read(name)) as connection, connection.cursor() as cursor:
            for statement in MAY[name]:
                cursor.execute(statement)
            for statement in MAY_NOT[name]:
                with pytest.raises(pymysql.OperationalError, match="denied"):
                    cursor.execute(statement)


def test_a_user_must_use_tls(history, admin):
    admin.execute("SELECT user AS name FROM mysql.user WHERE ssl_type = 'ANY'")
    assert set(history.ids) <= {row["name"] for row in admin.fetchall()}
    admin.execute("ALTER USER alarm_reader REQUIRE NONE")
    assert migrate()["users"] == ["alarm_reader: set the password"]
    assert not migrate()["changed"]


def test_a_rotated_password_is_set(history):
    secret = history.read("alarm_reader") | {"password": "rotated"}
    history.put("alarm_reader", secret)
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        connect(secret)
    assert migrate()["users"] == ["alarm_reader: set the password"]
    connect(secret).close()


def test_privileges_are_put_right(history, admin):
    admin.execute("GRANT DELETE ON logs.* TO alarm_recorder")
    admin.execute("GRANT UPDATE (kind) ON logs.logs_history TO alarm_recorder")
    admin.execute("REVOKE INSERT ON logs.logs_history FROM alarm_recorder")
    admin.execute("GRANT PROCESS ON *.* TO alarm_recorder")
    assert sorted(migrate()["users"]) == [
        "alarm_recorder: grant INSERT ON logs.logs_history",
        "alarm_recorder: revoke DELETE ON logs.*",
        "alarm_recorder: revoke PROCESS ON *.*",
        "alarm_recorder: revoke UPDATE (kind) ON logs.logs_history",
    ]
    assert not migrate()["changed"]


def test_a_migration_is_applied_once_and_never_edited(history, admin):
    shipped = migrations.read_migrations()
    more = Migration(99, "0099_more", "CREATE TABLE logs.more (a int);\nDROP TABLE logs.more;\n")
    assert migrations.pending(admin, [*shipped, more]) == [more]
    migrations.apply(admin, more)
    assert migrations.pending(admin, [*shipped, more]) == []
    with pytest.raises(EditedError, match="0099_more"):
        migrations.pending(admin, [*shipped, more._replace(text="SELECT 1;\n")])


def test_a_migration_that_failed_half_way_can_be_applied_again(admin, database_secrets):
    for migration in migrations.read_migrations():
        migrations.apply(admin, migration)
        admin.execute("DELETE FROM logs.schema_migrations")
        migrations.apply(admin, migration)


def test_versions_count_from_1_without_a_gap():
    versions = [migration.version for migration in migrations.read_migrations()]
    assert versions == list(range(1, len(versions) + 1))
