"""A connection to the database: TLS verified, kept between invocations, renewed when it died."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

ACCESS_DENIED = 1045


def connect(secret: dict[str, Any], **options: Any) -> pymysql.Connection:
    """Log in with what a secret holds: host, username, password and, where there, port and ca."""
    return pymysql.connect(
        host=secret["host"],
        port=int(secret.get("port") or 3306),
        user=secret["username"],
        password=secret["password"],
        ssl=_tls(secret.get("ca")),
        charset="utf8mb4",
        # Times are UTC, and a value that does not fit is an error, not cut.
        init_command="SET time_zone = '+00:00', sql_mode = 'TRADITIONAL'",
        # A database that pauses wakes in 15 to 30 s, after days in more; a function may take 60.
        connect_timeout=45,
        read_timeout=45,
        write_timeout=30,
        autocommit=True,
        cursorclass=DictCursor,
        **options,
    )


def _tls(ca: str | None) -> ssl.SSLContext:
    """Certificate and host name are checked, against `ca` or else the system's authorities."""
    context = ssl.create_default_context(cadata=ca or None)
    # Amazon's authorities for RDS do not pass Python 3.13's strict check.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Database:
    """The connection of one function, opened when first used."""

    def __init__(self, read_secret: Callable[..., dict[str, Any]]) -> None:
        """`read_secret(fresh=…)` answers with the secret, read again where `fresh` is true."""
        self._read_secret = read_secret
        self._connection: pymysql.Connection | None = None

    @contextmanager
    def cursor(self) -> Iterator[DictCursor]:
        """A cursor on a live connection; after an error of the server's the next one is new."""
        connection = self._live()
        try:
            with connection.cursor() as cursor:
                yield cursor
        except (pymysql.DataError, pymysql.IntegrityError):
            raise
        except pymysql.Error:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection._force_close()  # politely closing a dead one would wait for it
            self._connection = None

    def _live(self) -> pymysql.Connection:
        if self._connection is not None:
            try:
                self._connection.ping(reconnect=False)
            except pymysql.Error:
                self.close()
        if self._connection is None:
            self._connection = self._open()
        return self._connection

    def _open(self) -> pymysql.Connection:
        try:
            return connect(self._read_secret())
        except pymysql.OperationalError as error:
            if error.args[0] != ACCESS_DENIED:
                raise
        return connect(self._read_secret(fresh=True))
