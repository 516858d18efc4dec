"""One connection to an endpoint, kept from request to request."""

import gzip
import http.client
import ssl
import time
from urllib.parse import SplitResult

from kinesis_agent.errors import SendError

# A connection that was not used for this long may have been closed at the other end.
STALE = 20.0


class Connection:
    """One connection to an endpoint, opened when needed; for one thread."""

    def __init__(
        self, address: SplitResult, connect_timeout: float, timeout: float, use_gzip: bool = False
    ) -> None:
        self._address, self._connect_timeout, self._timeout = address, connect_timeout, timeout
        self._use_gzip = use_gzip
        self.host = address.netloc.rpartition("@")[2]
        self.path = address.path or "/"
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def post(self, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer; raise SendError where there is none."""
        if self._connection and time.monotonic() - self._used > STALE:
            self.close()
        if self._use_gzip:
            headers = headers | {"Accept-Encoding": "gzip"}
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request("POST", self.path, body, headers)
            response = self._connection.getresponse()
            data = response.read()
            if response.headers.get("Content-Encoding") == "gzip":
                data = gzip.decompress(data)
            status = response.status
        except (OSError, EOFError, http.client.HTTPException) as error:
            self.close()
            name = type(error).__name__
            raise SendError(f"{self.host}: {f'{name}: {error}' if str(error) else name}") from error
        self._used = time.monotonic()
        return status, data

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._address.hostname or "", self._address.port
        connection: http.client.HTTPConnection
        if self._address.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=self._connect_timeout, context=ssl.create_default_context()
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=self._connect_timeout)
        connection.connect()
        connection.sock.settimeout(self._timeout)
        return connection

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._connection:
            self._connection.close()
            self._connection = None
