"""What the role's nginx does and writes, with the three services behind it."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from analytics_engine.records import kind

from tests.unit.roles.rendering import Role
from tests.unit.shop.conftest import ORDER, Connection, ask, eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
ACCESS = kind.load(Path(__file__).parents[3] / "analytics/records")["access"]
COLUMNS = list(ACCESS.columns)[: list(ACCESS.columns).index("Check")]
"""Those that are not of probes alone."""
TYPES = {"text": str, "address": str, "integer": int, "number": (int, float)}


def held(text):
    """A line, held against the contract."""
    assert not re.search(rb"[\x00-\x1f]", text), text
    line = json.loads(text.decode())
    assert list(line) == COLUMNS
    for name, value in line.items():
        assert isinstance(value, TYPES[ACCESS.columns[name]]), (name, value)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["EventTime"])
    written = datetime.fromisoformat(line["EventTime"])
    assert timedelta(0) <= datetime.now(UTC) - written < timedelta(minutes=5)
    assert re.fullmatch("[0-9a-f]{32}", line["RequestId"])
    assert line["Server"] == socket.gethostname()
    assert line["Service"] == "shop"
    assert line["Direction"] in ("in", "out")
    # A call to nobody has the name of none.
    assert (line["To"] == "") == (line["Direction"] == "in" or line["Status"] == 421)
    assert line["Visitor"] in ("user", "bot", "probe", "health")
    assert line["Route"]
    assert line["Status"] < 600
    return line


@pytest.fixture
def written(nginx):
    """Wait for so many more lines than there were; what they say, calls first.

    A call's line is written once it is over on both sides, which may be after the visitor's.
    """
    before = len(nginx.lines())

    def wait(number):
        eventually(lambda: len(nginx.lines()) >= before + number, f"{number} lines")
        found = [held(text) for text in nginx.lines()[before:]]
        assert len(found) == number, found
        return sorted(found, key=lambda line: line["Direction"], reverse=True)

    yield wait
    for text in nginx.lines():
        held(text)


@pytest.fixture
def raw(nginx):
    """Send bytes and read to the end."""

    def send(data):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(nginx.incoming))
            connection.sendall(data)
            answer = b""
            while part := connection.recv(65536):
                answer += part
        return answer

    return send


@pytest.fixture
def stopped(services):
    """The service stock, which answers nothing for now."""
    service = services["stock"]
    service.process.send_signal(signal.SIGSTOP)
    yield service
    service.process.send_signal(signal.SIGCONT)


def test_a_page_is_one_line(nginx, written):
    assert ask(nginx.incoming, "/product/85123A?from=mail", X_Forwarded_For="203.0.113.7")[0] == 200
    (line,) = written(1)
    assert (line["Direction"], line["Method"], line["Status"]) == ("in", "GET", 200)
    assert (line["Path"], line["Route"]) == ("/product/85123A", "product")
    assert (line["Host"], line["ClientIP"], line["Peer"]) == ("shop.test", "203.0.113.7", "")
    assert (line["Visitor"], line["Trace"], line["UpstreamStatus"]) == ("user", "", "200")
    assert 0 <= line["Seconds"] < 5
    assert float(line["UpstreamSeconds"]) < 5
    assert line["Bytes"] > 200


def test_quotes_and_backslashes_stay_what_they_are(raw, written):
    strange = rb"""GET /product/a"b\c'%22?q="\ HTTP/1.1"""
    answer = raw(
        strange + b"\r\nHost: shop.test\r\nConnection: close\r\n"
        b'User-Agent: a"b\\ \xff\xfe bot\r\nX-Forwarded-For: "\\\r\ntraceparent: "\\\r\n\r\n'
    )
    assert answer.startswith(b"HTTP/1.1 200")
    (line,) = written(1)
    assert line["Path"] == """/product/a"b\\c'%22"""
    assert (line["Route"], line["Visitor"], line["Trace"]) == ("product", "bot", "")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /caf\xc3\xa9/\xff HTTP/1.1\r\nHost: a\xff\r\nConnection: close\r\n\r\n",
        b"GET /\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ],
)
def test_whatever_is_sent_the_line_is_json(raw, written, request_):
    raw(request_)
    (line,) = written(1)
    assert (line["Direction"], line["Service"]) == ("in", "shop")
    assert line["Path"].isascii()


def test_an_order_is_a_line_of_each_side_and_each_call(nginx, written):
    tracing = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    for _ in range(2):
        assert ask(nginx.incoming, "/orders", ORDER, **tracing).status == 201
    lines = written(6)
    assert len({line["RequestId"] for line in lines}) == 6
    assert {line["Trace"] for line in lines} == {TRACE}
    edges = [(line["Direction"], line["To"], line["Route"], line["Status"]) for line in lines]
    calls = [("out", "stock", "reservation", 200), ("out", "payment", "payment", 200)]
    assert sorted(edges) == sorted([*calls, ("in", "", "order", 201)] * 2)
    # Of payment's two backends one is dead: nobody noticed, but the caller's line tells.
    tried = [line for line in lines if ", " in line["UpstreamStatus"]]
    assert [(line["To"], line["UpstreamStatus"]) for line in tried] == [("payment", "502, 200")]
    assert (
        len(tried[0]["Upstream"].split(", ")) == len(tried[0]["UpstreamSeconds"].split(", ")) == 2
    )


def test_a_service_that_is_killed_fails_the_order(nginx, services, written):
    services["stock"].kill()
    try:
        assert ask(nginx.incoming, "/orders", ORDER).status == 502
        assert ask(nginx.incoming, "/").status == 200
    finally:
        services["stock"].start()
    assert ask(nginx.incoming, "/orders", ORDER).status == 201
    call, *_, order, page, again = written(6)
    assert (call["To"], call["Status"], call["UpstreamStatus"]) == ("stock", 502, "502")
    assert (order["Route"], order["Status"]) == ("order", 502)
    assert (page["Status"], again["Status"]) == (200, 201)


def test_a_service_that_hangs_is_504(nginx, stopped, written):
    assert ask(nginx.incoming, "/orders", ORDER).status == 504
    call, order = written(2)
    assert (call["To"], call["Status"], order["Status"]) == ("stock", 504, 504)
    assert order["Seconds"] >= 1


def test_a_visitor_who_leaves_is_499(nginx, stopped, written):
    connection = Connection(nginx.incoming, timeout=0.3)
    connection.request("POST", "/orders", json.dumps(ORDER))
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    left = [line for line in written(2) if line["Direction"] == "in"]
    assert [(line["Route"], line["Status"]) for line in left] == [("order", 499)]


def test_who_asks_is_what_trusted_proxies_tell(nginx, written):
    told = "192.0.2.66, 203.0.113.7, 198.51.100.3"
    ask(nginx.incoming, "/", X_Forwarded_For=told)
    ask(nginx.incoming, "/", X_Forwarded_For="2001:db8::7")
    ask(nginx.incoming, "/")
    connection = socket.create_connection(("127.0.0.1", nginx.port))
    with connection:
        connection.sendall(f"GET / HTTP/1.0\r\nX-Forwarded-For: {told}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    addresses = [(line["ClientIP"], line["Peer"]) for line in written(4)]
    assert addresses == [
        ("203.0.113.7", ""),
        ("2001:db8::7", ""),
        ("", ""),
        ("127.0.0.1", "127.0.0.1"),
    ]


@pytest.mark.parametrize(
    ("target", "agent", "route", "visitor"),
    [
        ("/", "Mozilla/5.0", "home", "user"),
        ("/basket?a=/health", "Mozilla/5.0 (compatible; Googlebot/2.1)", "basket", "bot"),
        ("/checkout", "CURL/8", "checkout", "bot"),
        ("/health", "Googlebot", "health", "health"),
        ("/basket", "surgewatch-probe/1", "basket", "probe"),
        ("/product/a/b", "", "other", "user"),
        ("/healthy", "", "other", "user"),
    ],
)
def test_routes_and_visitors_are_told_apart(nginx, written, target, agent, route, visitor):
    ask(nginx.incoming, target, User_Agent=agent)
    (line,) = written(1)
    assert (line["Route"], line["Visitor"]) == (route, visitor)


def test_a_call_to_nobody_is_refused(nginx):
    assert ask(nginx.home / "out.socket", "/reservations", ORDER).status == 421

    def refusal():
        last = json.loads(nginx.lines()[-1])
        return (last["Direction"], last["To"], last["Status"]) == ("out", "", 421)

    eventually(refusal, "its line")


def test_a_log_that_was_turned_over_is_opened_anew(nginx, written):
    written(0)
    log = nginx.home / "access.log"
    turned = log.with_name("access.log-20260101T000000")
    before = log.read_bytes()
    log.rename(turned)
    subprocess.run(["sh", "-c", nginx.role.render("__shop_reopen")], check=True)
    eventually(log.exists, "a new log")
    # A worker opens it a moment after the master did, and loses nothing meanwhile.
    asked = 0
    while not log.stat().st_size:
        assert ask(nginx.incoming, "/").status == 200
        asked += 1
        eventually(
            lambda n=asked: (
                len((turned.read_bytes() + log.read_bytes()).splitlines())
                == len(before.splitlines()) + n
            ),
            "its line",
        )
    assert turned.read_bytes().startswith(before)


def test_an_order_that_is_too_long_is_413(nginx, written):
    connection = Connection(nginx.incoming)
    connection.request("POST", "/orders", b"", {"Content-Length": "2000000"})
    assert connection.getresponse().status == 413
    connection.close()
    (line,) = written(1)
    assert (line["Route"], line["Status"], line["Upstream"]) == ("order", 413, "")


def test_a_broken_configuration_is_refused_and_nothing_is_touched(nginx, tmp_path):
    role = Role("shop", ansible_managed="a test's", shop_nginx_command="nginx")
    path = tmp_path / "nginx.conf"
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}

    def refused(text):
        path.write_text(text)
        command = role.render("__shop_validate") % path
        return subprocess.run(shlex.split(command), env=environment).returncode

    text = role.render("lookup('ansible.builtin.template', 'shop_nginx.conf.j2')")
    log = role.render("__shop_log")
    there = os.path.exists(log)
    assert refused(text) == 0
    assert refused(text.replace("worker_processes 1;", "worker_processes 1")) != 0
    assert os.path.exists(log) == there
    assert not os.path.exists(role.render("__shop_nginx_run"))


def test_memory_is_bounded(nginx, services):
    for _ in range(20):
        ask(nginx.incoming, "/orders", ORDER)
    first = nginx.process.pid
    workers = subprocess.check_output(["pgrep", "--parent", str(first)], text=True).split()
    processes = [first, *map(int, workers), *(one.process.pid for one in services.values())]
    total = 0
    for process in processes:
        with open(f"/proc/{process}/smaps_rollup") as file:
            total += int(re.search(r"^Pss: +(\d+) kB", file.read(), re.MULTILINE)[1])
    print(f"{total / 1000:.0f} MB in {len(processes)} processes")
    assert total < 110_000
