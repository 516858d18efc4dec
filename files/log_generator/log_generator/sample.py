"""A synthetic data set with the shape and the quirks of the UCI "Online Retail" one.

Invoice numbers and customers are outside the ranges of the real one, so that the two never meet.
Only `Random.random` is drawn from: its sequence is the same in each version of Python.
"""

import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

from log_generator.dataset import COLUMNS
from log_generator.record import quote

ROWS = 20_000
SEED = 2  # of the first few, the one nearest to the real proportions

Row = list[str]
T = TypeVar("T")

# Quantiles of the real data set, with straight lines between: (share, value).
_SALE_LINES = ((0, 1), (0.1, 2), (0.25, 6), (0.5, 15), (0.75, 28), (0.9, 48), (0.99, 111), (1, 240))
_GUEST_LINES = ((0, 1), (0.1, 2), (0.25, 10), (0.5, 40), (0.7, 100), (0.9, 200), (1, 600))
_CANCELLED_LINES = ((0, 1), (0.65, 1), (0.9, 4), (0.99, 18), (1, 41))
_QUANTITY = ((0, 1), (0.3, 1), (0.5, 3), (0.75, 10), (0.9, 24), (0.99, 100), (1, 478))
_CENTS = ((0, 19), (0.1, 63), (0.25, 125), (0.5, 208), (0.75, 413), (0.9, 795), (1, 1800))
_MOST_LINES = 1114

_COLOURS = (
    "RED",
    "BLUE",
    "GREEN",
    "PINK",
    "IVORY",
    "CREAM",
    "BLACK",
    "SILVER",
    "GOLD",
    "ROSE",
    "MINT",
)
_KINDS = (
    "STRIPED",
    "ENAMEL",
    "WOODEN",
    "GLASS",
    "CERAMIC",
    "FELT",
    "PAPER",
    "WICKER",
    "TIN",
    "LINEN",
)
_THINGS = (
    "TEAPOT", "LANTERN", "CAKE STAND", "MUG", "CUSHION COVER", "LUNCH BAG", "JAM JAR", "BUNTING",
    "PHOTO FRAME", "COAT RACK", "DOORMAT", "ALARM CLOCK", "HAND WARMER", "NAPKIN HOLDER", "TRAY",
    "CANDLE HOLDER", "STORAGE BOX", "WATER BOTTLE",
)  # fmt: skip
_SUFFIXES = ("", "", "", "", "", "", "", "", "", "A", "B", "C", "L", "S", "BL", "b")
_SERVICES = (
    ("POST", "POSTAGE", "18"), ("DOT", "DOTCOM POSTAGE", "57.14"), ("M", "Manual", "1.25"),
    ("C2", "CARRIAGE", "50"), ("BANK CHARGES", "Bank Charges", "15"),
)  # fmt: skip
_COUNTRIES = (
    ("United Kingdom", 91.4), ("Germany", 1.75), ("France", 1.58), ("EIRE", 1.51), ("Spain", 0.47),
    ("Netherlands", 0.44), ("Belgium", 0.38), ("Switzerland", 0.37), ("Portugal", 0.28),
    ("Australia", 0.23), ("Norway", 0.2), ("Italy", 0.15), ("Channel Islands", 0.14),
    ("Finland", 0.13), ("Cyprus", 0.11), ("Unspecified", 0.08), ("Japan", 0.07), ("USA", 0.05),
    ("Hong Kong", 0.05), ("European Community", 0.01), ("RSA", 0.01),
)  # fmt: skip

_START = date(2010, 12, 1)
_DAYS = [
    day for day in (_START + timedelta(number) for number in range(374)) if day.weekday() != 5
]  # until 2011-12-09, without Saturdays
_OPENS, _OPEN_MINUTES = 8 * 60, 10 * 60


class Product(NamedTuple):
    code: str
    description: str
    price: str


def write(path: Path, rows: int = ROWS, seed: int = SEED) -> None:
    """Write a data set as it is published: ISO-8859-1, CR LF, a header."""
    with open(path, "wb") as file:
        for row in (COLUMNS, *Sample(rows, seed).rows()):
            file.write((",".join(map(quote, row)) + "\r\n").encode("latin-1"))


class Sample:
    """One stream of draws, from the catalogue to the last row."""

    def __init__(self, rows: int, seed: int) -> None:
        self._size = rows
        self._random = random.Random(seed).random
        self._made = 0
        self._moment = 0
        self._number = 100_000
        self._products = [self._product(number) for number in range(max(60, rows // 5))]
        names, weights = zip(*_COUNTRIES, strict=True)
        steps = list(accumulate(weights))
        self._customers = [
            (str(20_001 + number), names[bisect(steps, self._random() * steps[-1])])
            for number in range(max(20, rows // 100))
        ]

    def rows(self) -> Iterator[Row]:
        """Exactly as many rows as asked for, in the order of their dates."""
        planted = self._planted()
        while self._made < self._size:
            if planted and self._made >= planted[0][0] * self._size:
                made = planted.pop(0)[1]()
            else:
                made = self._any_invoice()
            made = made[: self._size - self._made]
            self._made += len(made)
            yield from made

    def _planted(self) -> list[tuple[float, Callable[[], list[Row]]]]:
        """What is too rare for a draw of so few rows, each at its share of the whole."""
        if self._size < 10 * _MOST_LINES:
            return [(0.1, self._voucher), (0.5, self._torn), (0.7, self._bad_debt)]
        vouchers = max(2, self._size * 32 // 541_909)
        return sorted(
            [(0.07 + 0.9 * place / vouchers, self._voucher) for place in range(vouchers)]
            + [
                (0.2, lambda: self._invoice("", self._guest_customer(), _MOST_LINES)),
                (0.4, self._torn),
                (0.7, self._bad_debt),
                (0.9, self._mistake),
            ],
            key=itemgetter(0),
        )

    # Invoices

    def _any_invoice(self) -> list[Row]:
        kind = self._random()
        if kind < 0.148:
            lines = self._from(_CANCELLED_LINES)
            return self._invoice("C", self._customer(), lines, sign=-1)
        if kind < 0.148 + 0.095:
            return self._adjustment()
        if kind < 0.148 + 0.143:
            return self._invoice("", self._guest_customer(), self._from(_GUEST_LINES))
        return self._invoice("", self._customer(), self._from(_SALE_LINES))

    def _invoice(
        self, letter: str, customer: tuple[str, str], lines: int, sign: int = 1
    ) -> list[Row]:
        number, dated = self._next_number(letter), self._date()
        later_from = lines // 2 if lines > 1 and self._chance(0.0017) else lines
        rows: list[Row] = []
        for place in range(lines):
            if place == later_from:
                self._moment += 1
                dated = self._date()
            if rows and self._chance(0.008):
                rows.append([*self._one_of(rows)])
                continue
            if rows and self._chance(0.012):
                _, code, description, _, _, price, *_ = self._one_of(rows)
            else:
                code, description, price = self._article()
            quantity = str(sign * self._from(_QUANTITY))
            rows.append([number, code, description, quantity, dated, price, *customer])
        return rows

    def _adjustment(self) -> list[Row]:
        """The stock is corrected: a guest's invoice of one line at no price."""
        product = self._one_of(self._products)
        lost = self._chance(0.54)
        if self._chance(0.587):
            description = ""
        else:
            description = self._one_of(("damaged", "lost?", "wet/rusty")) if lost else "found"
        quantity = str(self._from(_QUANTITY) * (-1 if lost else 1))
        number, dated = self._next_number(""), self._date()
        return [[number, product.code, description, quantity, dated, "0", "", "United Kingdom"]]

    def _voucher(self) -> list[Row]:
        code, pounds = self._one_of((("gift_0001_20", 20), ("gift_0001_40", 40)))
        row = self._invoice("", self._guest_customer(), 1)[0]
        return [[row[0], code, f"Shop Gift Voucher £{pounds}.00", "1", row[4], "16.67", *row[6:]]]

    def _torn(self) -> list[Row]:
        """An invoice whose last line comes after the next invoice."""
        first = self._invoice("", self._customer(), 8)
        return [*first[:-1], *self._invoice("", self._customer(), 5), first[-1]]

    def _bad_debt(self) -> list[Row]:
        rest = "", "United Kingdom"
        return [
            [self._next_number("A"), "B", "Adjust bad debt", "1", self._date(), price, *rest]
            for price in ("11062.06", "-11062.06", "-11062.06")
        ]

    def _mistake(self) -> list[Row]:
        """The largest order, and its cancellation."""
        (row,) = self._invoice("", self._customer(), 1)
        row[3] = "80995"
        return [row, [self._next_number("C"), *row[1:3], "-80995", *row[4:]]]

    # Parts of a row

    def _next_number(self, letter: str) -> str:
        self._number += 1 if self._random() < 0.95 else 2
        return f"{letter}{self._number}"

    def _date(self) -> str:
        """By the share of the rows made, so that dates never go back."""
        share = self._made / self._size * len(_DAYS)
        day = int(share)
        self._moment = max(self._moment, day * 1440 + _OPENS + int((share - day) * _OPEN_MINUTES))
        on, minute = _DAYS[self._moment // 1440], self._moment % 1440
        return f"{on.month}/{on.day}/{on.year} {minute // 60}:{minute % 60:02}"

    def _customer(self) -> tuple[str, str]:
        return self._one_of(self._customers)

    def _guest_customer(self) -> tuple[str, str]:
        return "", "United Kingdom" if self._chance(0.98) else "Hong Kong"

    def _article(self) -> Product:
        kind = self._random()
        product = self._products[int(self._random() ** 1.2 * len(self._products))]
        if kind < 0.0089:
            return product._replace(description=product.description.strip() + " , BOXED")
        if kind < 0.0112:
            return product._replace(description=f'FRAME 7" {product.description}')
        if kind < 0.0165:
            return Product(*self._one_of(_SERVICES))
        if kind < 0.0166:
            return product._replace(price="0")
        return product

    def _product(self, number: int) -> Product:
        words = (self._one_of(_COLOURS), self._one_of(_KINDS), self._one_of(_THINGS))
        space = " " if self._chance(0.2) else ""
        cents = self._from(_CENTS)
        price = f"{cents / 100:.2f}".rstrip("0").rstrip(".")
        return Product(
            f"{30_001 + number}{self._one_of(_SUFFIXES)}", " ".join(words) + space, price
        )

    # Draws

    def _chance(self, share: float) -> bool:
        return self._random() < share

    def _one_of(self, things: Sequence[T]) -> T:
        return things[int(self._random() * len(things))]

    def _from(self, quantiles: Sequence[tuple[float, int]]) -> int:
        share = self._random()
        for (low, first), (high, last) in pairwise(quantiles):
            if share < high:
                return first + int((last - first) * (share - low) / (high - low))
        return quantiles[-1][1]
