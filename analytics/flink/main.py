"""Submits the rules to Flink: on AWS (Managed Service for Apache Flink), on a cluster, in tests.

Reads the property group `surgewatch`: `tables` (kinesis or files) and what sql/<tables>.sql asks
for. On AWS the properties stand in a file that the service makes; elsewhere its path is the first
argument. The statements of the rules are in sql/rules.sql, made by `analytics-engine flink`.
"""

import json
import sys
from pathlib import Path
from string import Template

from pyflink.table import EnvironmentSettings, TableEnvironment

HERE = Path(__file__).parent
PROPERTIES = Path("/etc/flink/application_properties.json")


def main() -> None:
    """Make the tables, then the views, then run all inserts as one job."""
    properties = read(Path(sys.argv[1]) if len(sys.argv) > 1 else PROPERTIES)
    settings = EnvironmentSettings.new_instance()
    bounded = properties["tables"] == "files"
    environment = TableEnvironment.create(settings.in_streaming_mode().build())
    for key, value in options(properties).items():
        environment.get_config().set(key, value)
    tables = (HERE / "sql" / f"{properties['tables']}.sql").read_text()
    for statement in statements(Template(tables).substitute(properties)):
        environment.execute_sql(statement)
    for statement in statements((HERE / "sql" / "rules.sql").read_text()):
        result = environment.execute_sql(statement)
    if bounded:
        result.wait()


def read(path: Path) -> dict[str, str]:
    """The properties of our group, with what may be left out."""
    groups = json.loads(path.read_text())
    found = {group["PropertyGroupId"]: group["PropertyMap"] for group in groups}
    return {"tables": "kinesis", "source_options": "", "sink_options": ""} | found["surgewatch"]


def options(properties: dict[str, str]) -> dict[str, str]:
    """Flink's settings: an idle shard must not hold back time; one subtask reads one shard."""
    given = {
        key.removeprefix("flink."): value
        for key, value in properties.items()
        if key.startswith("flink.")
    }
    return {
        "table.local-time-zone": "UTC",
        "table.exec.source.idle-timeout": "2 s",
        "pipeline.object-reuse": "true",
        "parallelism.default": properties.get("shards", "1"),
    } | given


def statements(script: str) -> list[str]:
    """Split at the semicolons that end lines; a statement set stays whole."""
    found, lines = [], []
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        lines.append(line)
        inside = any(text.startswith("EXECUTE STATEMENT SET") for text in lines)
        if line.endswith(";") and (not inside or line == "END;"):
            found.append("\n".join(lines).strip().removesuffix(";") + (";" if inside else ""))
            lines = []
    return found


if __name__ == "__main__":
    main()
