"""Reference data: a table whose first column joins to the lines' column of that name."""

import csv
import io
from collections.abc import Mapping, Sequence

from analytics_engine.errors import InputError
from analytics_engine.records.values import UNKNOWN


class Reference:
    """One table. Its row UNKNOWN, if there is one, is of the keys that it does not hold."""

    def __init__(self, text: str, name: str = "reference") -> None:
        self.name, self.text = name, text
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
        if not rows or not rows[0]:
            raise InputError(f"{name}: no rows")
        self.columns = list(rows[0])
        self.key = self.columns[0]
        if any(None in row or None in row.values() for row in rows):
            raise InputError(f"{name}: rows of different length")
        self._rows = {row[self.key]: row for row in rows}
        if len(self._rows) != len(rows):
            raise InputError(f"{name}: a {self.key} stands there twice")

    def groups(self, column: str) -> dict[str, str]:
        """Key to group."""
        self._check(column)
        return {key: row[column] for key, row in self._rows.items()}

    def thresholds(self, column: str, group: str | None = None) -> dict[str, float]:
        """Group (or key) to threshold; a group's rows must agree."""
        for name in filter(None, (column, group)):
            self._check(name)
        found: dict[str, float] = {}
        for key, row in self._rows.items():
            scope = key if group is None else row[group]
            try:
                value = float(row[column])
            except ValueError:
                raise InputError(f"{self.name}: {column} of {key} is no number") from None
            value = int(value) if value.is_integer() else value
            if found.setdefault(scope, value) != value:
                raise InputError(f"{self.name}: {scope} has more than one {column}")
        if UNKNOWN not in found:
            raise InputError(f"{self.name}: no row '{UNKNOWN}' with a {column}")
        return found

    def _check(self, column: str) -> None:
        if column not in self.columns:
            raise InputError(f"{self.name}: no column {column!r}")


References = Mapping[str, Reference]


def translate(groups: Mapping[str, str], keys: Sequence[str]) -> list[str]:
    """The group of each key."""
    get = groups.get
    return [get(key, UNKNOWN) for key in keys]
