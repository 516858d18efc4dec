"""Orders are placed at a shop before their lines are written: a real server, behind a socket."""

import http.server
import json
import os
import random
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from zlib import crc32

import pytest
from log_generator import inject
from log_generator.checkout import Checkout, Order, pages
from log_generator.dataset import COLUMNS
from log_generator.inject import Batch
from log_generator.ownership import Change
from log_generator.slices import slice_of

from tests.unit.log_generator.conftest import whole_lines

KILLS = 12
PACE = 50  # lines a second of half the slices


class Shop(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers as `answer` says, given the order, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self, path):
        self.asked, self.orders = [], []
        self.answer = lambda order: 201
        self.page = 200
        super().__init__(str(path), _Handler)
        threading.Thread(target=self.serve_forever, args=[0.01], daemon=True).start()

    def get_request(self):
        connection, _ = super().get_request()
        return connection, ("unix", 0)

    def handle_error(self, *_):
        """Who asked was killed."""

    def close(self):
        self.shutdown()
        self.server_close()

    def invoices(self):
        return [order["InvoiceNo"] for order in self.orders]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["X-Forwarded-For"]))
        self._say(self.server.page)

    def do_POST(self):
        order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["X-Forwarded-For"]))
        self.server.orders.append(order)
        self._say(self.server.answer(order))

    def _say(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def shop(tmp_path):
    served = Shop(tmp_path / "shop.socket")
    yield served
    served.close()


@pytest.fixture
def host(machine, tmp_path):
    host = machine(slices="0-511", lines_per_second=2 * PACE, shop=tmp_path / "shop.socket")
    host.checkout = Checkout(host.settings["shop"], "csv", views=3, views_per_second=1e6)
    return host


def invoice_of(line):
    return line.partition(b",")[0].decode()


def test_each_invoice_is_placed_once_before_its_lines_with_all_of_them(host, shop):
    accepted = []
    shop.answer = lambda order: accepted.append(len(host.lines())) or 201
    host.run(host.start(), 30)
    lines = host.lines()
    assert len(lines) > 500
    invoices = list(dict.fromkeys(invoice_of(body) for body, _ in lines))
    assert shop.invoices()[: len(invoices)] == invoices
    assert len(shop.orders) == len(set(shop.invoices())) <= len(invoices) + 1
    first = [n for n, line in enumerate(lines) if line[0].split(b",")[-2] == b"1"]
    assert accepted[: len(first)] == first
    sizes = Counter(invoice_of(body) for body, _ in lines)
    for order in shop.orders[: len(invoices) - 1]:
        assert len(order["lines"]) == sizes[order["InvoiceNo"]]


def test_the_customer_looks_at_pages_and_orders_from_the_address_of_the_lines(host, shop):
    host.run(host.start(), 10)
    line = whole_lines(host.log)[0].decode().split(",")
    order = shop.orders[0]
    assert order["lines"][0]["StockCode"] == line[1]
    assert shop.asked[:4] == [
        (path, line[-1])
        for path in (f"/product/{line[1]}", "/basket", "/checkout", "/orders")
    ]  # fmt: skip


def test_the_lines_of_a_refused_order_are_not_written_and_the_others_are(host, machine, shop):
    shop.answer = lambda order: 403 if refused(order["InvoiceNo"]) else 201
    generator = host.start()
    for _ in range(6):
        host.run(generator, 5)
        generator.stop()
        host.checkout = Checkout(host.settings["shop"], "csv", 0, 1)
        generator = host.start()
    state = generator.state()
    assert state.refused == len({name for name in shop.invoices() if refused(name)}) > 10
    everything = machine("everything", slices="0-511", lines_per_second=2 * PACE)
    everything.run(everything.start(), 40)
    wanted = [line for line in everything.lines() if not refused(invoice_of(line[0]))]
    lines = host.lines()
    # A refused order takes its time all the same.
    assert 0.6 < len(lines) / (30 * PACE) < 0.95
    assert lines == wanted[: len(lines)]


def refused(invoice):
    return crc32(invoice.encode()) % 5 == 0


def test_while_orders_fail_they_wait_and_afterwards_do_not_catch_up(host, shop):
    generator = host.start()
    host.run(generator, 10)
    before = len(host.lines())
    shop.answer = lambda order: 502
    host.run(generator, 120)
    stuck = len(host.lines())
    assert stuck - before < 150  # what was left of an invoice
    assert generator.state().waiting == "it answered 502"
    assert generator.state().elapsed < 20  # nor does the schedule of surges go on
    failed = len(shop.orders)
    shop.answer = lambda order: 201
    host.run(generator, 20)
    again = len(host.lines())
    assert generator.state().waiting is None
    assert again - stuck <= PACE * (20 + 1)  # a second at most is made up for
    assert again - stuck >= PACE * (20 - 10 - 1)  # from the longest backoff on
    assert len(set(shop.invoices()[before:failed])) <= 2
    invoices = Counter(invoice_of(body) for body, _ in host.lines())
    assert list(invoices) == list(dict.fromkeys(shop.invoices()))[: len(invoices)]


def test_without_an_answer_orders_wait_and_batches_from_outside_go_on(host, tmp_path):
    generator = host.start()
    drop = inject.drop(host.state / "inject", Batch([["V1", "A", "x", "1", "", "1", "", ""]]))
    host.run(generator, 30)
    assert [invoice_of(body) for body, _ in host.lines()] == ["V1"]
    assert not drop.exists()
    assert generator.state().waiting.startswith("no answer (")
    shop = Shop(tmp_path / "shop.socket")
    host.run(generator, 20)
    shop.close()
    assert len(host.lines()) > 100


def test_who_takes_over_an_invoice_asks_for_what_is_left_of_it(host, machine, shop, tmp_path):
    generator = host.start()
    while not any(generator.state().placed.values()):
        host.run(generator, 0.05)
    asked = list(shop.invoices())
    answer = generator.change(Change(release="0-511"))
    generator.stop()
    assert host.saved()["placed"] == {}
    other = machine("other", slices="", lines_per_second=2 * PACE, shop=tmp_path / "shop.socket")
    other.checkout = Checkout(other.settings["shop"], "csv", 0, 1)
    taker = other.start()
    taker.change(Change(take=answer.released, dataset=answer.dataset, elapsed=answer.elapsed))
    other.run(taker, 10)
    assert shop.invoices()[len(asked)] == asked[-1]
    both = host.lines() + other.lines()
    alone = machine("alone", slices="0-511", lines_per_second=2 * PACE)
    alone.run(alone.start(), 12)
    assert both == alone.lines()[: len(both)]


@pytest.mark.parametrize("accepts", [True, False])
def test_an_invoice_that_stays_here_stays_as_it_was_answered(host, machine, shop, accepts):
    shop.answer = lambda order: 201 if accepts else 403
    generator = host.start()
    while not generator.state().placed:
        host.run(generator, 0.05)
    (invoice,) = generator.state().placed
    other = (slice_of(invoice) + 1) % 512
    shop.answer = lambda order: 403 if accepts else 201
    generator.change(Change(release=str(other)))
    assert generator.state().placed == {invoice: accepts}
    host.run(generator, 30)
    assert shop.invoices().count(invoice) == 1
    written = {invoice_of(body) for body, _ in host.lines()}
    assert (invoice in written) == accepts
    assert bool(written - {invoice}) != accepts


def test_an_order_that_fails_holds_up_nothing_once_its_slice_is_gone(machine, shop, tmp_path):
    stays, goes = (
        "1000",
        next(n for n in map(str, range(1001, 1100)) if slice_of(n) != slice_of("1000")),
    )
    source = tmp_path / "in turn.csv"
    rows = [f"{stays if n % 2 else goes},A{n},x,1,1/1/2011 8:00,1,,X" for n in range(1, 41)]
    source.write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    host = machine(source=source, lines_per_second=10, shop=tmp_path / "shop.socket")
    host.checkout = Checkout(host.settings["shop"], "csv", 0, 1)
    shop.answer = lambda order: 502 if order["InvoiceNo"] == goes else 201
    generator = host.start()
    host.run(generator, 10)
    assert generator.state().waiting
    generator.change(Change(release=str(slice_of(goes))))
    host.run(generator, 5)
    written = [invoice_of(body) for body, _ in host.lines()]
    assert written.count(stays) == 20
    assert goes not in written


def test_who_meets_a_failing_page_orders_later(host, shop):
    shop.page = 503
    generator = host.start()
    host.run(generator, 30)
    assert generator.state().waiting.startswith("it answered 503 to /")
    assert not shop.orders
    assert not host.lines()
    shop.page = 200
    host.run(generator, 15)
    assert host.lines()


def test_killed_at_any_moment_it_writes_what_was_accepted_once(machine, shop, tmp_path):
    draw = random.Random("kills with a shop")

    def answer(order):
        if refused(order["InvoiceNo"]):
            return 403
        return 503 if draw.random() < 0.002 else 201

    shop.answer = answer
    host = machine(
        slices="0-700", lines_per_second=30_000, min_free_mb=0, shop=tmp_path / "shop.socket",
        views_per_order=0,
    )  # fmt: skip
    host.start().stop()  # so that it owns its slices
    turns = 0
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "log_generator", "run", "--config", host.config_file()],
            stderr=subprocess.PIPE,
        )
        target = len(shop.orders) + draw.randrange(10, 120)
        until = time.monotonic() + 60
        while len(shop.orders) < target and time.monotonic() < until:
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.0005)
        if draw.random() < 0.3 and host.log.exists():
            turns += 1
            host.log.rename(host.log.with_name(f"orders.log-{turns:04}"))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    host.settings["shop"] = None
    host.start().stop()  # ends what was half written
    logs = [*sorted(host.log.parent.glob("orders.log-*")), host.log]
    lines = host.lines(*(log for log in logs if log.exists()))
    everything = machine("everything", slices="0-700", lines_per_second=100_000)
    generator = everything.start()
    while generator.lines < 2 * len(lines):
        everything.run(generator, 0.1)
    wanted = [line for line in everything.lines() if not refused(invoice_of(line[0]))]
    assert len(lines) > 1_000
    assert lines == wanted[: len(lines)]


def test_told_to_stop_it_does_not_wait_for_a_shop_that_hangs(machine, shop, tmp_path):
    over = threading.Event()
    shop.answer = lambda order: over.wait() and 201
    host = machine(lines_per_second=1_000, shop=tmp_path / "shop.socket", views_per_order=0)
    host.start().stop()  # so that it owns its slices
    patient = "from log_generator import checkout, cli; checkout.PATIENCE = 600; cli.main()"
    process = subprocess.Popen(
        [sys.executable, "-c", patient, "run", "--config", host.config_file()]
    )
    while not shop.orders:
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
        over.set()


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        (0, []),
        (1, ["/checkout"]),
        (4, ["/", "/product/A%2FB", "/basket", "/checkout"]),
        (7, ["/", *["/product/A%2FB", "/product/C"] * 2, "/basket", "/checkout"]),
    ],
)
def test_pages_are_the_end_of_a_customers_way(count, wanted):
    assert pages(["A/B", "C"], count) == wanted


@pytest.mark.parametrize("quantity", ["soon", "nan", "1e30", "-1e400", ""])
def test_an_order_is_placed_whatever_its_values_are(tmp_path, shop, quantity):
    checkout = Checkout(tmp_path / "shop.socket", "csv", views=0, views_per_second=1)
    body = f'1,A,"{"x" * 200_000}",{quantity},1/1/2011 8:00,{quantity},17,France,1,'
    assert checkout.answer(Order(b"1", [body.encode()]), 20).accepted
    assert shop.orders == [
        {
            "InvoiceNo": "1",
            "Customer": "17",
            "lines": [{"StockCode": "A", "Quantity": 0, "UnitPrice": 0.0}],
        }
    ]


def test_pages_are_no_more_than_their_rate(tmp_path, shop):
    checkout = Checkout(tmp_path / "shop.socket", "csv", views=50, views_per_second=30)
    order = Order(b"1", [b"1,A,x,1,1/1/2011 8:00,1,17,France,1,"])
    begun = time.monotonic()
    for _ in range(3):
        assert checkout.answer(order, 60).accepted
    seconds = time.monotonic() - begun
    assert 30 <= len(shop.asked) - 3 <= 30 * (1 + seconds)  # those of the second before, too


def test_of_less_than_a_page_a_second_one_is_saved_up(tmp_path, shop):
    checkout = Checkout(tmp_path / "shop.socket", "csv", views=4, views_per_second=0.01)
    order = Order(b"1", [b"1,A,x,1,1/1/2011 8:00,1,17,France,1,"])
    for _ in range(2):
        assert checkout.answer(order, 60).accepted
    assert [path for path, _ in shop.asked] == ["/checkout", "/orders", "/orders"]
