"""The database's administrator may do what an RDS master user may, and cannot make it more."""

import pymysql
import pytest


@pytest.fixture
def cursor(mariadb):
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS logs")
        yield cursor


ALL = '{"access": 18446744073709551615}'


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE mysql.global_priv SET priv = '{ALL}' WHERE user = 'admin'",
        f"INSERT INTO mysql.global_priv VALUES ('%', 'more', '{ALL}')",
        "DELETE FROM mysql.db",
        "DROP TABLE mysql.func",
        "CREATE TABLE mysql.more (a int)",
        "GRANT ALL PRIVILEGES ON *.* TO admin",
        "GRANT FILE ON *.* TO admin",
        "GRANT UPDATE ON mysql.* TO admin",
        "CREATE FUNCTION system RETURNS int SONAME 'system.so'",
        "SELECT 1 INTO OUTFILE 'written'",
        "CREATE DEFINER = root@localhost VIEW logs.more AS SELECT 1",
        "RENAME USER root@localhost TO root@'%'",
        "ALTER USER root@localhost IDENTIFIED BY 'known'",
        "SET GLOBAL init_connect = 'SELECT 1'",
    ],
)
def test_the_administrator_cannot_become_more(cursor, statement):
    with pytest.raises(pymysql.err.MySQLError):
        cursor.execute(statement)


def test_nobody_is_more_than_the_administrator(cursor):
    """Who may make users may also rename them, and log in as what was root."""
    cursor.execute(
        "SELECT DISTINCT grantee FROM information_schema.user_privileges"
        " WHERE privilege_type IN ('SUPER', 'FILE', 'INSERT', 'UPDATE', 'SET USER')"
    )
    assert cursor.fetchall() == ()


def test_files_are_read_and_written_in_a_folder_of_their_own_alone(cursor, mariadb):
    cursor.execute("SELECT @@secure_file_priv AS folder")
    assert cursor.fetchone()["folder"] == f"{mariadb.home / 'files'}/"
