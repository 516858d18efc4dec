"""common.database: TLS, renewal, rotation."""

import socket
import subprocess
import threading
import time
import uuid
from contextlib import suppress

import pymysql
import pytest

from common.database import Database, connect


@pytest.fixture
def user(admin, mariadb):
    """The secret of a user of the test's own."""
    name, password = f"user_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    admin.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (name, password))
    yield mariadb.secret | {"username": name, "password": password}
    admin.execute("DROP USER %s@'%%'", (name,))


def connection_id(database: Database) -> int:
    with database.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID() AS id")
        return cursor.fetchone()["id"]


def test_the_certificate_is_checked(user, tmp_path):
    other = tmp_path / "other.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    subprocess.run(
        [*command.split(), "-subj", "/CN=other", "-keyout", tmp_path / "key", "-out", other],
        check=True,
        capture_output=True,
    )
    for ca in (other.read_text(), None):
        with pytest.raises(pymysql.OperationalError, match="certificate verify failed"):
            connect(user | {"ca": ca})


def test_the_host_name_is_checked(user):
    with pytest.raises(pymysql.OperationalError, match="certificate is not valid for"):
        connect(user | {"host": "localhost"})


def test_the_connection_is_encrypted_and_strict(user):
    with connect(user) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
        assert cursor.fetchone()["Value"].startswith("TLSv1.")
        cursor.execute("SELECT @@time_zone AS zone, @@sql_mode AS mode")
        row = cursor.fetchone()
    assert row["zone"] == "+00:00"
    assert "STRICT_ALL_TABLES" in row["mode"]


def test_a_database_that_wakes_is_waited_for(user):
    """A paused one is not to be reached for 15 to 30 s; here for 6."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        full = socket.create_connection(server.getsockname())  # nobody else comes in now
        threading.Thread(target=late, args=(server, (user["host"], user["port"]), 6)).start()
        with full, connect(user | {"port": server.getsockname()[1]}) as connection:
            assert connection.open


def late(server, place, seconds):
    """Let the second connection in only after a while, and pass it on."""
    time.sleep(seconds)
    server.accept()[0].close()
    client, _ = server.accept()
    upstream = socket.create_connection(place)
    for source, target in ((client, upstream), (upstream, client)):
        threading.Thread(target=pass_on, args=(source, target)).start()


def pass_on(source, target):
    while data := source.recv(65536):
        target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_connection_is_kept_and_renewed_when_it_died(user):
    database = Database(lambda fresh=False: user)
    first = connection_id(database)
    assert connection_id(database) == first
    with connect(user) as connection, connection.cursor() as cursor:
        cursor.execute("KILL %s", (first,))
    assert connection_id(database) != first


def test_after_an_error_of_the_server_the_connection_is_new(user):
    database = Database(lambda fresh=False: user)
    first = connection_id(database)
    with pytest.raises(pymysql.ProgrammingError), database.cursor() as cursor:
        cursor.execute("SELECT what is this")
    assert connection_id(database) != first


def test_a_rotated_password_is_read_again(user, admin):
    reads = []

    def read_secret(fresh=False):
        reads.append(fresh)
        return user | ({} if fresh else {"password": "old"})

    assert connection_id(Database(read_secret))
    assert reads == [False, True]


def test_a_password_that_stays_wrong_is_an_error(user):
    database = Database(lambda fresh=False: user | {"password": "wrong"})
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        connection_id(database)
