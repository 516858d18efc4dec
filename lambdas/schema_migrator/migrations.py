"""Numbered SQL, each file applied once."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from pymysql.cursors import DictCursor

FOLDER = Path(__file__).parent / "sql"

BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS logs.schema_migrations (
  version int NOT NULL PRIMARY KEY,
  name varchar(191) NOT NULL,
  sha256 char(64) NOT NULL,
  applied_at datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
) DEFAULT CHARACTER SET utf8mb4
"""


class EditedError(Exception):
    """A migration was changed after it had been applied: write a new one instead."""


class Migration(NamedTuple):
    version: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """Its statements: each ends with a `;` at the end of a line."""
        return [part.strip() for part in f"{self.text}\n".split(";\n") if part.strip()]


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """The migrations of a folder, in order."""
    files = sorted(folder.glob("*.sql"))
    return [Migration(int(file.name[:4]), file.stem, file.read_text("utf-8")) for file in files]


def pending(cursor: DictCursor, migrations: list[Migration]) -> list[Migration]:
    """Those not applied yet."""
    applied = _applied(cursor)
    for migration in migrations:
        if applied.get(migration.version, migration.sha256) != migration.sha256:
            raise EditedError(f"{migration.name} was changed after it had been applied")
    return [migration for migration in migrations if migration.version not in applied]


def apply(cursor: DictCursor, migration: Migration) -> None:
    """Apply one. Where it fails half way it is tried again, so its statements must bear that."""
    cursor.execute("CREATE DATABASE IF NOT EXISTS logs DEFAULT CHARACTER SET utf8mb4")
    cursor.execute(BOOKKEEPING)
    for statement in migration.statements:
        cursor.execute(statement)
    cursor.execute(
        "INSERT INTO logs.schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
        (migration.version, migration.name, migration.sha256),
    )


def _applied(cursor: DictCursor) -> dict[int, str]:
    cursor.execute(
        "SELECT 1 FROM information_schema.tables"
        " WHERE table_schema = 'logs' AND table_name = 'schema_migrations'"
    )
    if not cursor.fetchone():
        return {}
    cursor.execute("SELECT version, sha256 FROM logs.schema_migrations")
    return {row["version"]: row["sha256"] for row in cursor.fetchall()}
