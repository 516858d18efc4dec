"""Puts requests to a service, from threads that wait for the answers."""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from kinesis_agent import endpoints
from kinesis_agent.config import Config, Flow
from kinesis_agent.connection import Connection
from kinesis_agent.errors import CREDENTIALS, SendError, of_answer
from kinesis_agent.sign import Provider, Signer
from kinesis_agent.wire import (
    Answer,
    FirehoseJson,
    Format,
    KinesisCbor,
    KinesisJson,
    content_keys,
    random_keys,
)


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
        credentials = self._credentials()
        headers = self._signer.sign(
            credentials,
            self._connection.host,
            self._connection.path,
            self._form.headers,
            body,
            time.time(),
        )
        status, data = self._connection.post(headers, body)
        if status != 200:
            code, message = self._form.error(data)
            if code in CREDENTIALS:
                self._credentials.renew(credentials)
            raise of_answer(status, code, message)
        try:
            return self._form.answer(data, len(records))
        except ValueError as error:
            raise SendError(f"{self._connection.host}: not an answer: {error}") from None


def connect(config: Config, flow: Flow, credentials: Provider) -> Client:
    """Make a client of a flow's service, for one thread."""
    form = wire_format(config, flow)
    connection = Connection(
        endpoints.endpoint(config, form.service),
        config.connection_timeout_millis / 1000,
        config.socket_timeout_millis / 1000,
        config.use_http_gzip,
    )
    return Client(form, connection, Signer(form.service, endpoints.region(config)), credentials)


def wire_format(config: Config, flow: Flow) -> Format:
    """Choose how a flow's requests are written."""
    if flow.delivery_stream:
        return FirehoseJson(flow.delivery_stream)
    keys = random_keys if flow.partition_key_option == "RANDOM" else content_keys
    form = config.kinesis_wire_format
    if form is None:
        form = "CBOR" if endpoints.is_aws(endpoints.endpoint(config, "kinesis")) else "JSON"
    return (KinesisCbor if form == "CBOR" else KinesisJson)(flow.kinesis_stream or "", keys)


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

    def close(self) -> None:
        """Let the threads end once they have nothing to put."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        client = self._connect()
        while request := self._jobs.get():
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
