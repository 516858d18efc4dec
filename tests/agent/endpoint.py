"""A stand-in for Kinesis that keeps what it is given and fails on purpose."""

import base64
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from kinesis_agent import cbor


@dataclass
class Faults:
    """How often what goes wrong, each from 0 to 1, of all requests (or of their records)."""

    refused: float = 0.0
    throttled: float = 0.0
    broken: float = 0.0
    dropped: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    error: tuple[int, str] | None = None


class Endpoint:
    """Answers on a loopback port: `with Endpoint() as endpoint`."""

    def __init__(self, faults: Faults | None = None, seed: int = 0) -> None:
        self.faults = faults or Faults()
        self.records: Counter[bytes] = Counter()
        self.order: list[bytes] = []
        self.requests: list[int] = []
        self.keys: Counter[str] = Counter()
        self.access_keys: set[str] = set()
        self.times: list[float] = []
        self.lost_records = self.failures = 0
        self.on_put: Callable[[str], None] = lambda stream: None
        self.error_of: dict[str, tuple[int, str]] = {}
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def __enter__(self) -> "Endpoint":
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                pass  # an agent that was killed leaves broken connections

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> bool:
        """Wait until the condition holds of what was put."""
        with self._changed:
            return self._changed.wait_for(condition, seconds)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        form = _Cbor if "cbor" in handler.headers["Content-Type"] else _Json
        request = form.decode(body)
        stream = request.get("StreamName") or request["DeliveryStreamName"]
        fault, refused = self._choose(len(request["Records"]))
        error = self.error_of.get(stream) or self.faults.error
        if fault == "slow":
            time.sleep(0.3)
        if fault == "dropped":
            handler.close_connection = True
            handler.connection.close()
            return
        if error or fault in ("throttled", "broken"):
            self.failures += 1
            status, code = (
                error
                or {
                    "throttled": (400, "ProvisionedThroughputExceededException"),
                    "broken": (500, "InternalFailure"),
                }[fault]
            )
            self._reply(handler, form, status, {"__type": code, "message": "on purpose"})
            return
        accepted = [r for n, r in enumerate(request["Records"]) if n not in refused]
        signed_with = handler.headers["Authorization"].partition("Credential=")[2]
        with self._changed:
            self.access_keys.add(signed_with.partition("/")[0])
            for record in accepted:
                data = form.data(record)
                self.records[data] += 1
                self.order.append(data)
                self.keys[record.get("PartitionKey", "")] += 1
            self.requests.append(len(request["Records"]))
            self.times.append(time.time())
            self._changed.notify_all()
        self.on_put(stream)
        if fault == "lost":
            with self._lock:
                self.lost_records += len(accepted)
            handler.close_connection = True
            handler.connection.close()
            return
        name = "FailedRecordCount" if "StreamName" in request else "FailedPutCount"
        outcomes = [
            {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
            if n in refused
            else {"SequenceNumber": str(n), "ShardId": "shardId-000000000000"}
            for n in range(len(request["Records"]))
        ]
        key = "Records" if "StreamName" in request else "RequestResponses"
        self._reply(handler, form, 200, {name: len(refused), key: outcomes})

    def _choose(self, count: int) -> tuple[str, set[int]]:
        faults = self.faults
        with self._lock:
            draw = self._random.random()
            refused = {n for n in range(count) if self._random.random() < faults.refused}
        for name in ("throttled", "broken", "dropped", "lost", "slow"):
            draw -= getattr(faults, name)
            if draw < 0:
                return name, refused
        return "", refused

    def _reply(
        self, handler: BaseHTTPRequestHandler, form: Any, status: int, value: dict[str, Any]
    ) -> None:
        data = form.encode(value)
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)


class _Json:
    decode = staticmethod(json.loads)

    @staticmethod
    def encode(value: dict[str, Any]) -> bytes:
        return json.dumps(value).encode()

    @staticmethod
    def data(record: dict[str, Any]) -> bytes:
        return base64.b64decode(record["Data"], validate=True)


class _Cbor:
    decode = staticmethod(cbor.decode)

    @staticmethod
    def encode(value: Any) -> bytes:
        if isinstance(value, dict):
            items = [_Cbor.encode(each) for pair in value.items() for each in pair]
            return cbor.head(5, len(value)) + b"".join(items)
        if isinstance(value, list):
            return cbor.head(4, len(value)) + b"".join(map(_Cbor.encode, value))
        return cbor.text(value) if isinstance(value, str) else cbor.head(0, value)

    @staticmethod
    def data(record: dict[str, Any]) -> bytes:
        return record["Data"]
