"""Packs main.py, the rules' SQL and the Kinesis connector as Flink's managed service takes it.

The same input gives the same bytes. The connector is fetched by its Maven coordinates; where the
Maven repository at hand does not have it, give the file.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from analytics_engine.inputs import load
from analytics_engine.sql import refusal, script

HERE = Path(__file__).parent
CONNECTOR = "org.apache.flink:flink-sql-connector-aws-kinesis-streams:6.0.1-2.0"
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Write the zip, and say which rules are not in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, default=HERE.parent / "rules.yml")
    parser.add_argument("--references", type=Path, default=HERE.parent / "reference")
    parser.add_argument("--connector-jar", type=Path, help=f"instead of {CONNECTOR}")
    parser.add_argument("--connector-sha256", help="what the jar must be")
    parser.add_argument("--output", type=Path, required=True, metavar="ZIP")
    options = parser.parse_args()
    rules, references = load(options.rules, options.references)
    for rule in rules:
        if (reason := refusal(rule)) is not None:
            print(f"left to the embedded engine: {rule.name}: {reason}", file=sys.stderr)
    jar = connector(options.connector_jar)
    digest = hashlib.sha256(jar).hexdigest()
    if options.connector_sha256 not in (None, digest):
        sys.exit(f"the connector's sha256 is {digest}, not {options.connector_sha256}")
    pack(options.output, script(rules, references), jar)


def pack(output: Path, rules_sql: str, jar: bytes) -> None:
    """Write main.py, sql/ and lib/; stored, so that no compressor's version is in the bytes."""
    files = {"main.py": (HERE / "main.py").read_bytes(), "lib/connector.jar": jar}
    files |= {f"sql/{path.name}": path.read_bytes() for path in (HERE / "sql").glob("*.sql")}
    files["sql/rules.sql"] = rules_sql.encode()
    with zipfile.ZipFile(output, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), files[name])


def connector(jar: Path | None) -> bytes:
    """The jar that was given, or the published one, its checksum verified by Maven."""
    if jar is not None:
        return jar.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        command = ["mvn", "-q", "-C", "dependency:copy", f"-Dartifact={CONNECTOR}"]
        done = subprocess.run([*command, f"-DoutputDirectory={folder}"], check=False)
        found = list(Path(folder).glob("*.jar"))
        if done.returncode != 0 or not found:
            sys.exit(
                f"Maven does not find {CONNECTOR} here. Download it where it can be had, and give "
                "the file as --connector-jar (analytics_connector_jar)."
            )
        return found[0].read_bytes()


if __name__ == "__main__":
    main()
