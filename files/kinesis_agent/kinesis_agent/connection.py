"""One connection to an endpoint, kept from request to request.

HTTP/1.1 by hand: http.client takes three times as long, which is a tenth of all that a line costs.
"""

import gzip
import os
import socket
import ssl
import time
from base64 import b64encode
from typing import IO
from urllib.parse import SplitResult, unquote, urlsplit

from kinesis_agent.errors import SendError

# A connection that was not used for this long may have been closed at the other end.
STALE = 20.0
LONGEST_LINE = 64 * 1024


class Connection:
    """One connection to an endpoint, opened when needed; for one thread."""

    def __init__(
        self, address: SplitResult, connect_timeout: float, timeout: float, use_gzip: bool = False
    ) -> None:
        self._address, self._connect_timeout, self._timeout = address, connect_timeout, timeout
        self._use_gzip = use_gzip
        self.host = address.netloc.rpartition("@")[2]
        self.path = address.path or "/"
        self._socket: socket.socket | None = None
        self._answers: IO[bytes]
        self._used = 0.0

    def post(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer; raise SendError where there is none."""
        if self._socket and time.monotonic() - self._used > STALE:
            self.close()
        if self._use_gzip:
            headers = headers | {"Accept-Encoding": "gzip"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"POST {self.path} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
        try:
            if self._socket is None:
                self._socket = self._connect()
                self._answers = self._socket.makefile("rb")
            self._socket.sendall(head.encode() + body)
            status, data = self._answer()
        except (OSError, EOFError, ValueError) as error:
            self.close()
            name = type(error).__name__
            raise SendError(f"{self.host}: {f'{name}: {error}' if str(error) else name}") from error
        self._used = time.monotonic()
        return status, data

    def _connect(self) -> socket.socket:
        is_secure = self._address.scheme == "https"
        host = self._address.hostname or ""
        port = self._address.port or (443 if is_secure else 80)
        proxy = _proxy(host) if is_secure else None
        connection = socket.create_connection(
            (proxy.hostname or "", proxy.port or 80) if proxy else (host, port),
            self._connect_timeout,
        )
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if proxy:
                _tunnel(connection, proxy, host, port)
            if is_secure:
                connection = _tls_context().wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise
        connection.settimeout(self._timeout)
        return connection

    def _answer(self) -> tuple[int, bytes]:
        status = 100
        while status < 200:
            version, _, rest = self._line().partition(b" ")
            if not version.startswith(b"HTTP/1."):
                raise ValueError("the answer is not HTTP/1.1")
            status = int(rest[:3])
            headers = {}
            while line := self._line():
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip().lower()
        size = headers.get(b"content-length")
        is_last = headers.get(b"connection") == b"close" or version == b"HTTP/1.0"
        if headers.get(b"transfer-encoding") == b"chunked":
            data = self._chunks()
        elif size is not None:
            data = self._bytes(int(size))
        else:
            data, is_last = self._answers.read(), True
        if is_last:
            self.close()
        if headers.get(b"content-encoding") == b"gzip":
            data = gzip.decompress(data)
        return status, data

    def _line(self) -> bytes:
        line = self._answers.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise EOFError("the connection was closed")
        return line.rstrip(b"\r\n")

    def _bytes(self, size: int) -> bytes:
        data = self._answers.read(size)
        if len(data) < size:
            raise EOFError("the connection was closed")
        return data

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._line().partition(b";")[0], 16):
            parts.append(self._bytes(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._socket:
            self._answers.close()
            self._socket.close()
            self._socket = None


def _tls_context() -> ssl.SSLContext:
    """Trust the authorities of AWS_CA_BUNDLE alone, else the system's."""
    bundle = os.environ.get("AWS_CA_BUNDLE") or None
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as error:
        raise OSError(f"AWS_CA_BUNDLE {bundle}: {error.strerror or error}") from None


def _proxy(host: str) -> SplitResult | None:
    """Return the proxy that HTTPS_PROXY names, unless NO_PROXY excludes the host."""
    from urllib.request import getproxies_environment, proxy_bypass_environment

    given = getproxies_environment().get("https")
    if not given or proxy_bypass_environment(host):
        return None
    proxy = urlsplit(given if "://" in given else f"http://{given}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise OSError("HTTPS_PROXY is no address that begins with http://")
    return proxy


def _tunnel(connection: socket.socket, proxy: SplitResult, host: str, port: int) -> None:
    """Ask a proxy to let through what follows."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n"
    if proxy.username is not None:
        user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        head += f"Proxy-Authorization: Basic {b64encode(user.encode()).decode()}\r\n"
    connection.sendall(f"{head}\r\n".encode())
    with connection.makefile("rb") as answer:
        first = answer.readline(LONGEST_LINE)
        while answer.readline(LONGEST_LINE).strip():
            pass
    if first.split(b" ")[1:2] != [b"200"]:
        said = first.decode("utf-8", "replace").strip() or "nothing"
        raise OSError(f"the proxy {proxy.hostname} says {said}")
