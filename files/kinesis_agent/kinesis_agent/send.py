"""Puts requests to a service over connections that are kept, from threads that wait for it."""

import gzip
import http.client
import queue
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult

from kinesis_agent.credentials import Provider
from kinesis_agent.errors import SendError, of_answer
from kinesis_agent.sign import Signer
from kinesis_agent.wire import Answer, Format

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


class Client:
    """Puts records of one flow; for one thread."""

    def __init__(
        self, form: Format, connection: Connection, signer: Signer, credentials: Provider
    ) -> None:
        self._form, self._connection = form, connection
        self._signer, self._credentials = signer, credentials

    def put(self, records: list[bytes]) -> Answer:
        """Return which records were refused; raise SendError where none is known to be accepted."""
        body = self._form.body(records)
        headers = self._signer.sign(
            self._credentials(),
            self._connection.host,
            self._connection.path,
            self._form.headers,
            body,
            time.time(),
        )
        status, data = self._connection.post(headers, body)
        if status != 200:
            raise of_answer(status, *self._form.error(data))
        try:
            return self._form.answer(data)
        except ValueError as error:
            raise SendError(f"{self._connection.host}: not an answer: {error}") from None


class Senders:
    """Threads that put requests for a flow, started as they are needed."""

    def __init__(
        self, connect: Callable[[], Client], threads: int, done: Callable[[Any, object], None]
    ) -> None:
        """Call done(request, Answer or SendError), from a thread, for each request."""
        self._connect, self._threads, self._done = connect, threads, done
        self._jobs: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._started = self._busy = 0
        self._lock = threading.Lock()

    def put(self, request: Any) -> None:
        """Put the request's records as soon as a thread is free."""
        with self._lock:
            self._busy += 1
            start = self._busy > self._started < self._threads
            self._started += start
        if start:
            threading.Thread(target=self._work, daemon=True).start()
        self._jobs.put(request)

    def _work(self) -> None:
        client = self._connect()
        while True:
            request = self._jobs.get()
            outcome: object
            try:
                outcome = client.put(request.records)
            except SendError as error:
                outcome = error
            except Exception as error:  # a thread that died would hold its records for ever
                outcome = SendError(f"{type(error).__name__}: {error}")
            with self._lock:
                self._busy -= 1
            self._done(request, outcome)
