"""order_writer.table: batches into DynamoDB."""

from botocore.exceptions import EndpointConnectionError

from order_writer import table as module
from order_writer.table import Table, key_of


def item(number: int, **more: dict[str, str]) -> dict[str, dict[str, str]]:
    return {"CustomerID": {"N": "17850"}, "OrderID": {"S": f"536365-A-{number}"}} | more


def by_key(*items):
    return {key_of(one): one for one in items}


def test_all_items_are_written(orders_table):
    table = Table(orders_table.name, orders_table.client)
    items = by_key(*(item(number) for number in range(60)))
    assert table.write(items) == ({}, {}, None)
    assert by_key(*orders_table.items().values()) == items


def test_one_refused_item_does_not_keep_the_others_out(orders_table):
    table = Table(orders_table.name, orders_table.client)
    bad = item(3, Text={"S": "x" * 410_000})
    outcome = table.write(by_key(item(1), bad, item(2)))
    assert list(outcome.refused) == [key_of(bad)]
    assert not outcome.pending
    assert by_key(*orders_table.items().values()) == by_key(item(1), item(2))


class Store:
    """Answers each request with the next of its answers; keeps what was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def batch_write_item(self, RequestItems):
        puts = RequestItems["orders"]
        self.requests.append([put["PutRequest"]["Item"] for put in puts])
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        return {"UnprocessedItems": {"orders": puts[len(puts) - answer :]} if answer else {}}


def test_what_was_not_processed_is_sent_again():
    store, waits = Store(2, 1), []
    outcome = Table("orders", store, waits.append).write(by_key(item(1), item(2), item(3)))
    assert outcome == ({}, {}, None)
    assert store.requests == [[item(1), item(2), item(3)], [item(2), item(3)], [item(3)]]
    assert len(waits) == 2


def test_a_store_that_takes_too_little_ends_the_batch():
    store = Store(*[25] * module.ATTEMPTS)
    items = by_key(*(item(number) for number in range(30)))
    outcome = Table("orders", store, lambda _: None).write(items)
    assert isinstance(outcome.error, module.ThrottledError)
    assert outcome.pending == items
    assert len(store.requests) == module.ATTEMPTS


def test_a_store_that_fails_is_asked_no_further():
    store = Store(0, EndpointConnectionError(endpoint_url="http://store"))
    items = by_key(*(item(number) for number in range(80)))
    outcome = Table("orders", store).write(items)
    assert list(outcome.pending) == list(items)[25:]
    assert len(store.requests) == 2


def test_waits_double():
    longest = [max(module.backoff(attempt) for _ in range(200)) for attempt in (1, 4)]
    assert longest[0] <= 0.1 < longest[1] <= 0.8
