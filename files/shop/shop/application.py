"""What each of the services answers. None keeps anything: an order that comes again is accepted."""

import html
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from shop.outgoing import CallError, Outgoing

LARGEST = 1_000_000
"""Bytes of an order; the data set's longest has 1,114 lines and about 100 kB."""

logger = logging.getLogger(__name__)


class Line(msgspec.Struct, frozen=True):
    """One product of an order, in the data set's words; a cancellation's quantity is negative."""

    StockCode: str
    Quantity: int
    UnitPrice: float


class Order(msgspec.Struct, frozen=True):
    """What is posted to /orders; Customer is empty for guests."""

    InvoiceNo: str
    Customer: str
    lines: tuple[Line, ...]


_DECODER = msgspec.json.Decoder(Order)


class _RefusedError(Exception):
    """The body is no order; `status` is what to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def shop(outgoing: Path) -> Starlette:
    """The pages, and orders, for which stock and payment are asked in turn."""
    calls = Outgoing(outgoing)

    async def order(request: Request) -> Response:
        try:
            body = await _body(request)
            found = _order(body)
            await calls.post("stock", "/reservations", body, request.headers)
            await calls.post("payment", "/payments", body, request.headers)
        except _RefusedError as error:
            return PlainTextResponse(f"{error}\n", error.status)
        except CallError as error:
            logger.warning("an order failed: %s", error)
            return PlainTextResponse("The order could not be placed.\n", error.status)
        return _json({"InvoiceNo": found.InvoiceNo, "lines": len(found.lines)}, 201)

    return Starlette(
        routes=[
            Route("/", _page("Shop", "Welcome.")),
            Route("/product/{code}", _product),
            Route("/basket", _page("Basket", "What you chose.")),
            Route("/checkout", _page("Checkout", "Where to send it.")),
            Route("/orders", order, methods=["POST"]),
            _HEALTH,
        ]
    )


def stock(_: Path | None = None) -> Starlette:
    """Reserves what an order asks for."""
    return Starlette(routes=[Route("/reservations", _accept, methods=["POST"]), _HEALTH])


def payment(_: Path | None = None) -> Starlette:
    """Takes what an order costs."""
    return Starlette(routes=[Route("/payments", _accept, methods=["POST"]), _HEALTH])


SERVICES = {"shop": shop, "stock": stock, "payment": payment}
"""Each takes the socket that calls go through, and gives its application."""


async def _accept(request: Request) -> Response:
    try:
        found = _order(await _body(request))
    except _RefusedError as error:
        return PlainTextResponse(f"{error}\n", error.status)
    total = sum(line.Quantity * line.UnitPrice for line in found.lines)
    return _json({"InvoiceNo": found.InvoiceNo, "total": round(total, 2)}, 200)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise _RefusedError(413, f"An order has at most {LARGEST} bytes.")
    return bytes(body)


def _order(body: bytes) -> Order:
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _RefusedError(400, f"This is no order: {error}.") from error


def _json(value: object, status: int) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


_HEALTH = Route("/health", _health)


async def _product(request: Request) -> Response:
    return _html("Product", html.escape(request.path_params["code"]))


def _page(title: str, text: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return _html(title, text)

    return page


def _html(title: str, text: str) -> Response:
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en"><title>{title}</title><h1>{title}</h1><p>{text}</p>\n'
        '<nav><a href="/">Shop</a> <a href="/basket">Basket</a> <a href="/checkout">Checkout</a>'
        "</nav></html>\n"
    )
