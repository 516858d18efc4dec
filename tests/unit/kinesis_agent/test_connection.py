"""HTTP by hand, against a server that says what a test tells it to."""

import gzip
import shlex
import socket
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from kinesis_agent.connection import Connection
from kinesis_agent.errors import SendError


class Server:
    """Gives each request the next answer; after one that ends in None it closes."""

    def __init__(self, *answers: bytes | tuple[bytes, None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.tls: ssl.SSLContext | None = None
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/path"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while self.answers:
            connection, _ = self._socket.accept()
            self.connections += 1
            if self.tls:
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except ssl.SSLError:
                    continue
            with connection, connection.makefile("rb") as file:
                while self.answers and self._answer(connection, file):
                    pass

    def _answer(self, connection: socket.socket, file: socket.SocketIO) -> bool:
        head = b"".join(iter(file.readline, b"\r\n"))
        if not head:
            return False
        size = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        self.requests.append(head + file.read(size))
        answer = self.answers.pop(0)
        connection.sendall(answer if isinstance(answer, bytes) else answer[0])
        return isinstance(answer, bytes)

    def connect(self, use_gzip: bool = False) -> Connection:
        return Connection(urlsplit(self.url), 5, 5, use_gzip)


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_one_connection_serves_many_requests() -> None:
    server = Server(GOOD, GOOD)
    connection = server.connect()
    for body in (b"one", b"two"):
        assert connection.post({"Host": connection.host, "X": "y"}, body) == (200, b"ok")
    assert server.connections == 1
    assert server.requests[1] == (
        b"POST /path HTTP/1.1\r\nHost: %b\r\nX: y\r\nContent-Length: 3\r\ntwo"
        % connection.host.encode()
    )


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, (200, b"ok")),
        (b"HTTP/1.1 400 Bad Request\ncontent-length:0\n\n", (400, b"")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
            (200, b"abc0123456789"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b"
            % (len(gzip.compress(b"ok")), gzip.compress(b"ok")),
            (200, b"ok"),
        ),
    ],
)
def test_answers(answer: bytes, found: tuple[int, bytes]) -> None:
    server = Server(answer, GOOD)
    connection = server.connect(use_gzip=True)
    assert connection.post({}, b"x") == found
    assert connection.post({}, b"x") == (200, b"ok")
    assert server.connections == 1
    assert b"Accept-Encoding: gzip\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\n\r\nok",
    ],
)
def test_a_connection_that_ends_is_followed_by_another(answer: bytes) -> None:
    server = Server((answer, None), GOOD)
    connection = server.connect()
    assert connection.post({}, b"x") == (200, b"ok")
    assert connection.post({}, b"x") == (200, b"ok")
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_an_error_and_then_it_goes_on(answer: bytes) -> None:
    server = Server((answer, None), GOOD)
    connection = server.connect()
    with pytest.raises(SendError, match=connection.host):
        connection.post({}, b"x")
    assert connection.post({}, b"x") == (200, b"ok")


def test_the_certificate_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test "
        "-addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    )
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True, capture_output=True)
    server = Server(GOOD)
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    port = urlsplit(server.url).port

    def post(host: str) -> tuple[int, bytes]:
        return Connection(urlsplit(f"https://{host}:{port}/"), 5, 5).post({}, b"x")

    with pytest.raises(SendError, match="certificate verify failed"):
        post("localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with pytest.raises(SendError, match="certificate is not valid for"):
        post("127.0.0.1")
    assert post("localhost") == (200, b"ok")


def test_nobody_there() -> None:
    with pytest.raises(SendError, match="Connection refused"):
        Connection(urlsplit("http://127.0.0.1:1"), 5, 5).post({}, b"x")
