"""A verification run: its orders, and how they are told from all others."""

import csv
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Orders of invoice `V<number>`; only the rule `verify` sees them, the number is its scope."""

    number: int
    lines: int

    @property
    def invoice(self) -> str:
        return f"V{self.number}"

    @property
    def scope(self) -> str:
        return str(self.number)

    @property
    def customer(self) -> str:
        """The order table's partition: a guest's, that no invoice of the data set has."""
        return f"-{self.number}"

    def rows(self) -> str:
        """The orders in the data set's columns, as csv without a header."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        for number in range(1, self.lines + 1):
            order = (f"VERIFY{number}", 'VERIFICATION, "QUOTED"', 1, "12/1/2010 8:26", "1.00")
            writer.writerow((self.invoice, *order, "", "Unspecified"))
        return text.getvalue()
