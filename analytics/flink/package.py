"""Packs main.py, the rules' SQL and the Kinesis connector as Flink's managed service takes it.

Rules that Flink cannot do are left out, and named. The same input gives the same bytes. The
connector is fetched by its Maven coordinates; where the Maven repository at hand does not have it,
give the file.
"""

import argparse
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from analytics_engine.rules.files import Definitions, load
from analytics_engine.rules.sql import refusal, script, tables

HERE = Path(__file__).parent
CONNECTOR = "org.apache.flink:flink-sql-connector-aws-kinesis-streams:6.0.1-2.0"
EPOCH = (1980, 1, 1, 0, 0, 0)


def main() -> None:
    """Write the zip, named after its content; print where it is, and which rules it leaves out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, default=HERE.parent / "rules.yml")
    parser.add_argument("--references", type=Path, default=HERE.parent / "reference")
    parser.add_argument("--records", type=Path, help="kinds of records (default: the project's)")
    parser.add_argument("--streams", type=Path, help="which streams there are (default: as above)")
    parser.add_argument("--connector-jar", type=Path, help=f"instead of {CONNECTOR}")
    parser.add_argument("--connector-sha256", required=True, help="what the jar must be")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    definitions = load(options.rules, options.references, options.records, options.streams)
    refused = {
        rule.name: reason
        for rule in definitions.rules
        if (reason := refusal(rule, definitions.sources[rule.source].kind)) is not None
    }
    taken = [rule.name for rule in definitions.rules if rule.name not in refused]
    if not taken:
        sys.exit(f"Flink can do none of these rules: {refused}")
    jar = connector(options.connector_jar, options.output)
    digest = hashlib.sha256(jar).hexdigest()
    if options.connector_sha256 != digest:
        sys.exit(
            f"the connector's sha256 is {digest}, not {options.connector_sha256!r}. "
            "If that is what its publisher says, give it as --connector-sha256 "
            "(analytics_connector_sha256)."
        )
    package = pack(options.output, definitions, jar)
    print(json.dumps({"package": str(package), "rules": taken, "refused": refused}))


def pack(folder: Path, definitions: Definitions, jar: bytes) -> Path:
    """Write main.py, sql/ and lib/; stored, so that no compressor's version is in the bytes."""
    files = {"main.py": (HERE / "main.py").read_bytes(), "lib/connector.jar": jar}
    for place in (HERE / "sql").iterdir():
        sources = tables(definitions, (place / "source.sql").read_text())
        files[f"sql/{place.name}.sql"] = f"{sources}\n{(place / 'alarms.sql').read_text()}".encode()
    files["sql/rules.sql"] = script(definitions).encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, EPOCH), files[name])
    content = made.getvalue()
    path = folder / f"flink-{hashlib.sha256(content).hexdigest()[:12]}.zip"
    if not path.exists():
        path.write_bytes(content)
    return path


def connector(jar: Path | None, folder: Path) -> bytes:
    """The jar that was given, or the published one."""
    if jar is not None:
        return jar.read_bytes()
    _, name, version = CONNECTOR.split(":")
    fetched = folder / f"{name}-{version}.jar"
    if not fetched.exists():
        # -U: that it was not there once does not mean that it is not there now.
        command = ["mvn", "-q", "-C", "-U", "dependency:copy", f"-Dartifact={CONNECTOR}"]
        try:
            subprocess.run([*command, f"-DoutputDirectory={folder}"], check=False)
        except FileNotFoundError:
            print("mvn: not found", file=sys.stderr)
        if not fetched.exists():
            sys.exit(
                f"Maven does not find {CONNECTOR} here. Download it where it can be had, and give "
                "the file as --connector-jar (analytics_connector_jar)."
            )
    return fetched.read_bytes()


if __name__ == "__main__":
    main()
