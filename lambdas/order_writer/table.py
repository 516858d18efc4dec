"""Batches of items for the order table."""

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from order_writer.order import Item

BATCH = 25  # the most that BatchWriteItem takes
ATTEMPTS = 6

Key = tuple[str, str]


class Outcome(NamedTuple):
    """What was not written: refused for good, or pending because the store failed."""

    refused: dict[Key, Exception]
    pending: dict[Key, Item]
    error: Exception | None = None


class ThrottledError(Exception):
    """The store took only a part, again and again."""


class Table:
    """Writes items in as few requests as the store allows."""

    def __init__(
        self, name: str, client: BaseClient, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self._client = client
        self._sleep = sleep

    def write(self, items: dict[Key, Item]) -> Outcome:
        """Write all items; where the store fails, nothing further is sent."""
        refused: dict[Key, Exception] = {}
        pending = dict(items)
        try:
            for batch in _batches(list(items.values())):
                refused |= self._write(batch)
                for item in batch:
                    del pending[key_of(item)]
        except (BotoCoreError, ClientError, ThrottledError) as error:
            return Outcome(refused, pending, error)
        return Outcome(refused, pending)

    def _write(self, batch: list[Item]) -> dict[Key, Exception]:
        """Write one request's items, and those again that came back; answer with those refused."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(backoff(attempt))
            try:
                batch = self._send(batch)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ValidationException":
                    raise
                if len(batch) == 1:
                    return {key_of(batch[0]): error}
                # One bad item spoils the request, so each goes alone.
                return {
                    key: refusal for item in batch for key, refusal in self._write([item]).items()
                }
            if not batch:
                return {}
        raise ThrottledError(f"{len(batch)} items unprocessed after {ATTEMPTS} attempts")

    def _send(self, batch: list[Item]) -> list[Item]:
        """One request; answer with the items that were not processed."""
        puts = [{"PutRequest": {"Item": item}} for item in batch]
        answer = self._client.batch_write_item(RequestItems={self.name: puts})
        unprocessed = answer.get("UnprocessedItems", {}).get(self.name, [])
        return [put["PutRequest"]["Item"] for put in unprocessed]


def key_of(item: Item) -> Key:
    return item["CustomerID"]["N"], item["OrderID"]["S"]


def backoff(attempt: int) -> float:
    """Seconds before another attempt: at random up to 50 ms, doubled each time."""
    return random.uniform(0, 0.05 * 2**attempt)


def _batches(items: list[Item]) -> Iterator[list[Item]]:
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]
