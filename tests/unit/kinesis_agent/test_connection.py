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


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Only what a test sets; the machine may have a proxy of its own."""
    for name in ("HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    return monkeypatch


def tls_server(folder: Path, *answers: bytes | tuple[bytes, None]) -> tuple[Server, int]:
    """Serve with the certificate of localhost that is made there."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test "
        "-addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem"
    )
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    server = Server(*answers)
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return server, urlsplit(server.url).port or 0


def post(host: str, port: int) -> tuple[int, bytes]:
    return Connection(urlsplit(f"https://{host}:{port}/"), 5, 5).post({}, b"x")


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE"])
def test_the_certificate_is_checked(
    tmp_path: Path, environment: pytest.MonkeyPatch, name: str
) -> None:
    _, port = tls_server(tmp_path, GOOD)
    with pytest.raises(SendError, match="certificate verify failed"):
        post("localhost", port)
    environment.setenv(name, str(tmp_path / "certificate.pem"))
    with pytest.raises(SendError, match="certificate is not valid for"):
        post("127.0.0.1", port)
    assert post("localhost", port) == (200, b"ok")


def test_a_bundle_that_is_not_there(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    _, port = tls_server(tmp_path, GOOD)
    environment.setenv("AWS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(SendError, match=r"AWS_CA_BUNDLE /nowhere\.pem: No such file"):
        post("localhost", port)


class Proxy:
    """Lets everything through to one port, whatever host is asked for; or answers this."""

    def __init__(self, port: int, answer: bytes = b"200 Connection established") -> None:
        self.heads: list[bytes] = []
        self._port, self._answer = port, answer
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._socket.accept()
            with client.makefile("rb") as file:
                self.heads.append(b"".join(iter(file.readline, b"\r\n")))
            client.sendall(b"HTTP/1.1 %b\r\nVia: test\r\n\r\n" % self._answer)
            if self._answer.startswith(b"200"):
                server = socket.create_connection(("127.0.0.1", self._port))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()
            else:
                client.close()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_a_proxy(tmp_path: Path, environment: pytest.MonkeyPatch) -> None:
    _, port = tls_server(tmp_path, (GOOD, None), GOOD)
    environment.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    proxy = Proxy(port)
    environment.setenv("HTTPS_PROXY", f"http://user:p%40ss@{proxy.address}")
    assert post("localhost", port) == (200, b"ok")
    assert proxy.heads == [
        b"CONNECT localhost:%d HTTP/1.1\r\nHost: localhost:%d\r\n"
        b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" % (port, port)
    ]
    environment.setenv("NO_PROXY", "localhost")
    assert post("localhost", port) == (200, b"ok")
    assert len(proxy.heads) == 1
    plain = Server(GOOD)
    assert plain.connect().post({}, b"x") == (200, b"ok")


def test_a_proxy_that_will_not(environment: pytest.MonkeyPatch) -> None:
    proxy = Proxy(1, b"407 Proxy Authentication Required")
    environment.setenv("HTTPS_PROXY", proxy.address)
    with pytest.raises(SendError, match=r"says HTTP/1\.1 407 Proxy Authentication Required"):
        post("localhost", 1)
    environment.setenv("HTTPS_PROXY", f"https://{proxy.address}")
    with pytest.raises(SendError, match="HTTPS_PROXY is no address that begins with http://"):
        post("localhost", 1)


def test_nobody_there() -> None:
    with pytest.raises(SendError, match="Connection refused"):
        Connection(urlsplit("http://127.0.0.1:1"), 5, 5).post({}, b"x")
