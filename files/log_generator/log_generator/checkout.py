"""Placing invoices as orders at the shop: a customer looks at some pages, then posts the order."""

import http.client
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import cycle, islice
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote

from log_generator import record
from log_generator.dataset import COLUMNS

PATIENCE = 15.0
"""Seconds to wait for an answer: longer than the shop's own patience with its services."""
_MOST = 1e15  # no amount is as much, and every reader of JSON takes it
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) Surgewatch"


class Order(NamedTuple):
    """An invoice, and its lines without EventTime and ClientIP, as `record.body` makes them."""

    invoice: bytes
    bodies: Sequence[bytes]


class Answer(NamedTuple):
    """Whether the order was accepted; `failure` says why there is no answer to that."""

    invoice: bytes
    accepted: bool
    failure: str = ""


class Checkout:
    """Places one order at a time, in a thread, at the HTTP server behind a unix socket."""

    def __init__(self, shop: Path, form: str, views: int, views_per_second: float) -> None:
        self._shop, self._form = shop, form
        self._views, self._views_per_second = views, views_per_second
        self._views_from = 0.0  # by the views so far, when the next one may be
        self._asked: Future[Answer] | None = None

    def answer(self, order: Order, seconds: float) -> Answer | None:
        """What the shop says, if it does within so many seconds; it is asked once for an answer.

        Where it is still busy with an order that is no longer wanted, that one's end is awaited.
        """
        if not self._asked:
            self._asked = Future()
            # A daemon, so that the process ends without the answer: it may take most of a minute.
            Thread(target=self._ask, args=[order, self._asked], daemon=True).start()
        try:
            found = self._asked.result(seconds)
        except TimeoutError:
            return None
        self._asked = None
        return found if found.invoice == order.invoice else None

    def _ask(self, order: Order, asked: Future[Answer]) -> None:
        try:
            asked.set_result(self._place(order))
        except Exception as error:
            asked.set_exception(error)

    def _place(self, order: Order) -> Answer:
        rows = [
            dict(zip(COLUMNS, record.fields(body, self._form), strict=False))
            for body in order.bodies
        ]
        customer = rows[0]["CustomerID"]
        address = record.client_address(customer.encode(), order.invoice).decode()
        headers = {"Host": "shop", "User-Agent": _AGENT, "X-Forwarded-For": address}
        lines = [
            {
                "StockCode": row["StockCode"],
                "Quantity": int(_number(row["Quantity"])),
                "UnitPrice": _number(row["UnitPrice"]),
            }
            for row in rows
        ]
        body = {"InvoiceNo": order.invoice.decode(), "Customer": customer, "lines": lines}
        connection = _Connection(self._shop)
        try:
            for path in pages([row["StockCode"] for row in rows], self._may_view(self._views)):
                connection.request("GET", path, headers=headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status >= 500:  # who meets that looks no further, and comes again
                    return Answer(order.invoice, False, f"it answered {answer.status} to {path}")
            connection.request("POST", "/orders", json.dumps(body).encode(), headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(order.invoice, False, f"no answer ({str(error) or type(error).__name__})")
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.FORBIDDEN:
            return Answer(order.invoice, False)
        accepted = 200 <= answer.status < 300
        return Answer(order.invoice, accepted, "" if accepted else f"it answered {answer.status}")

    def _may_view(self, wanted: int) -> int:
        """How many pages may be looked at now: a second's may be saved up, or else one."""
        now = time.monotonic()
        begin = max(self._views_from, now - max(1.0, 1 / self._views_per_second))
        allowed = min(wanted, int((now - begin) * self._views_per_second + 1e-6))
        self._views_from = begin + allowed / self._views_per_second
        return allowed


def pages(products: Sequence[str], count: int) -> list[str]:
    """The last `count` pages of a customer's way: home, products, basket, checkout."""
    chosen = islice(cycle(products), max(1, count - 3))
    way = ["/", *(f"/product/{quote(code, safe='')}" for code in chosen), "/basket", "/checkout"]
    return way[len(way) - count :]


def _number(text: str) -> float:
    """Of a value of the data set, which may be anything; the order goes on all the same."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if abs(number) < _MOST else 0.0  # of no number, too, that does not hold


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("shop", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(str(self._path))
