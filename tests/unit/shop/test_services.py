"""Each service alone, with a proxy beside it that the test speaks for."""

import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.unit.shop.conftest import ORDER, Service, ask

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The service shop, whose calls go to the socket beside it."""
    home = tmp_path_factory.mktemp("alone")
    service = Service("shop", home, home / "out.socket")
    service.start()
    yield service
    service.kill()


class Proxy:
    """Answers each call with the next status; None: never. Notes what it was asked."""

    def __init__(self, path, statuses):
        path.unlink(missing_ok=True)
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._statuses = statuses
        self._open = []
        self.asked = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self):
        self._thread.join(10)
        for one in (*self._open, self._listening):
            one.close()

    def _serve(self):
        for status in self._statuses:
            connection, _ = self._listening.accept()
            self._open.append(connection)
            with connection.makefile("rb") as file:
                head = []
                while line := file.readline().decode().strip():
                    head.append(line)
                length = next(line for line in head if line.lower().startswith("content-length"))
                self.asked.append((head, file.read(int(length.split(":")[1]))))
            if status:
                connection.sendall(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
                connection.close()


@pytest.fixture
def through(alone):
    """Post an order while the proxy answers so; the answer and what the proxy was asked."""
    proxies = []

    def post(*statuses, **headers):
        proxies.append(Proxy(alone.socket.with_name("out.socket"), statuses))
        answer = ask(alone.socket, "/orders", ORDER, **headers)
        return answer, proxies[-1].asked

    yield post
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("path", ["/", "/product/85123A", "/basket", "/checkout", "/health"])
def test_a_page_is_there(alone, path):
    assert ask(alone.socket, path).status == 200


def test_what_a_visitor_writes_is_text(alone):
    assert "&lt;script&gt;" in ask(alone.socket, "/product/%3Cscript%3E").body


def test_an_order_asks_stock_then_payment_and_may_come_again(through):
    for _ in range(2):
        answer, asked = through(200, 200, traceparent=TRACE)
        assert answer.status == 201
        heads = [head for head, _ in asked]
        assert [head[0] for head in heads] == [
            "POST /reservations HTTP/1.1",
            "POST /payments HTTP/1.1",
        ]
        assert ["Host: stock" in head for head in heads] == [True, False]
        assert all(f"traceparent: {TRACE}" in head for head in heads)
        assert all(b"536365" in body for _, body in asked)


@pytest.mark.parametrize(
    ("statuses", "answered"),
    [((500,), 502), ((504,), 504), ((403,), 502), ((200, 502), 502), ((200, 504), 504)],
)
def test_what_fails_is_the_orders_failure(through, statuses, answered):
    answer, asked = through(*statuses)
    assert answer.status == answered
    assert len(asked) == len(statuses)


def test_no_answer_in_time_is_504(through):
    assert through(None)[0].status == 504


def test_no_proxy_is_502(alone):
    alone.socket.with_name("out.socket").unlink(missing_ok=True)
    assert ask(alone.socket, "/orders", ORDER).status == 502


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 200_000, b"{}", b'{"InvoiceNo": "\xff"}'])
def test_what_is_no_order_is_refused(alone, body):
    assert ask(alone.socket, "/orders", body).status == 400


def test_an_order_that_is_too_long_is_refused(alone):
    assert ask(alone.socket, "/orders", b" " * 1_000_001).status == 413


def test_stock_and_payment_accept(services):
    assert '"total":15.3' in ask(services["stock"].socket, "/reservations", ORDER).body
    assert ask(services["payment"].socket, "/payments", ORDER).status == 200
    assert ask(services["payment"].socket, "/reservations", ORDER).status == 404


def test_it_starts_after_a_kill_and_ends_when_told(services):
    service = services["stock"]
    service.kill()
    assert service.socket.exists()
    service.start()
    service.process.terminate()
    assert service.process.wait(10) == -signal.SIGTERM  # which systemd takes for a clean end
    service.start()


def test_the_shop_needs_the_way_to_the_others(tmp_path):
    command = [sys.executable, "-m", "shop", "--service", "shop", "--socket", tmp_path / "s"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "--outgoing" in done.stderr
