"""An order line of the stream, and the item that it is in the order table."""

import json
import re
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from common.rejected import RejectedError

Item = dict[str, dict[str, str]]

# DynamoDB's limits: 38 digits a number, 1,024 bytes a sort key, 400 KB an item.
AMOUNT = re.compile(r"-?[0-9]{1,26}(\.[0-9]{1,12})?")
WHOLE = re.compile(r"-?[0-9]{1,38}")
COUNT = re.compile(r"[1-9][0-9]{0,37}")
DESCRIPTIONS = {AMOUNT: "a number", WHOLE: "a whole number", COUNT: "a number from 1"}
MAX_KEY_BYTES = 1024
MAX_RECORD_BYTES = 390_000
UNKNOWN = "unknown"


def item_of(data: bytes) -> Item:
    """The item of a record's bytes.

    Raises:
        RejectedError: it can never be one.
    """
    order = _parse(data)
    invoice = _text(order, "InvoiceNo", required=True)
    product = _text(order, "StockCode", required=True)
    order_id = f"{invoice}-{product}-{_number(order, 'LineNo', COUNT)}"
    if len(order_id.encode()) > MAX_KEY_BYTES:
        raise RejectedError(f"InvoiceNo, StockCode and LineNo are over {MAX_KEY_BYTES} bytes")
    item = {
        "CustomerID": {"N": _customer(order, invoice)},
        "OrderID": {"S": order_id},
        "Quantity": {"N": _number(order, "Quantity", WHOLE)},
        "UnitPrice": {"N": _number(order, "UnitPrice", AMOUNT)},
        "EventTime": {"S": _time(order, "EventTime")},
    }
    texts = {
        "OrderDate": _text(order, "InvoiceDate"),
        "Description": _text(order, "Description"),
        "Country": _text(order, "Country"),
        "ClientIP": _address(_text(order, "ClientIP")),
    }
    return item | {name: {"S": text} for name, text in texts.items() if text}


def expiring(item: Item, days: int) -> Item:
    """The item with the time, in epoch seconds, at which DynamoDB may delete it; 0 days: never."""
    if not days:
        return item
    written = datetime.fromisoformat(item["EventTime"]["S"])
    return item | {"ExpiresAt": {"N": str(int(written.timestamp()) + days * 86400)}}


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_RECORD_BYTES:
        raise RejectedError(f"longer than {MAX_RECORD_BYTES} bytes")
    try:
        order = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise RejectedError(f"not JSON: {error}") from None
    if not isinstance(order, dict):
        raise RejectedError("not a JSON object")
    return order


def _text(order: dict[str, Any], name: str, *, required: bool = False) -> str:
    text = order.get(name, "")
    if not isinstance(text, str):
        raise RejectedError(f"{name} is not a string")
    if required and not text:
        raise RejectedError(f"{name} is missing")
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate: JSON can spell it, no store takes it
        raise RejectedError(f"{name} is not Unicode text") from None
    return text


def _number(order: dict[str, Any], name: str, shape: re.Pattern[str]) -> str:
    text = _text(order, name, required=True)
    if not shape.fullmatch(text):
        raise RejectedError(f"{name} is not {DESCRIPTIONS[shape]}: {text[:40]!r}")
    return text


def _time(order: dict[str, Any], name: str) -> str:
    text = _text(order, name, required=True)
    try:
        if not text.endswith("Z"):
            raise ValueError
        datetime.fromisoformat(text)
    except ValueError:
        raise RejectedError(f"{name} is not a time in UTC: {text[:40]!r}") from None
    return text


def _address(text: str) -> str:
    """What is no address is stored as what the rules count it under."""
    if not text:
        return ""
    try:
        ip_address(text)
    except ValueError:
        return UNKNOWN
    return UNKNOWN if "%" in text else text  # a zone is not the visitor's


def _customer(order: dict[str, Any], invoice: str) -> str:
    """The customer's number; a guest's is minus the digits of the invoice before any `.`."""
    if _text(order, "Customer"):
        return _number(order, "Customer", AMOUNT)
    digits = re.sub(r"[^0-9]", "", invoice.split(".")[0])
    if not 1 <= len(digits) <= 38:
        raise RejectedError(f"a guest's InvoiceNo gives no CustomerID: {invoice[:40]!r}")
    return f"-{digits}"
