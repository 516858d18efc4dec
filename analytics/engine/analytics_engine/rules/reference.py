"""Reference data: a table whose first column joins to the lines' column of that name."""

import csv
import io
from collections.abc import Mapping

from analytics_engine.errors import InputError
from analytics_engine.records.values import UNKNOWN


class Groups(dict[str, str]):
    """Groups by key; of a key that the table does not hold it is UNKNOWN."""

    def __missing__(self, key: str) -> str:
        return UNKNOWN


class Reference:
    """One table. Its row UNKNOWN, if there is one, is of the keys that it does not hold."""

    def __init__(self, text: str, name: str = "reference") -> None:
        self.name, self.text = name, text
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        self._rows: dict[str, dict[str, str]] = {}
        try:
            self.columns = list(reader.fieldnames or [""])
            self.key = self.columns[0]
            for row in reader:
                if None in row or None in row.values():
                    raise InputError(f"{name}:{reader.line_num}: more or fewer fields than columns")
                if row[self.key] in self._rows:
                    key = row[self.key][:100]
                    raise InputError(
                        f"{name}:{reader.line_num}: {self.key} {key} stands there twice"
                    )
                self._rows[row[self.key]] = row
        except csv.Error as error:
            raise InputError(f"{name}:{reader.line_num + 1}: {error}") from error
        if not self._rows:
            raise InputError(f"{name}: no rows")

    def groups(self, column: str) -> "Groups":
        """Key to group."""
        self._check(column)
        return Groups({key: row[column] for key, row in self._rows.items()})

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
